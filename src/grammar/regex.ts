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
/** Most languages that the next compilation finds made. */
const KEPT = 20_000;

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

/** Where a language leads: behind the letters from starts[i] up to the next start it is to[i]. */
interface Ways {
  readonly starts: readonly number[];
  readonly to: readonly Regex[];
}

/** Ids of two languages as one number. */
const PAIR = 2 ** 25;

/** Languages that were made, by how they are written, with what was found of them. */
export class Languages {
  static #last: Languages | undefined;

  /** Those of the last compilation for another one, as formats and numbers come again; new ones where they are many. */
  static forCompilation(): Languages {
    const last = Languages.#last;
    const languages = last && last.#count <= KEPT ? last : new Languages();
    Languages.#last = languages;
    languages.#steps = 0;
    languages.#begun = languages.#count;
    return languages;
  }

  readonly #sets = new Map<string, Regex>();
  readonly #pairs = { cat: new Map<number, Regex>(), or: new Map<number, Regex>(), and: new Map<number, Regex>() };
  readonly #lists = { or: new Map<string, Regex>(), and: new Map<string, Regex>() };
  readonly #nots = new Map<number, Regex>();
  readonly #counted = new Map<string, Regex>();
  readonly #ways = new Map<Regex, Ways>();
  readonly #automata = new Map<Regex, Automaton | null>();
  /** How often a language was asked for: what compiling costs. */
  #steps = 0;
  #count = 0;
  #begun = 0;
  readonly none: Regex = this.#make("none", false);
  readonly empty: Regex = this.#make("empty", true);
  readonly any: Regex = this.set(ALL);
  /** Every text. */
  readonly all: Regex = this.star(this.any);

  #make(
    kind: Regex["kind"],
    nullable: boolean,
    set: Ranges = [],
    parts: readonly Regex[] = [],
    low = 0,
    high = 0,
    scale = 0,
    seen = 0,
  ): Regex {
    if (this.#count - this.#begun > LANGUAGES)
      throw new GrammarError(`it takes more than ${LANGUAGES} languages`, "size");
    return { id: this.#count++, kind, nullable, set, parts, low, high, scale, seen };
  }

  /** The language that `known` has, or that is made. */
  #known<Key>(known: Map<Key, Regex>, key: Key, make: () => Regex): Regex {
    if (++this.#steps > STEPS) throw new GrammarError("it takes too long to compile", "size");
    let made = known.get(key);
    if (!made) known.set(key, (made = make()));
    return made;
  }

  set(set: Ranges): Regex {
    if (set.length === 0) return this.none;
    return this.#known(this.#sets, set.join(), () => this.#make("set", false, set));
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
    return this.#known(this.#pairs.cat, a.id * PAIR + b.id, () =>
      this.#make("cat", a.nullable && b.nullable, [], [a, b]),
    );
  }

  or(...parts: Regex[]): Regex {
    const flat = new Set<Regex>();
    let sets: Regex[] | undefined;
    for (const part of parts) {
      if (part === this.none) continue;
      if (part === this.all) return part;
      for (const each of part.kind === "or" ? part.parts : [part]) {
        if (each.kind === "set") (sets ??= []).push(each);
        else flat.add(each);
      }
    }
    if (sets) flat.add(sets.length === 1 ? sets[0] : this.set(rangesOf(sets.flatMap(({ set }) => pairsOf(set)))));
    return this.#joined("or", flat, this.none);
  }

  and(...parts: Regex[]): Regex {
    const flat = new Set<Regex>();
    for (const part of parts) {
      if (part === this.none) return part;
      for (const each of part.kind === "and" ? part.parts : [part]) if (each !== this.all) flat.add(each);
    }
    if (flat.has(this.empty)) {
      for (const part of flat) if (!part.nullable) return this.none;
      return this.empty;
    }
    return this.#joined("and", flat, this.all);
  }

  /** A choice or a conjunction of what is neither; `nothing` is that of no parts. */
  #joined(kind: "or" | "and", flat: Set<Regex>, nothing: Regex): Regex {
    if (flat.size === 0) return nothing;
    const all = [...flat];
    if (all.length === 1) return all[0];
    if (all.length > 2 || all[0].id > all[1].id) all.sort((a, b) => a.id - b.id);
    const make = () =>
      this.#make(
        kind,
        kind === "or" ? all.some(({ nullable }) => nullable) : all.every(({ nullable }) => nullable),
        [],
        all,
      );
    if (all.length === 2) return this.#known(this.#pairs[kind], all[0].id * PAIR + all[1].id, make);
    let key = "";
    for (const { id } of all) key += `${id},`;
    return this.#known(this.#lists[kind], key, make);
  }

  not(part: Regex): Regex {
    if (part.kind === "not") return part.parts[0];
    if (part === this.none) return this.all;
    if (part === this.all) return this.none;
    return this.#known(this.#nots, part.id, () => this.#make("not", !part.nullable, [], [part]));
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
    return this.#known(this.#counted, `${part.id} ${low} ${high}`, () =>
      this.#make("repeat", low === 0, [], [part], low, high),
    );
  }

  /** Decimals, with at most `scale` digits behind the point that are not zero, that are multiples of `modulus` / 10^scale. */
  remainder(modulus: number, rest: number, scale: number, seen: number = -1): Regex {
    let left = rest % modulus;
    return this.#known(this.#counted, `${modulus} ${left} ${scale} ${seen}`, () => {
      for (let i = Math.max(seen, 0); i < scale; i++) left = (left * 10) % modulus;
      return this.#make("remainder", left === 0 && seen !== 0, [], [], modulus, rest % modulus, scale, seen);
    });
  }

  /** What may follow each letter; letters with the same answer side by side are one range. */
  #waysOf(r: Regex): Ways {
    let ways = this.#ways.get(r);
    if (!ways) this.#ways.set(r, (ways = this.#derived(r)));
    return ways;
  }

  #derived(r: Regex): Ways {
    switch (r.kind) {
      case "none":
      case "empty":
        return { starts: [0], to: [this.none] };
      case "set": {
        const starts: number[] = r.set[0] > 0 ? [0] : [];
        const to: Regex[] = r.set[0] > 0 ? [this.none] : [];
        for (let i = 0; i < r.set.length && r.set[i] <= ALL[1]; i += 2) {
          starts.push(r.set[i]);
          to.push(this.empty);
          if (r.set[i + 1] >= ALL[1]) break;
          starts.push(r.set[i + 1] + 1);
          to.push(this.none);
        }
        return { starts, to };
      }
      case "cat": {
        const [a, b] = r.parts;
        const first = this.#mapped(this.#waysOf(a), (to) => this.#pair(to, b));
        return a.nullable ? this.#combined([first, this.#waysOf(b)], "or") : first;
      }
      case "or":
      case "and":
        return this.#combined(
          r.parts.map((part) => this.#waysOf(part)),
          r.kind,
        );
      case "not":
        return this.#mapped(this.#waysOf(r.parts[0]), (to) => this.not(to));
      case "repeat": {
        const rest = this.repeat(r.parts[0], Math.max(r.low - 1, 0), r.high - 1);
        return this.#mapped(this.#waysOf(r.parts[0]), (to) => this.#pair(to, rest));
      }
      case "remainder": {
        const starts = [0, 0x2e, 0x2f, 0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a];
        return { starts, to: starts.map((letter) => this.derive(r, letter)) };
      }
    }
  }

  #mapped({ starts, to }: Ways, change: (to: Regex) => Regex): Ways {
    const made: { starts: number[]; to: Regex[] } = { starts: [], to: [] };
    let before: Regex | undefined;
    for (let i = 0; i < starts.length; i++) {
      const next = change(to[i]);
      if (next === before) continue;
      made.starts.push(starts[i]);
      made.to.push((before = next));
    }
    return made;
  }

  #combined(all: readonly Ways[], kind: "or" | "and"): Ways {
    const made: { starts: number[]; to: Regex[] } = { starts: [], to: [] };
    const at = all.map(() => 0);
    let before: Regex | undefined;
    for (let start = 0; start <= ALL[1]; ) {
      const next = this[kind](...all.map(({ to }, i) => to[at[i]]));
      if (next !== before) {
        made.starts.push(start);
        made.to.push((before = next));
      }
      start = ALL[1] + 1;
      for (let i = 0; i < all.length; i++) start = Math.min(start, all[i].starts[at[i] + 1] ?? start);
      for (let i = 0; i < all.length; i++) if (all[i].starts[at[i] + 1] === start) at[i]++;
    }
    return made;
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
      const { starts, to } = this.#waysOf(r);
      const code = letter.codePointAt(0)!;
      let [low, high] = [0, starts.length - 1];
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (starts[middle] <= code) low = middle;
        else high = middle - 1;
      }
      r = to[low];
    }
    return r.nullable;
  }

  /** The automaton of a language, without states that lead nowhere; null where no text is in it. */
  automaton(r: Regex, limit: number, keyword: string = "", path: string = ""): Automaton | null {
    let automaton = this.#automata.get(r);
    if (automaton === undefined) this.#automata.set(r, (automaton = this.#automaton(r, limit, keyword, path)));
    return automaton;
  }

  #automaton(r: Regex, limit: number, keyword: string, path: string): Automaton | null {
    const numbers = new Map<Regex, number>([[r, 0]]);
    const order = [r];
    const edges: [number, number, number][][] = [];
    for (let i = 0; i < order.length; i++) {
      const { starts, to: ways } = this.#waysOf(order[i]);
      const out: [number, number, number][] = [];
      for (let c = 0; c < starts.length; c++) {
        const next = ways[c];
        if (next === this.none) continue;
        let to = numbers.get(next);
        if (to === undefined) {
          to = order.length;
          if (to >= limit) throw new GrammarError(`it takes more than ${limit} states`, keyword, path);
          numbers.set(next, to);
          order.push(next);
        }
        out.push([starts[c], c + 1 < starts.length ? starts[c + 1] - 1 : ALL[1], to]);
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
