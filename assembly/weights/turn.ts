/**
 * How a matrix lies whose inputs come from ReLU². It is loaded by rows, which lose nothing where few inputs are zero.
 * When the model has shown how many are, it is packed anew, column by column (kernels/quant/columns/layout.ts), and
 * back where the zeros go. Both have as many bytes, and their products the same bits.
 *
 *     by rows ── zeros ≥ columnsPayFrom ─► by columns ── zeros < LESS below that ─► by rows
 *
 * The new form gets a block of its own and the old one goes back to the arena, where the next matrix finds room: one
 * matrix more than the weights is what it takes. Where there is no room the matrix stays as it is.
 */
import { allocateRaw, release } from "../memory/arena";
import { Core } from "../memory/core";
import { ActivationPrecision } from "../kernels/quant/activations/precision";
import { columnsPayFrom, columnsToGroups, groupsToColumns, stripRows } from "../kernels/quant/columns/columns";
import { packedGroupBytes } from "../kernels/quant/index";
import { GROUP_ROWS, Weight } from "./weight";

/** Tokens that make a count, and tokens that halve it: a text may be of another kind than the one before. */
const SETTLED: u32 = 32;
const REMEMBERED: u32 = 1024;
/** Sixteenths of zeros less than a turn wanted: between the two a matrix stays. */
const LESS: u32 = 2;

/** Counts inputs of a matrix. */
export function countInputs(weight: Weight, zeros: u64, inputs: u64): void {
  weight.zeros += zeros;
  weight.inputs += inputs;
  if (weight.inputs < <u64>weight.columns * REMEMBERED) return;
  weight.zeros >>= 1;
  weight.inputs >>= 1;
}

/** Whether a matrix should lie the other way. `more`: so many tokens more than usual make a count. */
export function wantsTurn(weight: Weight, more: u32): bool {
  if (weight.inputs < <u64>weight.columns * (SETTLED + more)) return false;
  // Of two halves, columns know the first.
  if (weight.precision == ActivationPrecision.TWO_SIXTEENS) return weight.byColumns != 0;
  const enough = columnsPayFrom(weight.type);
  const most = weight.zeros << 4;
  return weight.byColumns ? most < weight.inputs * (enough - LESS) : most >= weight.inputs * enough;
}

/** Whether half of the columns by its activations take no longer than all of them: bytes meet tiles and rows. */
@inline
export function isWide(weight: Weight): bool {
  return (
    weight.precision == ActivationPrecision.SIXTEEN ||
    (ASC_FEATURE_RELAXED_SIMD && weight.precision == ActivationPrecision.FOURTEEN)
  );
}

/** Packs a matrix the other way. `scratch`: PLANES_BYTES (kernels/quant/columns/convert.ts). */
export function turn(core: Core, weight: Weight, scratch: usize): void {
  const place = allocateRaw(core, weight.bytes, "a matrix that is packed anew");
  if (place == 0) {
    // The next count may find room.
    weight.zeros = 0;
    weight.inputs = 0;
    return;
  }
  packOtherWay(weight, place, scratch);
  release(core, weight.data);
  weight.data = place;
  weight.byColumns ^= 1;
}

/** Writes a matrix, packed the other way, to a place of as many bytes. `scratch`: as of `turn`. */
export function packOtherWay(weight: Weight, place: usize, scratch: usize): void {
  const groupBytes = packedGroupBytes(weight.type, weight.columns);
  const strip = stripRows(weight.rows);
  for (let row: u32 = 0; row < weight.rows; row += strip) {
    const count = min(strip, weight.rows - row);
    const group = <usize>(row / GROUP_ROWS) * groupBytes;
    if (weight.byColumns) {
      columnsToGroups(weight.type, weight.data, weight.rows, weight.columns, row, count, place + group, scratch);
    } else groupsToColumns(weight.type, weight.data + group, count, row, weight.rows, weight.columns, place);
  }
}
