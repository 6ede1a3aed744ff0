/** The table of commands and flags that all hosts share (`assembly/wasi/commands.ts`), read. */
import { COMMANDS, FLAGS } from "../../assembly/wasi/commands.ts";

export interface Flag {
  readonly id: string;
  /** `-p`, or empty. */
  readonly short: string;
  readonly long: string;
  /** Empty: a switch. N: a whole number. P: one from 1 on. X: a number. Words with commas: one of them. Else any text; `+`: several. */
  readonly value: string;
  readonly default: string;
  readonly text: string;
}

export interface Command {
  readonly name: string;
  readonly arguments: readonly { readonly name: string; readonly optional: boolean }[];
  readonly text: string;
  readonly flags: readonly Flag[];
}

const lines = (table: string) => table.split("\n").filter((line) => line !== "");

function readFlags(): Map<string, Flag> {
  const all = lines(FLAGS).map((line): Flag => {
    const [id, short, long, value, fallback, text] = line.split("|");
    return { id, short, long, value, default: fallback, text };
  });
  return new Map(all.map((flag) => [flag.id, flag]));
}

export function readCommands(): Command[] {
  const flags = readFlags();
  const commands: (Command & { flags: Flag[] })[] = [];
  for (const line of lines(COMMANDS)) {
    if (line.startsWith(" ")) {
      for (const id of line.trim().split(/ +/)) commands[commands.length - 1].flags.push(flags.get(id)!);
      continue;
    }
    const [call, text] = line.split("|");
    const [name, ...names] = call.split(" ");
    commands.push({
      name,
      arguments: names.map((word) => ({ name: word.replace(/[?*]$/, ""), optional: /[?*]$/.test(word) })),
      text,
      flags: [],
    });
  }
  return commands;
}

export function findCommand(name: string): Command | undefined {
  return readCommands().find((command) => command.name === name);
}
