/**
 * What messages say, told apart from what a template writes around it. A template gives one text, and may have trimmed,
 * cut or moved what it was given; so every letter with which a special token can begin is another one while the template
 * works: a letter of private use that neither the template nor a message has. In the text that comes out, those are
 * where a message speaks, and no control token begins there.
 */
import { encodeText } from "../../bindings/memory.ts";
import { LimpetError } from "../host/errors.ts";

const PRIVATE_FIRST = 0xe000;
const PRIVATE_END = 0xf900;
/** Strings of a template's source. */
const LITERALS = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/g;

/** A text, and where in its UTF-8 messages speak: (begin, end) each, in rising order. */
export interface Told {
  readonly text: Uint8Array<ArrayBuffer>;
  readonly contents: Uint32Array<ArrayBuffer>;
}

/** Hides in messages what may be taken for control tokens, and finds it again in what a template made of them. */
export class Contents {
  readonly #hidden = new Map<string, string>();
  readonly #shown = new Map<string, string>();
  readonly #pattern: RegExp;
  /** What the template may look for in a message: strings of its own that are no control tokens. */
  readonly #sought: readonly string[];

  /** `specials`: the texts of the special tokens; `controls`: those that are no words of an answer. */
  constructor(template: string, texts: readonly string[], specials: readonly string[], controls: ReadonlySet<string>) {
    const first = new Set<string>();
    for (const special of specials) {
      const letter = String.fromCodePoint(special.codePointAt(0) ?? 0x20);
      if (letter.trim() !== "") first.add(letter);
    }
    const taken = new Set<string>();
    for (const text of [template, ...texts])
      for (const [letter] of text.matchAll(/[\ue000-\uf8ff]/g)) taken.add(letter);
    let code = PRIVATE_FIRST;
    for (const letter of first) {
      while (code < PRIVATE_END && taken.has(String.fromCharCode(code))) code++;
      if (code === PRIVATE_END) throw new LimpetError("UNSUPPORTED", "the messages hold every letter of private use");
      const hidden = String.fromCharCode(code++);
      this.#hidden.set(letter, hidden);
      this.#shown.set(hidden, letter);
    }
    this.#pattern = patternOf(this.#hidden.keys());
    const literals = [...template.matchAll(LITERALS)].map(([literal]) => unescaped(literal.slice(1, -1)).trim());
    this.#sought = [...new Set(literals)].filter(
      (literal) =>
        this.#hidden.has(String.fromCodePoint(literal.codePointAt(0) ?? 0x20)) &&
        /^<.*>$|^\[.*\]$/.test(literal) &&
        ![...controls].some((control) => control !== "" && literal.includes(control)),
    );
  }

  /** A message's words as the template is given them. An assistant's may hold what the template cuts them by. */
  hide(text: string, assistant: boolean): string {
    const put = (part: string): string => part.replace(this.#pattern, (letter) => this.#hidden.get(letter) as string);
    if (!assistant || this.#sought.length === 0) return put(text);
    const parts = text.split(new RegExp(`(${this.#sought.map(escaped).join("|")})`));
    return parts.map((part, i) => (i % 2 === 1 ? part : put(part))).join("");
  }

  /** What the template made, with the letters as they were. */
  show(rendered: string): Told {
    const spans: number[] = [];
    const parts: string[] = [];
    let bytes = 0;
    let at = 0;
    const add = (part: string): void => {
      parts.push(part);
      bytes += encodeText(part).length;
    };
    for (const match of rendered.matchAll(patternOf(this.#shown.keys()))) {
      add(rendered.slice(at, match.index));
      const begin = bytes;
      add(this.#shown.get(match[0]) as string);
      if (spans.at(-1) === begin) spans[spans.length - 1] = bytes;
      else spans.push(begin, bytes);
      at = match.index + match[0].length;
    }
    add(rendered.slice(at));
    return { text: encodeText(parts.join("")), contents: Uint32Array.from(spans) };
  }
}

/** Any of the letters; none of them where there are none. */
function patternOf(letters: Iterable<string>): RegExp {
  const all = [...letters].map(escaped);
  return new RegExp(all.length === 0 ? "(?!)" : all.join("|"), "gu");
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}

function unescaped(literal: string): string {
  return literal.replace(/\\(.)/g, (_, letter: string) => ({ n: "\n", t: "\t", r: "\r" })[letter] ?? letter);
}
