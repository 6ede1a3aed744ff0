/** Text up to one of some marks, as the automaton of Aho and Corasick: what no mark is in goes on for ever. */
import type { Net } from "./net.ts";

/** The byte in front of a control token's text in a grammar: no text has it. */
export const CONTROL_MARK = 0xff;

export interface Mark {
  readonly bytes: Uint8Array;
  /** The state behind it; null: it never comes. */
  readonly to: number | null;
  /** It counts where the text begins alone, behind white space. */
  readonly first?: boolean;
}

interface Node {
  readonly children: Map<number, number>;
  fall: number;
  mark: Mark | null;
  /** Within a control token: it is this one or none. */
  readonly control: boolean;
}

const SPACES = [0x09, 0x0a, 0x0d, 0x20];

/** The edges of a text from `from` on up to its marks; `end`: the state where it may end before any, or null. */
export function writeUntil(net: Net, from: number, marks: readonly Mark[], end: number | null): void {
  const anywhere = trieOf(marks.filter(({ first }) => !first));
  const begin = trieOf(marks.filter(({ first }) => first));
  // A state is where the text is among the marks, and where among those of its beginning: −1 behind it.
  const states = new Map<string, number>();
  const list: { at: number; node: number; first: number }[] = [];
  const stateOf = (node: number, first: number): number => {
    const key = `${node} ${first}`;
    let at = states.get(key);
    if (at === undefined) {
      at = list.length === 0 ? from : net.state();
      states.set(key, at);
      list.push({ at, node, first });
    }
    return at;
  };
  stateOf(0, begin.length > 1 ? 0 : -1);
  for (const { at, node, first } of list) {
    if (end !== null) net.free(at, end);
    const next = (byte: number): number | null => {
      if (anywhere[node].control && !anywhere[node].children.has(byte)) return null;
      if (byte === CONTROL_MARK && !anywhere[0].children.has(byte)) return null;
      const on = goOn(anywhere, node, byte);
      const begun = first < 0 ? undefined : begin[first].children.get(byte);
      const mark = markAt(anywhere, on) ?? (begun === undefined ? null : begin[begun].mark);
      if (mark) return mark.to;
      const stays = first === 0 && SPACES.includes(byte);
      return stateOf(on, begun ?? (stays ? 0 : -1));
    };
    const put = (low: number, high: number): void => {
      const to = low <= high ? next(low) : null;
      if (to !== null) net.bytes(at, low, high, to);
    };
    // All bytes that lead to no mark lead to one state.
    let from = 0;
    for (const byte of [...told(anywhere, node, begin[Math.max(first, 0)])].sort((a, b) => a - b)) {
      put(from, byte - 1);
      put(byte, byte);
      from = byte + 1;
    }
  }
}

/** The bytes behind which a text is elsewhere than behind any other. */
function told(nodes: readonly Node[], at: number, begin: Node): Set<number> {
  const bytes = new Set([...SPACES, CONTROL_MARK, ...begin.children.keys()]);
  for (let node = at; ; node = nodes[node].fall) {
    for (const byte of nodes[node].children.keys()) bytes.add(byte);
    if (node === 0) return bytes;
  }
}

function trieOf(marks: readonly Mark[]): Node[] {
  const nodes: Node[] = [{ children: new Map(), fall: 0, mark: null, control: false }];
  for (const mark of marks) {
    let at = 0;
    for (const byte of mark.bytes) {
      let child = nodes[at].children.get(byte);
      if (child === undefined) {
        const control = byte === CONTROL_MARK || nodes[at].control;
        child = nodes.push({ children: new Map(), fall: 0, mark: null, control }) - 1;
        nodes[at].children.set(byte, child);
      }
      at = child;
    }
    nodes[at].mark = mark;
  }
  const queue = [...nodes[0].children.values()];
  for (const at of queue) {
    for (const [byte, child] of nodes[at].children) {
      nodes[child].fall = goOn(nodes, nodes[at].fall, byte);
      queue.push(child);
    }
  }
  return nodes;
}

function goOn(nodes: readonly Node[], from: number, byte: number): number {
  for (let at = from; ; at = nodes[at].fall) {
    const child = nodes[at].children.get(byte);
    if (child !== undefined) return child;
    if (at === 0) return 0;
  }
}

/** The mark that ends at a node. */
function markAt(nodes: readonly Node[], at: number): Mark | null {
  for (let node = at; node !== 0; node = nodes[node].fall) {
    const { mark } = nodes[node];
    if (mark) return mark;
  }
  return null;
}
