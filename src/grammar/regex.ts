/**
 * Regular languages over code points, and Brzozowski's derivatives of them (1964): what may follow a letter is again such
 * a language, so conjunction and complement cost no more than choice. Equal languages that are built alike are one
 * object, so that the states of an automaton are told apart by identity.
 */
import { GrammarError } from "./errors.ts";
import { ALL, contains, pairsOf, type Ranges, rangesOf } from "./ranges.ts";

/** How often languages are asked for at most: some seconds of an ordinary machine. */
const STEPS = 1_000_000;
/** Most languages of one compilation: a bound of memory. */
const LANGUAGES = 300_000;

/** A regular language. */
export interface Regex {
  readonly id: number;
  readonly kind: "none" | "empty" | "set" | "cat" | "or" | "and" | "not" | "repeat" | "remainder";
  /** Whether the empty text is in it. */
  readonly nullable: boolean;
  readonly set: Ranges;
  readonly parts: readonly Regex[];
  /** Of a repetition: how often at least and at most. Of a remainder: what it is modulo, and what it is by now. */
  readonly low: number;
  readonly high: number;
  /** Of a remainder: digits behind the point that count, and how many were seen; -1 before the point. */
  readonly scale: number;
  readonly seen: number;
}

/** Languages that were made, by how they are written; a compilation has one. */
export class Languages {
  readonly #made = new Map<string, Regex>();
  /** How often a language was asked for: what compiling costs. */
  #steps = 0;
  readonly #derived = new Map<number, Map<string, Regex>>();
  readonly none: Regex = this.#make("none", false);
  readonly empty: Regex = this.#make("empty", true);
  readonly any: Regex = this.set(ALL);
  /** Every text. */
  readonly all: Regex = this.star(this.any);

  #make(
    kind: Regex["kind"],
    nullable: boolean,
    { set = [], parts = [], low = 0, high = 0, scale = 0, seen = 0 }: Partial<Omit<Regex, "id" | "kind">> = {},
  ): Regex {
    if (++this.#steps > STEPS) throw new GrammarError("it takes too long to compile", "size");
    const key = `${kind} ${set.join()} ${parts.map(({ id }) => id).join()} ${low} ${high} ${scale} ${seen}`;
    let made = this.#made.get(key);
    if (!made) {
      if (this.#made.size > LANGUAGES) throw new GrammarError(`it takes more than ${LANGUAGES} languages`, "size");
      made = { id: this.#made.size, kind, nullable, set, parts, low, high, scale, seen };
      this.#made.set(key, made);
    }
    return made;
  }

  set(set: Ranges): Regex {
    return set.length === 0 ? this.none : this.#make("set", false, { set });
  }

  /** One text alone. */
  text(text: string): Regex {
    return this.cat(...Array.from(text, (letter) => this.set([letter.codePointAt(0)!, letter.codePointAt(0)!])));
  }

  cat(...parts: Regex[]): Regex {
    let result = this.empty;
    for (let i = parts.length - 1; i >= 0; i--) result = this.#pair(parts[i], result);
    return result;
  }

  #pair(a: Regex, b: Regex): Regex {
    if (a === this.none || b === this.none) return this.none;
    if (a === this.empty) return b;
    if (b === this.empty) return a;
    if (a.kind === "cat") return this.#pair(a.parts[0], this.#pair(a.parts[1], b));
    return this.#make("cat", a.nullable && b.nullable, { parts: [a, b] });
  }

  or(...parts: Regex[]): Regex {
    const flat = new Set<Regex>();
    let set: [number, number][] = [];
    for (const part of parts) {
      for (const each of part.kind === "or" ? part.parts : [part]) {
        if (each.kind === "set") set = [...set, ...pairsOf(each.set)];
        else if (each !== this.none) flat.add(each);
      }
    }
    if (set.length > 0) flat.add(this.set(rangesOf(set)));
    if (flat.has(this.all)) return this.all;
    const all = [...flat].sort((a, b) => a.id - b.id);
    if (all.length === 0) return this.none;
    if (all.length === 1) return all[0];
    return this.#make(
      "or",
      all.some(({ nullable }) => nullable),
      { parts: all },
    );
  }

  and(...parts: Regex[]): Regex {
    const flat = new Set<Regex>();
    for (const part of parts) {
      for (const each of part.kind === "and" ? part.parts : [part]) if (each !== this.all) flat.add(each);
    }
    if (flat.has(this.none)) return this.none;
    if (flat.has(this.empty)) return [...flat].every(({ nullable }) => nullable) ? this.empty : this.none;
    const all = [...flat].sort((a, b) => a.id - b.id);
    if (all.length === 0) return this.all;
    if (all.length === 1) return all[0];
    return this.#make(
      "and",
      all.every(({ nullable }) => nullable),
      { parts: all },
    );
  }

  not(part: Regex): Regex {
    if (part.kind === "not") return part.parts[0];
    if (part === this.none) return this.all;
    if (part === this.all) return this.none;
    return this.#make("not", !part.nullable, { parts: [part] });
  }

  star(part: Regex): Regex {
    return this.repeat(part, 0, Number.POSITIVE_INFINITY);
  }

  optional(part: Regex): Regex {
    return this.or(this.empty, part);
  }

  repeat(part: Regex, low: number, high: number): Regex {
    if (high === 0 || part === this.empty) return this.empty;
    if (part === this.none) return low === 0 ? this.empty : this.none;
    if (low === 1 && high === 1) return part;
    if (part.nullable) low = 0;
    if (part.kind === "repeat" && part.low === 0 && part.high === Number.POSITIVE_INFINITY) return part;
    return this.#make("repeat", low === 0, { parts: [part], low, high });
  }

  /** Decimals, with at most `scale` digits behind the point that are not zero, that are multiples of `modulus` / 10^scale. */
  remainder(modulus: number, rest: number, scale: number, seen: number = -1): Regex {
    let left = rest % modulus;
    for (let i = Math.max(seen, 0); i < scale; i++) left = (left * 10) % modulus;
    return this.#make("remainder", left === 0 && seen !== 0, { low: modulus, high: rest % modulus, scale, seen });
  }

  /** Which letters no derivative of the language tells apart: the first of each class. */
  classes(of: Regex): number[] {
    const points = new Set<number>([0]);
    const walked = new Set<Regex>();
    const walk = (r: Regex): void => {
      if (walked.has(r)) return;
      walked.add(r);
      if (r.kind === "set") {
        for (const [first, last] of pairsOf(r.set)) points.add(first).add(last + 1);
      } else if (r.kind === "remainder") {
        for (let digit = 0x30; digit <= 0x3a; digit++) points.add(digit);
        points.add(0x2d).add(0x2e).add(0x2f);
      } else if (r.kind === "cat") {
        walk(r.parts[0]);
        if (r.parts[0].nullable) walk(r.parts[1]);
      } else for (const part of r.parts) walk(part);
    };
    walk(of);
    return [...points].filter((point) => point <= ALL[1]).sort((a, b) => a - b);
  }

  /** What may follow a letter. */
  derive(r: Regex, letter: number): Regex {
    switch (r.kind) {
      case "none":
      case "empty":
        return this.none;
      case "set":
        return contains(r.set, letter) ? this.empty : this.none;
      case "cat": {
        const first = this.#pair(this.derive(r.parts[0], letter), r.parts[1]);
        return r.parts[0].nullable ? this.or(first, this.derive(r.parts[1], letter)) : first;
      }
      case "or":
        return this.or(...r.parts.map((part) => this.derive(part, letter)));
      case "and":
        return this.and(...r.parts.map((part) => this.derive(part, letter)));
      case "not":
        return this.not(this.derive(r.parts[0], letter));
      case "repeat": {
        const rest = this.repeat(r.parts[0], Math.max(r.low - 1, 0), r.high - 1);
        return this.#pair(this.derive(r.parts[0], letter), rest);
      }
      case "remainder": {
        if (letter === 0x2e) return r.seen < 0 ? this.remainder(r.low, r.high, r.scale, 0) : this.none;
        const digit = letter - 0x30;
        if (digit < 0 || digit > 9) return this.none;
        if (r.seen < 0) return this.remainder(r.low, r.high * 10 + digit, r.scale, -1);
        if (r.seen >= r.scale)
          return digit === 0 ? this.remainder(r.low, r.high, r.scale, Math.max(r.scale, 1)) : this.none;
        return this.remainder(r.low, r.high * 10 + digit, r.scale, r.seen + 1);
      }
    }
  }

  /** Whether a text is in the language. */
  matches(r: Regex, text: string): boolean {
    for (const letter of text) {
      if (r === this.none) return false;
      let known = this.#derived.get(r.id);
      if (!known) this.#derived.set(r.id, (known = new Map()));
      let next = known.get(letter);
      if (!next) known.set(letter, (next = this.derive(r, letter.codePointAt(0)!)));
      r = next;
    }
    return r.nullable;
  }

  /** The automaton of a language, without states that lead nowhere; null where no text is in it. */
  automaton(r: Regex, limit: number): Automaton | null {
    const numbers = new Map<Regex, number>([[r, 0]]);
    const order = [r];
    const edges: [number, number, number][][] = [];
    for (let i = 0; i < order.length; i++) {
      const state = order[i];
      const starts = this.classes(state);
      const out: [number, number, number][] = [];
      for (let c = 0; c < starts.length; c++) {
        const next = this.derive(state, starts[c]);
        if (next === this.none) continue;
        let to = numbers.get(next);
        if (to === undefined) {
          to = order.length;
          if (to >= limit) throw new GrammarError(`it takes more than ${limit} states`);
          numbers.set(next, to);
          order.push(next);
        }
        const last = c + 1 < starts.length ? starts[c + 1] - 1 : ALL[1];
        const before = out.at(-1);
        if (before && before[2] === to && before[1] + 1 === starts[c]) before[1] = last;
        else out.push([starts[c], last, to]);
      }
      edges.push(out);
    }
    return trimmed(
      edges,
      order.map(({ nullable }) => nullable),
    );
  }

  /** Whether no text is in the language. */
  isNone(r: Regex, limit: number): boolean {
    if (r === this.none) return true;
    if (r.nullable) return false;
    return this.automaton(r, limit) === null;
  }
}

/** A deterministic automaton over code points; it begins in state 0, and from every state an end can be reached. */
export interface Automaton {
  /** (first, last, to) of each state. */
  readonly edges: readonly (readonly [number, number, number])[][];
  readonly ends: readonly boolean[];
}

function trimmed(edges: [number, number, number][][], ends: boolean[]): Automaton | null {
  const back: number[][] = edges.map(() => []);
  edges.forEach((out, from) => {
    for (const [, , to] of out) back[to].push(from);
  });
  const live = [...ends];
  const list = ends.flatMap((end, state) => (end ? [state] : []));
  for (let state = list.pop(); state !== undefined; state = list.pop()) {
    for (const from of back[state]) {
      if (!live[from]) {
        live[from] = true;
        list.push(from);
      }
    }
  }
  if (!live[0]) return null;
  const renamed = new Map<number, number>();
  live.forEach((alive, state) => {
    if (alive) renamed.set(state, renamed.size);
  });
  const kept = [...renamed.keys()];
  return {
    edges: kept.map((state) =>
      edges[state].filter(([, , to]) => live[to]).map(([first, last, to]) => [first, last, renamed.get(to)!] as const),
    ),
    ends: kept.map((state) => ends[state]),
  };
}
