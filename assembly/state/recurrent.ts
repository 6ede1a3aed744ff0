/**
 * Recurrent states: what a layer keeps that stands for all tokens of a sequence at once (a convolution's tail, the
 * matrices of heads), F32 whatever the cache is. A row is such a state as it is behind a pass:
 *
 *     row    │ values of the layer's parts, one behind the other │ mark f32[4]: 1 where a prompt ends here │
 *     list   │ marks, ever farther apart │ the state before the last pass │ the newest │   position: of its last token
 *
 * A row is never changed once its pass is over: the next pass writes a new one, so that a pass can be given up, a fork
 * shares what it begins with, and rows that stay in the list are marks to which a sequence can go back. How many stay
 * is `statesHeld`; `dropMark` says which.
 */
import { Rows, dropRows } from "./rows";
import { StateShape } from "./shape";

/** Values behind those of the layer: the first says whether a prompt ends at the row. */
const MARK_VALUES: u32 = 4;
/** States that a context holds beside two of each sequence: the newest, and the one that a pass writes. */
const MARKS: u32 = 4;

export function rowBytes(s: StateShape): u32 {
  return (s.first + MARK_VALUES) << 2;
}

/** Rows that a layer holds in a context of so many sequences. */
export function statesHeld(sequences: u32): u32 {
  return 2 * sequences + MARKS;
}

/** Says whether a prompt ends with the tokens that a row has taken in: such a mark stays longer. */
export function markRow(s: StateShape, row: usize, endsPrompt: bool): void {
  memory.fill(row + ((<usize>s.first) << 2), 0, MARK_VALUES << 2);
  store<f32>(row + ((<usize>s.first) << 2), endsPrompt ? 1 : 0);
}

function endsPrompt(r: Rows, row: u32): bool {
  return load<f32>(r.row(row) + ((<usize>r.shape.first) << 2)) != 0;
}

/**
 * Drops a mark of a layer: of the sequence that has most of them the one that lies nearest behind the one before it,
 * for how far from the end it is. Ends of prompts go last, the newest row never. False: there is none left.
 */
export function dropMark(r: Rows, layer: u32): bool {
  let most: u32 = 1;
  let owner: u32 = 0;
  for (let sequence: u32 = 0; sequence < r.sequences; sequence++) {
    const count = r.list(sequence, layer).count;
    if (count <= most) continue;
    most = count;
    owner = sequence;
  }
  if (most == 1) return false;
  const list = r.list(owner, layer);
  const end = list.position(most - 1);
  let found: u32 = 0;
  let least: f64 = Infinity;
  for (let i: u32 = 0; i + 1 < most; i++) {
    const position = list.position(i);
    const before = i == 0 ? -1 : list.position(i - 1);
    let worth = <f64>(position - before) / <f64>(end - position);
    // A gap is never as wide as a context, so any end of a prompt is worth more than any other mark.
    if (endsPrompt(r, list.row(i))) worth += 1e9;
    if (worth > least) continue;
    least = worth;
    found = i;
  }
  const position = list.position(found);
  dropRows(r, owner, layer, position, position + 1);
  return true;
}

/** Tokens, at most `count`, that a sequence can go back to in a layer: behind one of its rows, or none. */
export function markBefore(r: Rows, sequence: u32, layer: u32, count: u32): u32 {
  const list = r.list(sequence, layer);
  for (let i = list.count; i > 0; i--) {
    const taken = <u32>list.position(i - 1) + 1;
    if (taken <= count) return taken;
  }
  return 0;
}
