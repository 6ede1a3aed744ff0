/**
 * Weights that stay in their file: read tile by tile when their product is made, each time anew, so that a model may
 * be larger than the memory (flash of a microcontroller, a file on disk). A stage that lacks a tile asks for it and
 * answers NEED_DATA before it has changed anything; entered again, it finds the tile and goes on.
 *
 *     file ──NEED_DATA──► tile (rows as in the file) ──pack──► packed tile ──multiply──► outputs cursor … cursor + rows
 *
 * A tile is whole groups of rows, so its outputs have the bits of the resident matrix. MLA's up-projection is always
 * resident: three stages use it in different orders.
 *
 * May call: core.ts, context.ts, model.ts, slots.ts, weight.ts, kernels/.
 */
import { Status } from "./core";
import { Context } from "./context";
import { Global, Slot } from "./slots";
import { Model } from "./model";
import { GROUP_ROWS, Weight, WeightState } from "./weight";
import { blockBytes } from "./arena";
import { matmulRows } from "../kernels/matmul";
import { dequantizeRow, packGroup, packedGroupBytes } from "../kernels/quant/index";
import { rowBytes } from "../kernels/quant/types";

/** Leaves the declared matrices in the file. */
export function leaveInFile(model: Model): void {
  for (let i: u32 = 0; i < model.weightCount; i++) {
    const weight = model.weight(i);
    if (weight.state != WeightState.DECLARED || weight.plain) continue;
    if (i >= Global.COUNT && (i - Global.COUNT) % Slot.COUNT == Slot.LATENT_UP) continue;
    weight.state = WeightState.STREAMED;
    weight.byNeurons = 0;
    model.weightBytes -= blockBytes(weight.bytes);
    const bytes = rowBytes(weight.type, weight.columns) * weight.rows;
    model.fileBytes -= bytes;
    model.streamedBytes += bytes;
  }
}

/** target ← x · weightᵀ, of a matrix in the file. `x`: the operand as pass.ts made it, rows `stride` bytes apart. */
export function multiplyStreamed(c: Context, weight: Weight, x: usize, stride: usize, target: usize): i32 {
  const row = <usize>rowBytes(weight.type, weight.columns);
  if (c.tileRows) {
    const group = packedGroupBytes(weight.type, weight.columns);
    for (let i: u32 = 0; i < c.tileRows; i += GROUP_ROWS) {
      const count = min<u32>(GROUP_ROWS, c.tileRows - i);
      const packed = c.packedTile + <usize>(i / GROUP_ROWS) * group;
      packGroup(weight.type, c.tile + <usize>i * row, row, count, weight.columns, packed);
    }
    matmulRows(
      weight.product, c.packedTile, c.tileRows, weight.columns, 0, c.tileRows,
      x, stride, c.active, target + ((<usize>c.cursor) << 2), (<usize>weight.rows) << 2, c.scratch,
    );
    c.cursor += c.tileRows;
    c.tileRows = 0;
  }
  const left = weight.rows - c.cursor;
  return left == 0 ? Status.DONE : ask(c, weight, c.cursor, min(left, weight.tileRows));
}

/** hidden ← the embeddings of the batch's tokens, one row of the file after the other. */
export function embedStreamed(c: Context, weight: Weight): i32 {
  if (c.tileRows) {
    const target = c.hidden + (((<usize>c.cursor) * weight.columns) << 2);
    dequantizeRow(weight.type, c.tile, target, weight.columns);
    c.cursor += 1;
    c.tileRows = 0;
  }
  if (c.cursor < c.active) return ask(c, weight, load<u32>(c.ids + ((<usize>c.token(c.cursor)) << 2)), 1);
  c.cursor = 0;
  return Status.DONE;
}

/** Asks for rows of a matrix: the next step finds them in the tile. */
function ask(c: Context, weight: Weight, first: u32, rows: u32): i32 {
  const row = rowBytes(weight.type, weight.columns);
  c.tileRows = rows;
  c.requestFile = weight.file;
  c.requestOffset = weight.offset + row * first;
  c.requestLength = <u32>(row * rows);
  return Status.NEED_DATA;
}
