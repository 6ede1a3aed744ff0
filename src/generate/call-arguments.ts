/** The arguments of a call as they come, made JSON: as they are, or from another notation. Each reads up to their end. */
import type { Notation } from "../grammar/call-format.ts";

/** Reads arguments piece by piece. */
export interface ArgumentReader {
  /** Takes text; gives how much of it was of the arguments, their JSON, and whether they are through. */
  read(text: string): { readonly taken: number; readonly json: string; readonly isWhole: boolean };
}

export function argumentReader(notation: Notation | undefined): ArgumentReader {
  return notation ? new NotedArguments(notation) : new JsonArguments();
}

/** An object of JSON. */
class JsonArguments implements ArgumentReader {
  #depth = 0;
  #isText = false;
  #isEscape = false;

  read(text: string): ReturnType<ArgumentReader["read"]> {
    for (let i = 0; i < text.length; i++) {
      const letter = text[i];
      if (this.#isEscape) this.#isEscape = false;
      else if (this.#isText) {
        if (letter === "\\") this.#isEscape = true;
        else if (letter === '"') this.#isText = false;
      } else if (letter === '"') this.#isText = true;
      else if (letter === "{" || letter === "[") this.#depth++;
      else if (letter === "}" || letter === "]") {
        this.#depth--;
        if (this.#depth === 0) return { taken: i + 1, json: text.slice(0, i + 1), isWhole: true };
      }
    }
    return { taken: text.length, json: text, isWhole: false };
  }
}

/** Arguments by name, up to the bracket that closes those of the call. */
class NotedArguments implements ArgumentReader {
  readonly #of: Notation;
  readonly #quote: string;
  /** The brackets that are open. */
  readonly #open: string[] = [];
  #isText = false;
  /** What is not decided yet: a word, an escape, what may be the beginning of a quote. */
  #held = "";
  #begun = false;

  constructor(notation: Notation) {
    this.#of = notation;
    this.#quote = notation.quote ?? '"';
  }

  read(text: string): ReturnType<ArgumentReader["read"]> {
    const before = this.#held.length;
    const all = this.#held + text;
    let json = this.#begun ? "" : "{";
    this.#begun = true;
    let at = 0;
    const whole = (): ReturnType<ArgumentReader["read"]> => ({ taken: at - before, json: `${json}}`, isWhole: true });
    while (at < all.length) {
      const rest = all.slice(at);
      if (this.#isText) {
        const [taken, said] = this.#text(rest);
        if (taken === 0) break;
        json += said;
        at += taken;
        continue;
      }
      const letter = all[at];
      if (this.#quote.startsWith(rest) && rest.length < this.#quote.length) break;
      if (rest.startsWith(this.#quote)) {
        this.#isText = true;
        json += '"';
        at += this.#quote.length;
      } else if (/[\w.+-]/.test(letter)) {
        const word = /^[\w.+-]+/.exec(rest)![0];
        // It may go on, or be a name.
        if (rest.slice(word.length).trim() === "") break;
        json += this.#word(word, rest.slice(word.length));
        at += word.length;
      } else if (letter === "{" || letter === "[") {
        this.#open.push(letter);
        json += letter;
        at++;
      } else if (this.#open.length === 0 && (letter === "}" || letter === ")")) {
        this.#held = "";
        return whole();
      } else {
        if (letter === "}" || letter === "]") this.#open.pop();
        json += letter === "=" ? ":" : letter;
        at++;
      }
    }
    this.#held = all.slice(at);
    return { taken: text.length, json, isWhole: false };
  }

  /** How much of a text's beginning is decided, and what it is in JSON. */
  #text(rest: string): [number, string] {
    if (this.#of.quote === undefined) {
      if (rest[0] === '"') this.#isText = false;
      if (rest[0] !== "\\") return [1, rest[0]];
      return rest.length > 1 ? [2, rest.slice(0, 2)] : [0, ""];
    }
    if (rest.startsWith(this.#quote)) {
      this.#isText = false;
      return [this.#quote.length, '"'];
    }
    if (this.#quote.startsWith(rest)) return [0, ""];
    const letter = String.fromCodePoint(rest.codePointAt(0)!);
    return [letter.length, JSON.stringify(letter).slice(1, -1)];
  }

  /** A name, a number, or a word of the notation. */
  #word(word: string, behind: string): string {
    const isName =
      this.#open.at(-1) !== "[" && behind.trimStart().startsWith(this.#open.length === 0 ? this.#of.equals : ":");
    if (isName) return JSON.stringify(word);
    const known = this.#of.words.indexOf(word);
    return known < 0 ? word : ["true", "false", "null"][known];
  }
}
