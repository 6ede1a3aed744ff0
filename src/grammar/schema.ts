/** JSON Schema as a net: a rule for each set of claims about a value. */
import type { Notation } from "./call-format.ts";
import { GrammarError } from "./errors.ts";
import { jsonLetters, utf8 } from "./letters.ts";
import { Net, type Rule } from "./net.ts";
import { Numbers } from "./numbers.ts";
import { Languages, type Regex } from "./regex.ts";
import type { Rules } from "./rules.ts";
import { ArrayRules } from "./schema-arrays.ts";
import { type Claim, SchemaDocument } from "./schema-document.ts";
import { ObjectRules } from "./schema-objects.ts";
import { claimsOf, Kind, type Shape, Shapes } from "./shapes.ts";

/** Most states of one text's automaton. */
const TEXT_STATES = 8_000;
/** Longest text that is held letter by letter in a notation with quotes of its own. */
const QUOTED = 64;
/** Most remainders that a multiple is told by. */
const REMAINDERS = 20_000;

/** Where rules are written. */
interface Place {
  readonly net?: Net;
  readonly notation?: Notation | null;
  /** The bytes of the notation's quote. */
  readonly quoteMark?: Uint8Array;
  readonly like?: SchemaRules;
}

export class SchemaRules implements Rules {
  readonly net: Net;
  /** How values are written where it is not JSON. */
  readonly notation: Notation | null;
  readonly l: Languages;
  readonly document: SchemaDocument;
  readonly shapes: Shapes;
  /** At most so many blanks behind a line's end, or one by itself. */
  readonly space: Rule | null;
  readonly #quoteMark: Uint8Array;
  readonly #numbers: Numbers;
  readonly #arrays: ArrayRules;
  readonly #objects: ObjectRules;
  readonly #rules = new Map<string, Rule>();
  readonly #letter: Rule;
  readonly #string: Rule;

  /** `like`: rules in whose net and notation these are, and with which they share what is of no schema. */
  constructor(schema: unknown, whitespace: number, { net = new Net(), notation = null, quoteMark, like }: Place = {}) {
    this.net = like?.net ?? net;
    this.notation = like?.notation ?? notation;
    this.#quoteMark = like ? like.#quoteMark : (quoteMark ?? Uint8Array.of(0x22));
    this.l = like?.l ?? Languages.forCompilation();
    this.document = new SchemaDocument(schema);
    this.shapes = new Shapes(this.l, this.document);
    this.#numbers = new Numbers(this.l);
    this.#arrays = new ArrayRules(this);
    this.#objects = new ObjectRules(this);
    if (like) {
      this.space = like.space;
      this.#letter = like.#letter;
      this.#string = like.#string;
      return;
    }
    this.space = whitespace > 0 ? spaceRule(net, whitespace) : null;
    this.#letter = this.#letterRule();
    this.#string = this.#stringRule();
  }

  /** The rule of the whole document. */
  root(): Rule {
    const { root } = this.document;
    if (root === false) throw new GrammarError("no value satisfies it", "schema", "");
    return this.rule(claimsOf(root));
  }

  /** The arguments of a call, whose schema this is: an object, or what it holds in another notation. */
  callArguments(from: number, to: number): void {
    if (this.notation === null) {
      this.net.call(from, this.root(), to);
      return;
    }
    const { root } = this.document;
    for (const { kinds, values, objects } of this.shapes.of(root === false ? [] : claimsOf(root))) {
      if (values || (kinds & Kind.OBJECT) === 0) {
        throw new GrammarError("arguments are an object, not one of some", "enum", "");
      }
      this.#objects.write(from, objects, to, true);
    }
  }

  /** The rule of the values for which all claims hold. */
  rule(claims: readonly Claim[]): Rule {
    const key = [...new Set(claims.map(({ schema, not }) => `${not ? "!" : ""}${this.document.numberOf(schema)}`))]
      .sort()
      .join();
    const known = this.#rules.get(key);
    if (known !== undefined) return known;
    const { rule, begin, end } = this.net.rule();
    this.#rules.set(key, rule);
    for (const shape of this.shapes.of(claims)) this.#shape(begin, shape, end);
    return rule;
  }

  /** Bounded white space. */
  spaced(from: number): number {
    if (this.space === null) return from;
    const to = this.net.state();
    this.net.call(from, this.space, to);
    return to;
  }

  /** An ASCII text. */
  sign(from: number, text: string): number {
    const to = this.net.state();
    this.net.text(from, new TextEncoder().encode(text), to);
    return to;
  }

  /** A value as JSON writes it, with white space where it may be. */
  literal(from: number, value: unknown, to: number): void {
    if (typeof value === "string" && this.notation?.quote !== undefined) {
      if (value.includes(this.notation.quote)) {
        const words = `a text that holds ${this.notation.quote} cannot be written in this model's calls`;
        throw new GrammarError(words, "enum", "");
      }
      this.net.free(this.#quote(this.sign(this.#quote(from), value)), to);
      return;
    }
    if (typeof value !== "object" || value === null) {
      const word = [true, false, null].indexOf(value as boolean);
      const text = word >= 0 && this.notation ? this.notation.words[word] : JSON.stringify(value);
      this.net.text(from, new TextEncoder().encode(text), to);
      return;
    }
    const isList = Array.isArray(value);
    let at = this.spaced(this.sign(from, isList ? "[" : "{"));
    Object.entries(value).forEach(([name, part], i) => {
      if (i > 0) at = this.spaced(this.sign(this.spaced(at), ","));
      if (!isList) at = this.spaced(this.sign(this.spaced(this.sign(at, this.key(name, false))), ":"));
      const next = this.net.state();
      this.literal(at, part, next);
      at = next;
    });
    this.net.free(this.sign(this.spaced(at), isList ? "]" : "}"), to);
  }

  /** The name of a property as it is written: of an argument, where `bare`. */
  key(name: string, bare: boolean): string {
    if (this.notation === null || (this.notation.quote === undefined && !bare)) return JSON.stringify(name);
    if (/^[A-Za-z_][\w-]*$/.test(name) && !(this.notation.quote === undefined && name.includes("-"))) return name;
    throw new GrammarError(`${name} cannot be written as a name in this model's calls`, "properties", "");
  }

  /** The state behind what stands around a text. */
  #quote(from: number): number {
    const to = this.net.state();
    this.net.text(from, this.#quoteMark, to);
    return to;
  }

  /** Strings whose text is of a language; false where there are none. */
  string(from: number, language: Regex, to: number, keyword: string, path: string): boolean {
    if (language === this.l.all) {
      this.net.call(from, this.#string, to);
      return true;
    }
    const quote = this.notation?.quote;
    if (quote !== undefined) {
      const { l } = this;
      language = l.and(language, l.not(l.cat(l.all, l.text(quote), l.all)));
    }
    const automaton = this.l.automaton(language, TEXT_STATES, keyword, path);
    if (!automaton) return false;
    const close = this.net.state();
    this.net.automaton(this.#quote(from), automaton, quote === undefined ? jsonLetters : utf8, close);
    this.net.free(this.#quote(close), to);
    return true;
  }

  #shape(from: number, shape: Shape, to: number): void {
    if (shape.values) {
      for (const value of shape.values) if (this.shapes.holds(shape, value)) this.literal(from, value, to);
      return;
    }
    for (const [kind, value] of [
      [Kind.NULL, null],
      [Kind.BOOLEAN, true],
      [Kind.BOOLEAN, false],
    ] as const) {
      if ((shape.kinds & kind) !== 0 && !shape.others.includes(value)) this.literal(from, value, to);
    }
    if (shape.kinds & Kind.NUMBER) this.#number(from, shape, to);
    if (shape.kinds & Kind.TEXT) this.#text(from, shape, to);
    const compound = shape.others.find((value) => typeof value === "object" && value !== null);
    if (compound !== undefined && shape.kinds & (Array.isArray(compound) ? Kind.ARRAY : Kind.OBJECT)) {
      throw new GrammarError("a list or an object is not held where it must not be", "not", shape.path);
    }
    if (shape.kinds & Kind.ARRAY) this.#arrays.write(from, shape.arrays, to);
    if (shape.kinds & Kind.OBJECT) this.#objects.write(from, shape.objects, to);
  }

  #number(from: number, shape: Shape, to: number): void {
    const { low, high, integer } = shape;
    const l = this.l;
    const others = shape.others.filter((value): value is number => typeof value === "number");
    const bounded = low > Number.NEGATIVE_INFINITY || high < Number.POSITIVE_INFINITY;
    const parts: Regex[] = [];
    if (bounded) parts.push(this.#numbers.between(shape));
    else if (shape.multiples.length > 0 || others.length > 0 || shape.broken) parts.push(this.#numbers.plain());
    if (parts.length === 0 || integer) parts.push(this.#numbers.any(integer));
    for (const other of others) parts.push(l.not(this.#numbers.exactly(other)));
    if (shape.broken) parts.push(l.not(this.#whole()));
    for (const { of, not, path } of shape.multiples) {
      const multiples = this.#numbers.multiples(of, REMAINDERS);
      if (!multiples) throw new GrammarError(`${of} has too many remainders`, "multipleOf", path);
      parts.push(not ? l.not(multiples) : multiples);
    }
    const keyword = shape.multiples.length > 0 ? "multipleOf" : "maximum";
    const automaton = l.automaton(l.and(...parts), TEXT_STATES, keyword, shape.path);
    if (automaton) this.net.automaton(from, automaton, (first, last) => [[[first, last]]], to);
  }

  /** Whole numbers, with a point or without. */
  #whole(): Regex {
    const l = this.l;
    return l.cat(this.#numbers.any(true), l.optional(l.cat(l.text("."), l.star(l.text("0")))));
  }

  #text(from: number, shape: Shape, to: number): void {
    const l = this.l;
    const others = shape.others.filter((value): value is string => typeof value === "string");
    const language = l.and(...shape.texts, ...others.map((text) => l.not(l.text(text))));
    const { shortest, longest } = shape;
    const isQuoted = this.notation?.quote !== undefined && longest <= QUOTED;
    if (language !== l.all || isQuoted) {
      const bounded = shortest > 0 || longest < Number.POSITIVE_INFINITY;
      const whole = bounded ? l.and(language, l.repeat(l.any, shortest, longest)) : language;
      this.string(from, whole, to, bounded ? "maxLength" : "pattern", shape.path);
    } else if (shortest === 0 && longest === Number.POSITIVE_INFINITY) this.net.call(from, this.#string, to);
    else {
      const close = this.net.state();
      this.net.loop(this.#quote(from), this.#letter, shortest, longest, close);
      this.net.free(this.#quote(close), to);
    }
  }

  /** A letter of a string: as it is or as an escape; what is half of a pair is none. */
  #letterRule(): Rule {
    const { net, l } = this;
    const { rule, begin, end } = net.rule();
    const quote = this.notation?.quote;
    if (quote !== undefined) {
      // What is counted letter by letter has none with which the end may begin.
      const letter = l.automaton(l.and(l.any, l.not(l.text(quote[0]))), 10);
      if (letter) net.automaton(begin, letter, utf8, end);
      return rule;
    }
    const plain = l.automaton(l.any, 10);
    if (plain) net.automaton(begin, plain, (first, last) => jsonLetters(Math.max(first, 0x20), last), end);
    this.#escapes(begin, end);
    return rule;
  }

  #escapes(begin: number, end: number): void {
    const { net } = this;
    const back = this.sign(begin, "\\");
    for (const letter of '"\\/bfnrt') net.bytes(back, letter.charCodeAt(0), letter.charCodeAt(0), end);
    const unit = this.sign(back, "u");
    const hex = (from: number, digits: string, to: number): void => {
      for (const digit of digits) {
        for (const each of new Set([digit, digit.toUpperCase()])) {
          net.bytes(from, each.charCodeAt(0), each.charCodeAt(0), to);
        }
      }
    };
    const all = "0123456789abcdef";
    const rest = [0, 1, 2].map(() => net.state());
    hex(rest[0], all, rest[1]);
    hex(rest[1], all, rest[2]);
    hex(rest[2], all, end);
    hex(unit, "0123456789abcef", rest[0]);
    const pair = net.state();
    hex(unit, "d", pair);
    hex(pair, "01234567", rest[1]);
    const high = [0, 1, 2].map(() => net.state());
    hex(pair, "89ab", high[0]);
    hex(high[0], all, high[1]);
    hex(high[1], all, high[2]);
    const low = this.sign(high[2], "\\ud");
    hex(low, "cdef", rest[1]);
  }

  #stringRule(): Rule {
    const { net } = this;
    const { rule, begin, end } = net.rule();
    const quote = this.notation?.quote;
    if (quote !== undefined) {
      const { l } = this;
      const text = l.automaton(l.not(l.cat(l.all, l.text(quote), l.all)), 100);
      const close = net.state();
      if (text) net.automaton(this.#quote(begin), text, utf8, close);
      net.free(this.#quote(close), end);
      return rule;
    }
    const within = this.sign(begin, '"');
    const plain = this.l.automaton(this.l.any, 10);
    if (plain) net.automaton(within, plain, (first, last) => jsonLetters(Math.max(first, 0x20), last), within);
    this.#escapes(within, within);
    net.text(within, Uint8Array.of(0x22), end);
    return rule;
  }
}

/** Bounded white space, or none. */
export function spaceRule(net: Net, most: number): Rule {
  const { rule, begin, end } = net.rule();
  net.free(begin, end);
  net.bytes(begin, 0x20, 0x20, end);
  let at = net.state();
  net.bytes(begin, 0x0a, 0x0a, at);
  const line = net.state();
  net.bytes(begin, 0x0d, 0x0d, line);
  net.bytes(line, 0x0a, 0x0a, at);
  for (let i = 0; i <= most; i++) {
    net.free(at, end);
    if (i === most) break;
    const next = net.state();
    net.bytes(at, 0x20, 0x20, next);
    net.bytes(at, 0x09, 0x09, next);
    at = next;
  }
  return rule;
}
