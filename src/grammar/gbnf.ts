/**
 * Grammars in llama.cpp's GBNF as nets: `name ::= "text" [a-z] . name (…) x* x+ x? x{m,n} a | b`, with comments behind `#`.
 * Classes and `.` are of code points.
 */
import { GrammarError } from "./errors.ts";
import { utf8 } from "./letters.ts";
import type { Net, Rule } from "./net.ts";
import { ALL, complement, type Ranges, rangesOf } from "./ranges.ts";

/** A repetition up to here is written out; a longer one is counted. */
const WRITTEN_OUT = 16;
const MOST_TIMES = 1_000_000;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t" };

type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "set"; readonly set: Ranges }
  | { readonly kind: "rule"; readonly name: string; readonly at: number }
  | { readonly kind: "cat" | "or"; readonly parts: readonly Node[] }
  | { readonly kind: "repeat"; readonly part: Node; readonly low: number; readonly high: number };

/** The rule `root` of a grammar. */
export function gbnfRule(net: Net, source: string): Rule {
  const rules = new Reader(source).read();
  const made = new Map<string, { rule: Rule; begin: number; end: number }>();
  for (const name of rules.keys()) made.set(name, net.rule());
  const root = made.get("root");
  if (!root) throw new GrammarError("there is no rule root", "root", "");
  const nullable = nullables(rules);
  const isNullable = (node: Node): boolean => emptyIn(node, nullable);
  const write = (node: Node, from: number, to: number): void => {
    switch (node.kind) {
      case "text":
        net.text(from, new TextEncoder().encode(node.text), to);
        break;
      case "set":
        for (let i = 0; i < node.set.length; i += 2) {
          for (const sequence of utf8(node.set[i], node.set[i + 1])) {
            let at = from;
            sequence.forEach(([first, last], k) => {
              const next = k + 1 === sequence.length ? to : net.state();
              net.bytes(at, first, last, next);
              at = next;
            });
          }
        }
        break;
      case "rule": {
        const rule = made.get(node.name);
        if (!rule) throw new GrammarError(`there is no rule ${node.name}`, "rule", `letter ${node.at}`);
        net.call(from, rule.rule, to);
        break;
      }
      case "or":
        for (const part of node.parts) write(part, from, to);
        break;
      case "cat": {
        let at = from;
        for (const part of node.parts) {
          const next = net.state();
          write(part, at, next);
          at = next;
        }
        net.free(at, to);
        break;
      }
      case "repeat":
        repeat(node, from, to);
    }
  };
  const repeat = ({ part, low, high }: Extract<Node, { kind: "repeat" }>, from: number, to: number): void => {
    const bounded = high !== Number.POSITIVE_INFINITY;
    if (Math.max(low, bounded ? high : 0) > WRITTEN_OUT) {
      if (isNullable(part)) throw new GrammarError("what is repeated so often may be empty", "repetition", "");
      const body = net.rule();
      write(part, body.begin, body.end);
      net.loop(from, body.rule, low, high, to);
      return;
    }
    let at = from;
    for (let i = 0; i < (bounded ? high : low); i++) {
      if (i >= low) net.free(at, to);
      const next = net.state();
      write(part, at, next);
      at = next;
    }
    if (!bounded) {
      const round = net.state();
      net.free(at, round);
      write(part, round, round);
      at = round;
    }
    net.free(at, to);
  };
  for (const [name, node] of rules) {
    const { begin, end } = made.get(name)!;
    write(node, begin, end);
  }
  return root.rule;
}

/** The rules that the empty text is of. */
function nullables(rules: ReadonlyMap<string, Node>): Set<string> {
  const found = new Set<string>();
  for (let size = -1; size !== found.size; ) {
    size = found.size;
    for (const [name, node] of rules) if (emptyIn(node, found)) found.add(name);
  }
  return found;
}

function emptyIn(node: Node, rules: ReadonlySet<string>): boolean {
  switch (node.kind) {
    case "text":
      return node.text === "";
    case "set":
      return false;
    case "rule":
      return rules.has(node.name);
    case "repeat":
      return node.low === 0 || emptyIn(node.part, rules);
    case "cat":
      return node.parts.every((part) => emptyIn(part, rules));
    case "or":
      return node.parts.some((part) => emptyIn(part, rules));
  }
}

class Reader {
  readonly #source: string;
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
  }

  read(): Map<string, Node> {
    const rules = new Map<string, Node>();
    for (this.#blanks(true); this.#at < this.#source.length; this.#blanks(true)) {
      const name = this.#name();
      this.#blanks(false);
      if (!this.#eat("::=")) this.#refuse("::= is missing");
      this.#blanks(true);
      const node = this.#choice(false);
      rules.set(name, node);
      if (this.#at < this.#source.length && !/[\r\n]/.test(this.#source[this.#at])) {
        this.#refuse(`${this.#source[this.#at]} stands where a line should end`);
      }
    }
    return rules;
  }

  #refuse(words: string): never {
    const line = this.#source.slice(0, this.#at).split("\n").length;
    throw new GrammarError(words, "grammar", `line ${line}`);
  }

  #eat(word: string): boolean {
    if (!this.#source.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  #blanks(lines: boolean): void {
    const pattern = lines ? /(?:\s|#[^\n]*)*/y : /(?:[ \t]|#[^\n]*)*/y;
    pattern.lastIndex = this.#at;
    pattern.exec(this.#source);
    this.#at = pattern.lastIndex;
  }

  #name(): string {
    const pattern = /[A-Za-z0-9_-]+/y;
    pattern.lastIndex = this.#at;
    const [name] = pattern.exec(this.#source) ?? this.#refuse("a name is missing");
    this.#at += name.length;
    return name;
  }

  /** Within brackets lines go on. */
  #choice(inside: boolean): Node {
    if (++this.#depth > 200) this.#refuse("brackets lie too deep");
    const parts = [this.#sequence(inside)];
    while (this.#eat("|")) {
      this.#blanks(true);
      parts.push(this.#sequence(inside));
    }
    this.#depth--;
    return parts.length === 1 ? parts[0] : { kind: "or", parts };
  }

  #sequence(inside: boolean): Node {
    const parts: Node[] = [];
    for (;;) {
      const part = this.#item();
      if (!part) break;
      parts.push(this.#repeated(part));
      this.#blanks(inside);
    }
    this.#blanks(inside);
    return { kind: "cat", parts };
  }

  #item(): Node | null {
    const at = this.#at;
    if (this.#eat('"')) {
      let text = "";
      while (!this.#eat('"')) text += this.#letter();
      return { kind: "text", text };
    }
    if (this.#eat("[")) {
      const not = this.#eat("^");
      const pairs: [number, number][] = [];
      while (!this.#eat("]")) {
        const first = this.#letter().codePointAt(0)!;
        const range = this.#source[this.#at] === "-" && this.#source[this.#at + 1] !== "]";
        if (range) this.#at++;
        pairs.push([first, range ? this.#letter().codePointAt(0)! : first]);
      }
      const set = rangesOf(pairs);
      return { kind: "set", set: not ? complement(set) : set };
    }
    if (this.#eat("(")) {
      this.#blanks(true);
      const node = this.#choice(true);
      if (!this.#eat(")")) this.#refuse(") is missing");
      return node;
    }
    if (this.#eat(".")) return { kind: "set", set: ALL };
    return /[A-Za-z0-9_-]/.test(this.#source[this.#at] ?? "") ? { kind: "rule", name: this.#name(), at } : null;
  }

  #repeated(part: Node): Node {
    for (;;) {
      if (this.#eat("*")) part = { kind: "repeat", part, low: 0, high: Number.POSITIVE_INFINITY };
      else if (this.#eat("+")) part = { kind: "repeat", part, low: 1, high: Number.POSITIVE_INFINITY };
      else if (this.#eat("?")) part = { kind: "repeat", part, low: 0, high: 1 };
      else {
        const pattern = /\{\s*(\d*)\s*(,?)\s*(\d*)\s*\}/y;
        pattern.lastIndex = this.#at;
        const found = pattern.exec(this.#source);
        if (!found) return part;
        this.#at += found[0].length;
        const low = Number(found[1]);
        const high = found[2] === "" ? low : found[3] === "" ? Number.POSITIVE_INFINITY : Number(found[3]);
        if (low > MOST_TIMES || (high > MOST_TIMES && high !== Number.POSITIVE_INFINITY) || low > high) {
          this.#refuse(`${found[0]} is not held`);
        }
        part = { kind: "repeat", part, low, high };
      }
    }
  }

  #letter(): string {
    const code = this.#source.codePointAt(this.#at);
    if (code === undefined) this.#refuse("the text ends too early");
    const letter = String.fromCodePoint(code);
    this.#at += letter.length;
    if (letter !== "\\") return letter;
    const pattern = /x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|[\s\S]/y;
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source) ?? this.#refuse("the text ends too early");
    this.#at += found[0].length;
    const hex = found[1] ?? found[2] ?? found[3];
    if (hex === undefined) return ESCAPES[found[0]] ?? found[0];
    const point = Number.parseInt(hex, 16);
    return point <= ALL[1] ? String.fromCodePoint(point) : this.#refuse(`${found[0]} is no letter`);
  }
}
