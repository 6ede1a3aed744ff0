/**
 * JavaScript's regular expressions as languages: the regular part of them. `^` reads a sign that stands before every text,
 * so that it may stand anywhere; look-aheads are conjunctions with what follows. What is not regular (back references,
 * word boundaries, look-behinds) is refused by name.
 */
import { GrammarError } from "./errors.ts";
import { ALL, complement, LAST, type Ranges, rangesOf, union } from "./ranges.ts";
import type { Languages, Regex } from "./regex.ts";

/** The sign before a text: no code point. */
const BEGIN = LAST + 1;

const DIGIT: Ranges = [0x30, 0x39];
const WORD: Ranges = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a];
const SPACE: Ranges = rangesOf([
  [0x09, 0x0d], [0x20, 0x20], [0xa0, 0xa0], [0x1680, 0x1680], [0x2000, 0x200a], [0x2028, 0x2029], [0x202f, 0x202f],
  [0x205f, 0x205f], [0x3000, 0x3000], [0xfeff, 0xfeff],
]); // biome-ignore format: a table
const LINE_ENDS: Ranges = [0x0a, 0x0a, 0x0d, 0x0d, 0x2028, 0x2029];
const LETTERS: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, v: 11, f: 12, 0: 0 };
const LIMIT = 10_000;

type Node =
  | { readonly kind: "set"; readonly set: Ranges }
  | { readonly kind: "cat" | "or"; readonly parts: readonly Node[] }
  | { readonly kind: "repeat"; readonly part: Node; readonly low: number; readonly high: number }
  | { readonly kind: "begin" | "end" }
  | { readonly kind: "ahead"; readonly part: Node; readonly not: boolean };

/** The texts in which an expression matches somewhere. */
export function patternLanguage(languages: Languages, source: string, flags: string, path: string): Regex {
  const unknown = flags.replace(/[dgimsuvy]/g, "");
  if (unknown !== "") throw new GrammarError(`the flag ${unknown} is not known`, "regex", path);
  if (flags.includes("m")) throw new GrammarError("lines by themselves (m) are not held", "regex", path);
  try {
    new RegExp(source, flags.replace(/[gy]/g, ""));
  } catch (error) {
    throw new GrammarError(error instanceof Error ? error.message : String(error), "regex", path);
  }
  const tree = new Reader(source, flags, path).read();
  const matched = build(languages, tree, languages.all, path);
  // The match begins before the sign, or somewhere behind it, where there is no other sign.
  return languages.or(languages.derive(matched, BEGIN), languages.cat(languages.all, matched));
}

/** A node, and what follows it. */
function build(languages: Languages, node: Node, rest: Regex, path: string): Regex {
  switch (node.kind) {
    case "set":
      return languages.cat(languages.set(node.set), rest);
    case "cat":
      return node.parts.reduceRight((behind, part) => build(languages, part, behind, path), rest);
    case "or":
      return languages.or(...node.parts.map((part) => build(languages, part, rest, path)));
    case "begin":
      // Behind it another one is true as well.
      return languages.cat(languages.set([BEGIN, BEGIN]), languages.or(rest, languages.derive(rest, BEGIN)));
    case "end":
      return rest.nullable ? languages.empty : languages.none;
    case "ahead": {
      const ahead = build(languages, node.part, languages.all, path);
      return languages.and(rest, node.not ? languages.not(ahead) : ahead);
    }
    case "repeat": {
      if (!asserts(node.part)) {
        const part = build(languages, node.part, languages.empty, path);
        return languages.cat(languages.repeat(part, node.low, node.high), rest);
      }
      if (node.high > 4) throw new GrammarError("an assertion is repeated", "regex", path);
      let result = rest;
      for (let i = node.high; i > 0; i--) {
        const taken = build(languages, node.part, result, path);
        result = i > node.low ? languages.or(rest, taken) : taken;
      }
      return result;
    }
  }
}

function asserts(node: Node): boolean {
  if (node.kind === "begin" || node.kind === "end" || node.kind === "ahead") return true;
  if (node.kind === "repeat") return asserts(node.part);
  return (node.kind === "cat" || node.kind === "or") && node.parts.some(asserts);
}

class Reader {
  readonly #source: string;
  readonly #letters: readonly string[];
  readonly #flags: string;
  readonly #path: string;
  #at = 0;

  constructor(source: string, flags: string, path: string) {
    this.#source = source;
    this.#letters = Array.from(source);
    this.#flags = flags;
    this.#path = path;
  }

  read(): Node {
    const node = this.#choice();
    if (this.#at < this.#letters.length) this.#refuse(`${this.#letters[this.#at]} at letter ${this.#at}`);
    return node;
  }

  #refuse(words: string): never {
    throw new GrammarError(`${words} in /${this.#source}/ is not held`, "regex", this.#path);
  }

  #eat(word: string): boolean {
    if (
      !this.#letters
        .slice(this.#at, this.#at + word.length)
        .join("")
        .startsWith(word)
    )
      return false;
    this.#at += Array.from(word).length;
    return true;
  }

  #choice(): Node {
    const parts = [this.#sequence()];
    while (this.#eat("|")) parts.push(this.#sequence());
    return parts.length === 1 ? parts[0] : { kind: "or", parts };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    while (this.#at < this.#letters.length && !"|)".includes(this.#letters[this.#at])) parts.push(this.#quantified());
    return { kind: "cat", parts };
  }

  #quantified(): Node {
    const part = this.#atom();
    let low: number;
    let high: number;
    if (this.#eat("*")) [low, high] = [0, Number.POSITIVE_INFINITY];
    else if (this.#eat("+")) [low, high] = [1, Number.POSITIVE_INFINITY];
    else if (this.#eat("?")) [low, high] = [0, 1];
    else {
      const braces = /^\{(\d+)(,?)(\d*)\}/.exec(this.#letters.slice(this.#at, this.#at + 24).join(""));
      if (!braces) return part;
      this.#at += braces[0].length;
      low = Number(braces[1]);
      high = braces[2] === "" ? low : braces[3] === "" ? Number.POSITIVE_INFINITY : Number(braces[3]);
      if (low > LIMIT || (high > LIMIT && high !== Number.POSITIVE_INFINITY)) this.#refuse(braces[0]);
    }
    this.#eat("?");
    return { kind: "repeat", part, low, high };
  }

  #atom(): Node {
    const letter = this.#letters[this.#at++];
    switch (letter) {
      case "^":
        return { kind: "begin" };
      case "$":
        return { kind: "end" };
      case ".":
        return { kind: "set", set: this.#flags.includes("s") ? ALL : complement(LINE_ENDS) };
      case "(": {
        let node: Node;
        if (this.#eat("?:")) node = this.#choice();
        else if (this.#eat("?=")) node = { kind: "ahead", part: this.#choice(), not: false };
        else if (this.#eat("?!")) node = { kind: "ahead", part: this.#choice(), not: true };
        else if (this.#eat("?<=") || this.#eat("?<!")) this.#refuse("a look-behind");
        else if (this.#eat("?<")) {
          while (this.#letters[this.#at++] !== ">");
          node = this.#choice();
        } else if (this.#eat("?")) this.#refuse("a group of this kind");
        else node = this.#choice();
        if (!this.#eat(")")) this.#refuse("an open group");
        return node;
      }
      case "[":
        return { kind: "set", set: this.#folded(this.#class()) };
      case "\\":
        return { kind: "set", set: this.#folded(this.#escape(false)) };
      default:
        return { kind: "set", set: this.#folded(single(letter)) };
    }
  }

  /** An escape behind its backslash, as a set. */
  #escape(inClass: boolean): Ranges {
    const letter = this.#letters[this.#at++];
    switch (letter) {
      case "d":
        return DIGIT;
      case "D":
        return complement(DIGIT);
      case "w":
        return WORD;
      case "W":
        return complement(WORD);
      case "s":
        return SPACE;
      case "S":
        return complement(SPACE);
      case "b":
        if (inClass) return [8, 8];
        this.#refuse("\\b");
        break;
      case "B":
      case "k":
        this.#refuse(`\\${letter}`);
        break;
      case "p":
      case "P":
        if (!/[uv]/.test(this.#flags)) return single(letter);
        return this.#property(letter === "P");
      case "c": {
        const control = this.#letters[this.#at++] ?? "";
        if (!/[A-Za-z]/.test(control)) this.#refuse("\\c");
        const code = control.charCodeAt(0) & 31;
        return [code, code];
      }
      case "x":
      case "u":
        return this.#code(letter);
    }
    if (/[1-9]/.test(letter) || (letter === "0" && /\d/.test(this.#letters[this.#at] ?? ""))) {
      this.#refuse(`\\${letter}`);
    }
    const code = LETTERS[letter];
    return code === undefined ? single(letter) : [code, code];
  }

  #code(letter: string): Ranges {
    const rest = this.#letters.slice(this.#at, this.#at + 10).join("");
    const braces = letter === "u" && /[uv]/.test(this.#flags) ? /^\{([0-9A-Fa-f]+)\}/.exec(rest) : null;
    const found = braces ?? (letter === "x" ? /^([0-9A-Fa-f]{2})/ : /^([0-9A-Fa-f]{4})/).exec(rest);
    if (!found) return single(letter);
    this.#at += found[0].length;
    let code = Number.parseInt(found[1], 16);
    const low = /^\\u(d[c-f][0-9a-f]{2})/i.exec(this.#letters.slice(this.#at, this.#at + 6).join(""));
    if (code >= 0xd800 && code < 0xdc00 && low) {
      this.#at += 6;
      code = 0x10000 + ((code - 0xd800) << 10) + (Number.parseInt(low[1], 16) - 0xdc00);
    }
    return [code, code];
  }

  #property(not: boolean): Ranges {
    const end = this.#letters.indexOf("}", this.#at);
    const name = this.#letters.slice(this.#at, end + 1).join("");
    this.#at = end + 1;
    const set = propertySet(name);
    return not ? complement(set) : set;
  }

  #class(): Ranges {
    const not = this.#eat("^");
    const sets: Ranges[] = [];
    if (this.#flags.includes("v")) this.#refuse("a class under the flag v");
    while (!this.#eat("]")) {
      if (this.#at >= this.#letters.length) this.#refuse("an open class");
      const first = this.#member();
      if (this.#letters[this.#at] === "-" && this.#letters[this.#at + 1] !== "]") {
        const before = this.#at++;
        const last = this.#member();
        if (first.length === 2 && first[0] === first[1] && last.length === 2 && last[0] === last[1]) {
          sets.push([first[0], last[0]]);
          continue;
        }
        this.#at = before;
        sets.push(first, single("-"));
        this.#at++;
        continue;
      }
      sets.push(first);
    }
    const set = this.#folded(union(...sets));
    return not ? complement(set) : set;
  }

  #member(): Ranges {
    const letter = this.#letters[this.#at++];
    return letter === "\\" ? this.#escape(true) : single(letter);
  }

  /** With the flag i: and what differs in case alone. */
  #folded(set: Ranges): Ranges {
    return this.#flags.includes("i") ? foldedSet(set) : set;
  }
}

function single(letter: string): Ranges {
  const code = letter.codePointAt(0)!;
  return [code, code];
}

const properties = new Map<string, Ranges>();

/** The code points that have a property of Unicode, as the host knows them. */
function propertySet(name: string): Ranges {
  const known = properties.get(name);
  if (known) return known;
  const expression = new RegExp(`^\\p${name}$`, "u");
  const set = setWhere((code) => expression.test(String.fromCodePoint(code)));
  properties.set(name, set);
  return set;
}

function setWhere(is: (code: number) => boolean): Ranges {
  const out: number[] = [];
  for (let code = 0; code <= LAST; code++) {
    if ((code >= 0xd800 && code < 0xe000) || !is(code)) continue;
    if (out.length > 0 && out[out.length - 1] === code - 1) out[out.length - 1] = code;
    else out.push(code, code);
  }
  return out;
}

let twins: Map<number, number[]> | undefined;

function foldedSet(set: Ranges): Ranges {
  if (!twins) {
    twins = new Map();
    for (let code = 0; code < 0x10000; code++) {
      const upper = String.fromCharCode(code).toUpperCase();
      if (upper.length !== 1) continue;
      const to = upper.charCodeAt(0);
      if (code >= 128 && to < 128) continue;
      twins.set(to, [...(twins.get(to) ?? []), code]);
    }
    for (const [to, codes] of [...twins]) {
      if (codes.length < 2) twins.delete(to);
      else for (const code of codes) twins.set(code, codes);
    }
  }
  const pairs: [number, number][] = [];
  for (let i = 0; i < set.length; i += 2) pairs.push([set[i], set[i + 1]]);
  for (const [code, others] of twins) {
    if (!pairs.some(([first, last]) => code >= first && code <= last)) continue;
    for (const other of others) pairs.push([other, other]);
  }
  return rangesOf(pairs);
}
