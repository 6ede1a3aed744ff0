/**
 * Grammars as nets: states with edges of bytes, calls of other rules, and counted loops of them. Each rule is made
 * deterministic over bytes and calls; what leads nowhere is cut away, so that wherever a text is allowed to go on, it can
 * be ended.
 */
import { GrammarError } from "./errors.ts";
import type { Automaton } from "./regex.ts";

export type Rule = number;

/** A rule that is used on the way to a state: once, or at least `low` and at most `high` times. */
interface Use {
  readonly rule: Rule;
  readonly loop: boolean;
  readonly low: number;
  readonly high: number;
  readonly to: number;
}

/** A state of the finished net: what leads on from it, as lists without records. */
export interface State {
  /** (first, last, to), in rising order. */
  bytes: number[];
  /** (begin of the rule, to) */
  calls: number[];
  /** (begin of the rule, low, high, to) */
  loops: number[];
  end: boolean;
}

/** Most states of a grammar before and behind determinising. */
const STATES = 100_000;
const LEFT = 30_000;

export class Net {
  /** Of each state: (first, last, to) of bytes, states that are reached for nothing, rules that are used. */
  readonly #bytes: number[][] = [];
  readonly #frees: (number[] | undefined)[] = [];
  readonly #uses: (Use[] | undefined)[] = [];
  readonly #rules: { begin: number; end: number }[] = [];

  state(): number {
    if (this.#bytes.length >= STATES) throw new GrammarError(`it takes more than ${STATES} states`, "size");
    return this.#bytes.push([]) - 1;
  }

  /** A rule without edges between its begin and its end. */
  rule(): { rule: Rule; begin: number; end: number } {
    const made = { begin: this.state(), end: this.state() };
    return { rule: this.#rules.push(made) - 1, ...made };
  }

  bytes(from: number, first: number, last: number, to: number): void {
    this.#bytes[from].push(first, last, to);
  }

  call(from: number, rule: Rule, to: number): void {
    (this.#uses[from] ??= []).push({ rule, loop: false, low: 1, high: 1, to });
  }

  /** A rule, at least `low` and at most `high` times; it may not be empty. */
  loop(from: number, rule: Rule, low: number, high: number, to: number): void {
    if (high === 0) this.free(from, to);
    else (this.#uses[from] ??= []).push({ rule, loop: true, low, high, to });
  }

  free(from: number, to: number): void {
    if (from !== to) (this.#frees[from] ??= []).push(to);
  }

  /** The bytes of a text. */
  text(from: number, bytes: Uint8Array, to: number): void {
    let at = from;
    bytes.forEach((byte, i) => {
      const next = i + 1 === bytes.length ? to : this.state();
      this.bytes(at, byte, byte, next);
      at = next;
    });
    if (bytes.length === 0) this.free(from, to);
  }

  /** The texts of an automaton; `write` says as which bytes a range of code points is written. */
  automaton(
    from: number,
    { edges, ends }: Automaton,
    write: (first: number, last: number) => readonly (readonly (readonly [number, number])[])[],
    to: number,
  ): void {
    const states = edges.map(() => this.state());
    this.free(from, states[0]);
    // Letters of one range that lead to one state are written once.
    const ways = edges.map(() => new Map<number, (readonly [number, number, number])[]>());
    edges.forEach((out, state) => {
      for (const [first, last, target] of out) {
        const key = first * 2 ** 21 + last;
        let way = ways[target].get(key);
        if (!way) ways[target].set(key, (way = this.#tree(write(first, last), states[target], 0)));
        for (const [low, high, next] of way) this.bytes(states[state], low, high, next);
      }
      if (ends[state]) this.free(states[state], to);
    });
  }

  /** Sequences of bytes to one state, as a tree of those that begin alike. */
  #tree(
    sequences: readonly (readonly (readonly [number, number])[])[],
    to: number,
    depth: number,
  ): (readonly [number, number, number])[] {
    const groups = new Map<number, (readonly (readonly [number, number])[])[]>();
    for (const sequence of sequences) {
      const key = sequence[depth][0] * 256 + sequence[depth][1];
      const group = groups.get(key);
      if (group) group.push(sequence);
      else groups.set(key, [sequence]);
    }
    return [...groups].map(([key, group]) => {
      if (group.length === 1 && group[0].length === depth + 1) return [key >> 8, key & 255, to] as const;
      const at = this.state();
      for (const [low, high, next] of this.#tree(group, to, depth + 1)) this.bytes(at, low, high, next);
      return [key >> 8, key & 255, at] as const;
    });
  }

  /** The states that are needed from a rule on, the first of which is its begin; null where no text is in it. */
  finish(root: Rule): State[] | null {
    const productive = this.#productive();
    if (!productive.has(root)) return null;
    const states: State[] = [];
    const begins = new Map<Rule, number>();
    const wanted: Rule[] = [root];
    for (let i = 0; i < wanted.length; i++) {
      if (begins.has(wanted[i])) continue;
      begins.set(wanted[i], states.length);
      this.#determine(wanted[i], productive, states, (rule) => {
        if (!begins.has(rule)) wanted.push(rule);
      });
      if (states.length > LEFT) throw new GrammarError(`it takes more than ${LEFT} states`, "size");
    }
    for (const { calls, loops } of states) {
      for (let i = 0; i < calls.length; i += 2) calls[i] = begins.get(calls[i])!;
      for (let i = 0; i < loops.length; i += 4) loops[i] = begins.get(loops[i])!;
    }
    requireProgress(states);
    return states;
  }

  /** The rules that some text is in. */
  #productive(): Set<Rule> {
    const found = new Set<Rule>();
    // Backwards from the ends, until nothing changes.
    const live = new Uint8Array(this.#bytes.length);
    const back: (number[] | undefined)[] = [];
    const waiting = new Map<Rule, [number, number][]>();
    const list: number[] = [];
    const owners = new Map<number, Rule>();
    this.#rules.forEach(({ begin }, rule) => {
      owners.set(begin, rule);
    });
    const wake = (state: number): void => {
      if (live[state]) return;
      live[state] = 1;
      list.push(state);
    };
    const link = (from: number, to: number): void => {
      const before = back[to];
      if (!before) back[to] = [from];
      else if (before[before.length - 1] !== from) before.push(from);
    };
    for (let from = 0; from < this.#bytes.length; from++) {
      const bytes = this.#bytes[from];
      for (let i = 2; i < bytes.length; i += 3) link(from, bytes[i]);
      for (const to of this.#frees[from] ?? []) link(from, to);
      for (const { rule, low, to } of this.#uses[from] ?? []) {
        if (low === 0) link(from, to);
        else {
          const pairs = waiting.get(rule);
          if (pairs) pairs.push([from, to]);
          else waiting.set(rule, [[from, to]]);
        }
      }
    }
    for (const { end } of this.#rules) wake(end);
    for (let state = list.pop(); state !== undefined; state = list.pop()) {
      for (const from of back[state] ?? []) wake(from);
      const rule = owners.get(state);
      if (rule === undefined) continue;
      found.add(rule);
      for (const [from, to] of waiting.get(rule) ?? []) {
        link(from, to);
        if (live[to]) wake(from);
      }
      waiting.delete(rule);
    }
    return found;
  }

  /** Adds the states of a rule, made deterministic; rules in them are called by number, and told to `used`. */
  #determine(rule: Rule, productive: ReadonlySet<Rule>, states: State[], used: (rule: Rule) => void): void {
    const { begin, end } = this.#rules[rule];
    const single = new Map<number, number>();
    const several = new Map<string, number>();
    const sets: (readonly number[])[] = [];
    const add = (set: readonly number[]): number => {
      if (states.length + sets.length > LEFT) throw new GrammarError(`it takes more than ${LEFT} states`, "size");
      return sets.push(set) - 1;
    };
    const numberOf = (members: readonly number[]): number => {
      const set = this.#closed(members, productive);
      const known = set.length === 1 ? single.get(set[0]) : several.get(set.join());
      if (known !== undefined) return known;
      const number = add(set);
      if (set.length === 1) single.set(set[0], number);
      else several.set(set.join(), number);
      return number;
    };
    numberOf([begin]);
    const made: State[] = [];
    for (let i = 0; i < sets.length; i++) {
      const state: State = { bytes: [], calls: [], loops: [], end: sets[i].includes(end) };
      const uses = new Map<string, { use: Use; to: number[] }>();
      let spans: number[] = [];
      for (const member of sets[i]) {
        const bytes = this.#bytes[member];
        spans = spans.length === 0 ? bytes : spans.concat(bytes);
        for (const use of this.#uses[member] ?? []) {
          if (!productive.has(use.rule)) continue;
          const key = `${use.rule} ${use.loop} ${use.low} ${use.high}`;
          const known = uses.get(key);
          if (known) known.to.push(use.to);
          else uses.set(key, { use, to: [use.to] });
        }
      }
      addSpans(state.bytes, spans, numberOf);
      for (const { use, to } of uses.values()) {
        if (use.loop) state.loops.push(use.rule, use.low, use.high, numberOf(to));
        else state.calls.push(use.rule, numberOf(to));
      }
      made.push(state);
    }
    const live = liveStates(made);
    const renamed = new Int32Array(made.length).fill(-1);
    let count = states.length;
    for (let i = 0; i < made.length; i++) if (live[i]) renamed[i] = count++;
    for (let i = 0; i < made.length; i++) {
      if (!live[i]) continue;
      const state = made[i];
      state.bytes = kept(state.bytes, 3, renamed);
      state.calls = kept(state.calls, 2, renamed);
      state.loops = kept(state.loops, 4, renamed);
      for (let k = 0; k < state.calls.length; k += 2) used(state.calls[k]);
      for (let k = 0; k < state.loops.length; k += 4) used(state.loops[k]);
      states.push(state);
    }
  }

  /** The states that are reached from some for nothing, with these, in rising order. */
  #closed(members: readonly number[], productive: ReadonlySet<Rule>): readonly number[] {
    let all: Set<number> | undefined;
    const list = [...members];
    for (let i = 0; i < list.length; i++) {
      const state = list[i];
      const frees = this.#frees[state];
      const uses = this.#uses[state];
      if (!frees && !uses) continue;
      all ??= new Set(list);
      const reach = (to: number): void => {
        if (all!.has(to)) return;
        all!.add(to);
        list.push(to);
      };
      for (const to of frees ?? []) reach(to);
      for (const { rule, low, to } of uses ?? []) if (low === 0 && !productive.has(rule)) reach(to);
    }
    if (list.length === 1) return list;
    list.sort((a, b) => a - b);
    return list.filter((state, i) => i === 0 || state !== list[i - 1]);
  }
}

/** Items of `size` numbers, the last of which is a state, without those whose state is gone. */
function kept(items: number[], size: number, renamed: Int32Array): number[] {
  let count = 0;
  for (let i = 0; i < items.length; i += size) {
    const to = renamed[items[i + size - 1]];
    if (to < 0) continue;
    for (let k = 0; k < size - 1; k++) items[count + k] = items[i + k];
    items[count + size - 1] = to;
    count += size;
  }
  items.length = count;
  return items;
}

/** Edges of bytes that do not overlap: each leads to the set of all states that its bytes lead to. */
function addSpans(bytes: number[], spans: readonly number[], numberOf: (to: readonly number[]) => number): void {
  const put = (first: number, last: number, to: number): void => {
    const length = bytes.length;
    if (length > 0 && bytes[length - 1] === to && bytes[length - 2] + 1 === first) bytes[length - 2] = last;
    else bytes.push(first, last, to);
  };
  const order: number[] = [];
  for (let i = 0; i < spans.length; i += 3) order.push(i);
  order.sort((a, b) => spans[a] - spans[b]);
  for (let i = 0; i < order.length; ) {
    // Spans that overlap, one with the next.
    let end = i + 1;
    let last = spans[order[i] + 1];
    for (; end < order.length && spans[order[end]] <= last; end++) last = Math.max(last, spans[order[end] + 1]);
    if (end === i + 1) put(spans[order[i]], last, numberOf([spans[order[i] + 2]]));
    else {
      const group = order.slice(i, end);
      const cuts = new Set<number>();
      for (const at of group) cuts.add(spans[at]).add(spans[at + 1] + 1);
      const sorted = [...cuts].sort((a, b) => a - b);
      for (let c = 0; c + 1 < sorted.length; c++) {
        const to: number[] = [];
        for (const at of group) {
          if (spans[at] <= sorted[c] && sorted[c] <= spans[at + 1] && !to.includes(spans[at + 2]))
            to.push(spans[at + 2]);
        }
        if (to.length > 0) put(sorted[c], sorted[c + 1] - 1, numberOf(to));
      }
    }
    i = end;
  }
}

/** The states of a rule from which its end can be reached. */
function liveStates(states: readonly State[]): Uint8Array {
  const live = new Uint8Array(states.length);
  const back: (number[] | undefined)[] = [];
  const list: number[] = [];
  const link = (items: readonly number[], size: number, from: number): void => {
    for (let i = size - 1; i < items.length; i += size) {
      const before = back[items[i]];
      if (before) before.push(from);
      else back[items[i]] = [from];
    }
  };
  states.forEach(({ bytes, calls, loops, end }, i) => {
    link(bytes, 3, i);
    link(calls, 2, i);
    link(loops, 4, i);
    if (!end) return;
    live[i] = 1;
    list.push(i);
  });
  for (let i = list.pop(); i !== undefined; i = list.pop()) {
    for (const from of back[i] ?? []) {
      if (live[from]) continue;
      live[from] = 1;
      list.push(from);
    }
  }
  return live;
}

/** Refuses rules that call themselves before a byte, and loops of what may be empty: they would go on for ever. */
function requireProgress(states: readonly State[]): void {
  const using = states.flatMap(({ calls, loops }, i) => (calls.length > 0 || loops.length > 0 ? [i] : []));
  const nullable = Uint8Array.from(states, ({ end }) => (end ? 1 : 0));
  const passes = ({ calls, loops }: State): boolean => {
    for (let k = 0; k < calls.length; k += 2) if (nullable[calls[k]] && nullable[calls[k + 1]]) return true;
    for (let k = 0; k < loops.length; k += 4) {
      if ((loops[k + 1] === 0 || nullable[loops[k]]) && nullable[loops[k + 3]]) return true;
    }
    return false;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const i of using) {
      if (nullable[i] || !passes(states[i])) continue;
      nullable[i] = 1;
      changed = true;
    }
  }
  const mark = new Uint8Array(states.length);
  const next = (i: number): number[] => {
    const { calls, loops } = states[i];
    const found: number[] = [];
    for (let k = 0; k < calls.length; k += 2) {
      found.push(calls[k]);
      if (nullable[calls[k]]) found.push(calls[k + 1]);
    }
    for (let k = 0; k < loops.length; k += 4) {
      found.push(loops[k]);
      if (loops[k + 1] === 0 || nullable[loops[k]]) found.push(loops[k + 3]);
    }
    return found;
  };
  for (const i of using) {
    const { loops } = states[i];
    for (let k = 0; k < loops.length; k += 4) {
      if (nullable[loops[k]]) throw new GrammarError("what is repeated may be empty", "repetition");
    }
    if (mark[i]) continue;
    const path: [number, number[]][] = [[i, next(i)]];
    mark[i] = 1;
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const to = top[1].pop();
      if (to === undefined) {
        mark[top[0]] = 2;
        path.pop();
      } else if (mark[to] === 1) {
        throw new GrammarError("a rule calls itself before anything else: it would never end", "left recursion");
      } else if (mark[to] === 0) {
        mark[to] = 1;
        path.push([to, next(to)]);
      }
    }
  }
}
