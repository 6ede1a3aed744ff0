/** A command line as the values of a command's arguments and flags; what is wrong with it is a `UsageError`. */
import { BAD_TOKENS } from "../../assembly/wasi/commands.ts";
import {
  BAD_CHOICE,
  BAD_NUMBER,
  BAD_WHOLE_NUMBER,
  NO_ARGUMENT,
  NO_FLAG,
  NO_VALUE,
  NO_WHOLE_ABOVE,
  SURPLUS_ARGUMENT,
  SURPLUS_VALUE,
  UNKNOWN_FLAG,
} from "../../assembly/wasi/usage.ts";
import type { Command, Flag } from "./table.ts";

/** A wrong command line: exit status 2. */
export class UsageError extends Error {
  constructor(words: string, subject: string = "") {
    super(words.replace("{}", subject));
  }
}

export class Arguments {
  readonly #command: Command;
  readonly #values = new Map<string, string[]>();
  readonly #positionals: string[] = [];

  constructor(command: Command, words: readonly string[]) {
    this.#command = command;
    this.#read(words);
    const missing = command.arguments[this.#positionals.length];
    if (missing && !missing.optional) throw new UsageError(NO_ARGUMENT, missing.name);
  }

  /** An argument by its name in the table; undefined where it was left out. */
  argument(name: string): string | undefined {
    return this.#positionals[this.#command.arguments.findIndex((argument) => argument.name === name)];
  }

  /** One that may not be left out, of which the constructor has made sure. */
  needed(name: string): string {
    return this.argument(name)!;
  }

  /** All that were given for the last argument of the table, `MODEL...`. */
  all(name: string): string[] {
    return this.#positionals.slice(this.#command.arguments.findIndex((argument) => argument.name === name));
  }

  /** Whether a switch was given. */
  has(id: string): boolean {
    return this.#values.has(id);
  }

  /** Whether a flag stands on the command line, and is not its default. */
  isGiven(id: string): boolean {
    return this.#values.has(id);
  }

  text(id: string): string | undefined {
    return this.#values.get(id)?.at(-1) ?? (this.#flag(id)?.default || undefined);
  }

  required(id: string): string {
    const value = this.text(id);
    if (value === undefined) throw new UsageError(NO_FLAG, this.#flag(id)?.long);
    return value;
  }

  texts(id: string): string[] {
    return this.#values.get(id) ?? [];
  }

  number(id: string): number {
    return Number(this.text(id));
  }

  /** A number that was given, or has a default. */
  given(id: string): number | undefined {
    const value = this.text(id);
    return value === undefined ? undefined : Number(value);
  }

  /** A whole number, of which more than `most` is as good as `most`. */
  upTo(id: string, most: number): number | undefined {
    const value = this.given(id);
    return value === undefined ? undefined : Math.min(value, most);
  }

  /** A number of which 0 means that the callee decides. */
  numberOrNone(id: string): number | undefined {
    return this.number(id) || undefined;
  }

  tokens(id: string): number[] {
    const list = this.required(id);
    return list.split(",").map((word) => {
      if (!/^\s*\d+\s*$/.test(word)) throw new UsageError(BAD_TOKENS, word || list || "nothing");
      return Number(word);
    });
  }

  #flag(id: string): Flag | undefined {
    return this.#command.flags.find((flag) => flag.id === id);
  }

  #add(argument: string): void {
    const { arguments: named } = this.#command;
    const full = this.#positionals.length >= named.length && !named.at(-1)?.name.endsWith("...");
    if (full) throw new UsageError(SURPLUS_ARGUMENT, argument);
    this.#positionals.push(argument);
  }

  #read(words: readonly string[]): void {
    for (let i = 0; i < words.length; i++) {
      const word = words[i];
      if (word === "--") {
        for (const argument of words.slice(i + 1)) this.#add(argument);
        return;
      }
      if (word === "-" || !word.startsWith("-")) {
        this.#add(word);
        continue;
      }
      const equals = word.startsWith("--") ? word.indexOf("=") : -1;
      const name = equals < 0 ? word : word.slice(0, equals);
      const flag = this.#command.flags.find(({ short, long }) => name === short || name === long);
      if (!flag) throw new UsageError(UNKNOWN_FLAG, name);
      if (flag.value === "") {
        if (equals >= 0) throw new UsageError(SURPLUS_VALUE, name);
        this.#values.set(flag.id, []);
        continue;
      }
      const value = equals < 0 ? words[++i] : word.slice(equals + 1);
      if (value === undefined) throw new UsageError(NO_VALUE, name);
      check(flag, name, value);
      const before = flag.value.endsWith("+") ? (this.#values.get(flag.id) ?? []) : [];
      this.#values.set(flag.id, [...before, value]);
    }
  }
}

/** Whether one of these flags stands among the words, before a `--`. */
export function wants(words: readonly string[], flags: readonly string[]): boolean {
  const end = words.indexOf("--");
  return words.slice(0, end < 0 ? words.length : end).some((word) => flags.includes(word));
}

function check(flag: Flag, name: string, value: string): void {
  if (flag.value === "N") {
    if (!isWhole(value)) throw new UsageError(BAD_WHOLE_NUMBER, name);
  } else if (flag.value === "P") {
    if (!isWhole(value) || BigInt(value) === 0n) throw new UsageError(NO_WHOLE_ABOVE, name);
  } else if (flag.value === "X") {
    if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value)) throw new UsageError(BAD_NUMBER, name);
  } else if (flag.value.includes(",")) {
    const choices = flag.value.split(",");
    if (!choices.includes(value)) throw new UsageError(BAD_CHOICE + choices.join(", "), name);
  }
}

/** A whole number in decimal of at most 64 bits. */
function isWhole(value: string): boolean {
  return /^\d+$/.test(value) && BigInt(value) < 2n ** 64n;
}
