/**
 * Core neurons in a pass: dense passes of a sequence that has some count its activations, sparse ones use the neurons
 * that were chosen (program/core_neurons.ts). A layer is chosen anew and packed when the first sparse pass comes to it.
 */
import { Context, rowAt } from "../pass/context";
import { COUNTED_AT_ONCE, CoreLayer } from "../program/core_neurons";
import { Step } from "../program/program";
import { countLarge, listMostFrequent, spread, thresholdOfShare } from "../kernels/float/largest";
import { packGroup, unpackRow } from "../kernels/quant/index";
import { rowBytes } from "../kernels/quant/types";
import { packOtherWay } from "../weights/turn";
import { GROUP_ROWS, Weight } from "../weights/weight";

/** Whether this step makes activations of which some are left out. */
@inline
export function isSparse(c: Context, s: Step): bool {
  return c.isSparse && c.neurons.layer(c.layer).step == s;
}

/** Whether some token's activations of this step are to be counted. */
export function isCounting(c: Context, s: Step): bool {
  if (changetype<usize>(c.neurons) == 0 || c.isSparse || c.isSource || c.neurons.layer(c.layer).step != s) return false;
  for (let i: u32 = 0; i < c.active; i++) if (isCounted(c, i)) return true;
  return false;
}

/** Tokens that are read, once each; those that are written count as long as there are too few. */
function isCounted(c: Context, i: u32): bool {
  const position = <u32>c.position(c.token(i));
  if (position < c.neurons.layer(c.layer).counted) return false;
  return position < c.neurons.promptEnd || c.tokens == 1;
}

/** Where the activations of token i are held until they are counted. */
@inline
export function heldRow(c: Context, i: u32): usize {
  return rowAt(c.neurons.rows, i % COUNTED_AT_ONCE, c.neurons.rowBytes);
}

/** Finds from which one on the activations of token i, f32[width] at `row`, are its largest. */
export function findThreshold(c: Context, i: u32, row: usize): void {
  const n = c.neurons;
  const width = n.layer(c.layer).width;
  store<u32>(n.thresholds + ((<usize>(i % COUNTED_AT_ONCE)) << 2), thresholdOfShare(row, width, n.alpha));
}

/** Counts the activations of token i at `row`; tokens come in order, so that sums have the same bits in any batch. */
export function countToken(c: Context, i: u32, row: usize): void {
  if (!isCounted(c, i)) return;
  const n = c.neurons;
  const l = n.layer(c.layer);
  const threshold = load<u32>(n.thresholds + ((<usize>(i % COUNTED_AT_ONCE)) << 2));
  countLarge(row, l.width, threshold, l.counts, l.sums);
  l.counted = <u32>c.position(c.token(i)) + 1;
  if (c.layer == n.last) n.tokens += 1;
}

/** Activations of the chosen neurons, side by side, go to their places among zeros. */
export function spreadNeurons(c: Context, row: usize): void {
  const l = c.neurons.layer(c.layer);
  spread(row, l.list, l.kept, l.width);
}

/** Has the layer at work chosen and packed as the sparse pass wants it. */
export function packNeurons(c: Context): void {
  const n = c.neurons;
  const l = n.layer(c.layer);
  if (changetype<usize>(l.step) == 0 || l.choice == n.choice) return;
  listMostFrequent(l.counts, l.sums, l.width, l.kept, l.list);
  packRows(c, l, 0, l.up);
  if (l.gate) packRows(c, l, 1, l.gate);
  const down = l.standIn(2);
  if (down.byColumns && !l.hasDown) {
    packOtherWay(l.down, down.data, n.scratch);
    l.hasDown = 1;
  }
  l.choice = n.choice;
}

/** The rows of the chosen neurons, packed as all rows are. */
function packRows(c: Context, l: CoreLayer, index: u32, weight: Weight): void {
  const target = l.standIn(index);
  const groupBytes = <usize>target.bytes / ((l.kept + (GROUP_ROWS - 1)) / GROUP_ROWS);
  const stride = <usize>rowBytes(weight.type, weight.columns);
  const rows = c.neurons.scratch;
  let to = target.data;
  for (let first: u32 = 0; first < l.kept; first += GROUP_ROWS, to += groupBytes) {
    const count = min(GROUP_ROWS, l.kept - first);
    for (let i: u32 = 0; i < count; i++) {
      const row = load<u32>(l.list + ((<usize>(first + i)) << 2));
      const group = weight.data + <usize>(row / GROUP_ROWS) * groupBytes;
      unpackRow(weight.type, group, row % GROUP_ROWS, weight.columns, rows + <usize>i * stride);
    }
    packGroup(weight.type, rows, stride, count, weight.columns, to);
  }
  c.work -= <i64>(<u64>l.kept * weight.columns);
}
