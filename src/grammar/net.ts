/**
 * Grammars as nets: states with edges of bytes, calls of other rules, and counted loops of them. Each rule is made
 * deterministic over bytes and calls; what leads nowhere is cut away, so that wherever a text is allowed to go on, it can
 * be ended.
 */
import { GrammarError } from "./errors.ts";
import type { Automaton } from "./regex.ts";

export type Rule = number;

type Edge =
  | { readonly kind: "bytes"; readonly first: number; readonly last: number; readonly to: number }
  | { readonly kind: "call"; readonly rule: Rule; readonly to: number }
  | { readonly kind: "loop"; readonly rule: Rule; readonly low: number; readonly high: number; readonly to: number }
  | { readonly kind: "free"; readonly to: number };

/** A state of the finished net. */
export interface State {
  readonly bytes: (readonly [first: number, last: number, to: number])[];
  readonly calls: (readonly [state: number, to: number])[];
  readonly loops: (readonly [state: number, low: number, high: number, to: number])[];
  end: boolean;
}

/** Most states of a grammar before and behind determinising. */
const STATES = 100_000;
const LEFT = 30_000;

export class Net {
  readonly #edges: Edge[][] = [];
  readonly #rules: { begin: number; end: number }[] = [];

  state(): number {
    if (this.#edges.length >= STATES) throw new GrammarError(`it takes more than ${STATES} states`, "size");
    return this.#edges.push([]) - 1;
  }

  /** A rule without edges between its begin and its end. */
  rule(): { rule: Rule; begin: number; end: number } {
    const made = { begin: this.state(), end: this.state() };
    return { rule: this.#rules.push(made) - 1, ...made };
  }

  bytes(from: number, first: number, last: number, to: number): void {
    this.#edges[from].push({ kind: "bytes", first, last, to });
  }

  call(from: number, rule: Rule, to: number): void {
    this.#edges[from].push({ kind: "call", rule, to });
  }

  /** A rule, at least `low` and at most `high` times; it may not be empty. */
  loop(from: number, rule: Rule, low: number, high: number, to: number): void {
    if (high === 0) this.free(from, to);
    else this.#edges[from].push({ kind: "loop", rule, low, high, to });
  }

  free(from: number, to: number): void {
    if (from !== to) this.#edges[from].push({ kind: "free", to });
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
    const ways = new Map<string, (readonly [number, number, number])[]>();
    edges.forEach((out, state) => {
      for (const [first, last, target] of out) {
        const key = `${first} ${last} ${target}`;
        let way = ways.get(key);
        if (!way) ways.set(key, (way = this.#tree(write(first, last), states[target], 0)));
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
    const states: (State & { rule: Rule })[] = [];
    const begins = new Map<Rule, number>();
    const wanted: Rule[] = [root];
    const links: { state: State; list: "calls" | "loops"; at: number; rule: Rule }[] = [];
    for (let next = wanted.shift(); next !== undefined; next = wanted.shift()) {
      if (begins.has(next)) continue;
      begins.set(next, states.length);
      for (const rule of this.#determine(next, productive, states, links)) if (!begins.has(rule)) wanted.push(rule);
      if (states.length > LEFT) throw new GrammarError(`it takes more than ${LEFT} states`, "size");
    }
    for (const { state, list, at, rule } of links) {
      if (list === "calls") state.calls[at] = [begins.get(rule)!, state.calls[at][1]];
      else state.loops[at] = [begins.get(rule)!, ...(state.loops[at].slice(1) as [number, number, number])];
    }
    requireProgress(states);
    return states;
  }

  /** The rules that some text is in. */
  #productive(): Set<Rule> {
    const found = new Set<Rule>();
    // Backwards from the ends, until nothing changes.
    const live = new Uint8Array(this.#edges.length);
    const back: number[][] = this.#edges.map(() => []);
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
    this.#edges.forEach((edges, from) => {
      for (const edge of edges) {
        if ((edge.kind === "call" || (edge.kind === "loop" && edge.low > 0)) && !found.has(edge.rule)) {
          const pairs = waiting.get(edge.rule) ?? [];
          pairs.push([from, edge.to]);
          waiting.set(edge.rule, pairs);
        } else back[edge.to].push(from);
      }
    });
    for (const { end } of this.#rules) wake(end);
    for (let state = list.pop(); state !== undefined; state = list.pop()) {
      for (const from of back[state]) wake(from);
      const rule = owners.get(state);
      if (rule === undefined) continue;
      found.add(rule);
      for (const [from, to] of waiting.get(rule) ?? []) {
        back[to].push(from);
        if (live[to]) wake(from);
      }
      waiting.delete(rule);
    }
    return found;
  }

  #determine(
    rule: Rule,
    productive: ReadonlySet<Rule>,
    states: (State & { rule: Rule })[],
    links: { state: State; list: "calls" | "loops"; at: number; rule: Rule }[],
  ): Rule[] {
    const { begin, end } = this.#rules[rule];
    const numbers = new Map<string, number>();
    const sets: number[][] = [];
    const first = states.length;
    const rules = new Set<Rule>();
    const numberOf = (members: Iterable<number>): number => {
      const set = this.#closed(members, productive);
      const key = set.join();
      let number = numbers.get(key);
      if (number === undefined) {
        number = first + sets.length;
        numbers.set(key, number);
        sets.push(set);
        if (first + sets.length > LEFT) throw new GrammarError(`it takes more than ${LEFT} states`, "size");
      }
      return number;
    };
    numberOf([begin]);
    const made: (State & { rule: Rule })[] = [];
    const uses: { list: "calls" | "loops"; at: number; rule: Rule }[][] = [];
    for (let i = 0; i < sets.length; i++) {
      const state: State & { rule: Rule } = { bytes: [], calls: [], loops: [], end: sets[i].includes(end), rule };
      const calls = new Map<string, { edge: Extract<Edge, { rule: Rule }>; to: number[] }>();
      const spans: [number, number, number][] = [];
      for (const member of sets[i]) {
        for (const edge of this.#edges[member]) {
          if (edge.kind === "bytes") spans.push([edge.first, edge.last, edge.to]);
          else if (edge.kind !== "free") {
            if (!productive.has(edge.rule)) continue;
            const key = edge.kind === "call" ? `${edge.rule}` : `${edge.rule} ${edge.low} ${edge.high}`;
            const known = calls.get(key);
            if (known) known.to.push(edge.to);
            else calls.set(key, { edge, to: [edge.to] });
          }
        }
      }
      addSpans(state, spans, numberOf);
      for (const { edge, to } of calls.values()) {
        const target = numberOf(to);
        const list = edge.kind === "call" ? "calls" : "loops";
        uses[i] = [...(uses[i] ?? []), { list, at: state[list].length, rule: edge.rule }];
        if (edge.kind === "call") state.calls.push([-1, target]);
        else if (edge.kind === "loop") state.loops.push([-1, edge.low, edge.high, target]);
      }
      made.push(state);
    }
    const live = liveStates(made, first);
    const renamed = new Map<number, number>();
    live.forEach((alive, i) => {
      if (alive) renamed.set(first + i, first + renamed.size);
    });
    made.forEach((state, i) => {
      if (!live[i]) return;
      const bytes = state.bytes.flatMap(([a, b, to]) => (renamed.has(to) ? [[a, b, renamed.get(to)!] as const] : []));
      const callsKept = state.calls.flatMap(([, to], at) => (renamed.has(to) ? [at] : []));
      const loopsKept = state.loops.flatMap(([, , , to], at) => (renamed.has(to) ? [at] : []));
      const next: State & { rule: Rule } = {
        bytes,
        calls: callsKept.map((at) => [-1, renamed.get(state.calls[at][1])!] as const),
        loops: loopsKept.map((at) => {
          const [, low, high, to] = state.loops[at];
          return [-1, low, high, renamed.get(to)!] as const;
        }),
        end: state.end,
        rule,
      };
      for (const { list, at, rule: used } of uses[i] ?? []) {
        const place = (list === "calls" ? callsKept : loopsKept).indexOf(at);
        if (place < 0) continue;
        links.push({ state: next, list, at: place, rule: used });
        rules.add(used);
      }
      states.push(next);
    });
    return [...rules];
  }

  #closed(members: Iterable<number>, productive: ReadonlySet<Rule>): number[] {
    const all = new Set(members);
    for (const state of all) {
      for (const edge of this.#edges[state]) {
        if (edge.kind === "free") all.add(edge.to);
        else if (edge.kind === "loop" && edge.low === 0 && !productive.has(edge.rule)) all.add(edge.to);
      }
    }
    return [...all].sort((a, b) => a - b);
  }
}

/** Edges of bytes that do not overlap: each leads to the set of all states that its bytes lead to. */
function addSpans(state: State, spans: [number, number, number][], numberOf: (to: Iterable<number>) => number): void {
  if (spans.length === 0) return;
  const cuts = new Set<number>();
  for (const [first, last] of spans) cuts.add(first).add(last + 1);
  const sorted = [...cuts].sort((a, b) => a - b);
  for (let i = 0; i + 1 < sorted.length; i++) {
    const to = spans.filter(([first, last]) => first <= sorted[i] && sorted[i] <= last).map((span) => span[2]);
    if (to.length === 0) continue;
    const target = numberOf(to);
    const before = state.bytes.at(-1);
    if (before && before[2] === target && before[1] + 1 === sorted[i]) {
      state.bytes[state.bytes.length - 1] = [before[0], sorted[i + 1] - 1, target];
    } else state.bytes.push([sorted[i], sorted[i + 1] - 1, target]);
  }
}

/** The states of a rule from which its end can be reached. */
function liveStates(states: readonly State[], first: number): boolean[] {
  const live = states.map(({ end }) => end);
  const back: number[][] = states.map(() => []);
  states.forEach(({ bytes, calls, loops }, i) => {
    for (const to of [...bytes.map((e) => e[2]), ...calls.map((e) => e[1]), ...loops.map((e) => e[3])]) {
      back[to - first].push(i);
    }
  });
  const list = live.flatMap((alive, i) => (alive ? [i] : []));
  for (let i = list.pop(); i !== undefined; i = list.pop()) {
    for (const from of back[i]) {
      if (live[from]) continue;
      live[from] = true;
      list.push(from);
    }
  }
  return live;
}

/** Refuses rules that call themselves before a byte, and loops of what may be empty: they would go on for ever. */
function requireProgress(states: readonly State[]): void {
  const nullable = new Uint8Array(states.length);
  for (let changed = true; changed; ) {
    changed = false;
    states.forEach((state, i) => {
      if (nullable[i]) return;
      const passes =
        state.end ||
        state.calls.some(([begin, to]) => nullable[begin] && nullable[to]) ||
        state.loops.some(([begin, low, , to]) => (low === 0 || nullable[begin]) && nullable[to]);
      if (!passes) return;
      nullable[i] = 1;
      changed = true;
    });
  }
  const mark = new Uint8Array(states.length);
  const next = (i: number): number[] => [
    ...states[i].calls.flatMap(([begin, to]) => (nullable[begin] ? [begin, to] : [begin])),
    ...states[i].loops.flatMap(([begin, low, , to]) => (low === 0 || nullable[begin] ? [begin, to] : [begin])),
  ];
  for (let i = 0; i < states.length; i++) {
    for (const [begin] of states[i].loops) {
      if (nullable[begin]) throw new GrammarError("what is repeated may be empty", "repetition");
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
