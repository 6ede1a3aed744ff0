/**
 * Weights that stay in their file, so that a model may be larger than the memory (flash of a microcontroller, a file on
 * disk): matrices are read tile by tile when their product is made, each time anew; tables row by row (rows.ts). A
 * stage that lacks data asks for it and answers NEED_DATA before it has changed anything; entered again, it goes on.
 *
 *     file ──NEED_DATA──► tile (rows as in the file) ──pack──► packed tile ──multiply──► outputs cursor … cursor + rows
 *
 * A tile is whole groups of rows, so its outputs have the bits of the resident matrix. MLA's up-projection is always
 * resident: three stages use it in different orders.
 */
import { Status } from "../memory/core";
import { Context } from "../pass/context";
import { Global, Slot } from "./slots";
import { Model } from "../engine/model";
import { ask } from "./requests";
import { planRowCache } from "./row_cache";
import { GROUP_ROWS, Weight, WeightState } from "./weight";
import { blockBytes } from "../memory/arena";
import { matmulRows } from "../kernels/quant/matmul";
import { packGroup, packedGroupBytes } from "../kernels/quant/index";
import { rowBytes } from "../kernels/quant/types";

/** What stays in the file. */
export namespace Streamed {
  export const NOTHING: u32 = 0;
  /** Every matrix and every table. */
  export const ALL: u32 = 1;
  /** Tables: those of memory layers, and an embedding that is not the head too. */
  export const TABLES: u32 = 2;
}

/** Leaves declared weights in the file, as `model.streamed` says, and plans the row cache. */
export function leaveInFile(model: Model): void {
  const embedding = model.weight(Global.EMBEDDING);
  if (model.weight(Global.OUTPUT).present) embedding.span = embedding.rows;
  for (let i: u32 = 0; i < model.weightCount; i++) {
    const weight = model.weight(i);
    if (weight.state != WeightState.DECLARED || weight.plain) continue;
    if (model.streamed == Streamed.TABLES && weight.span == 0) continue;
    if (i >= Global.COUNT && (i - Global.COUNT) % Slot.COUNT == Slot.LATENT_UP) continue;
    weight.state = WeightState.STREAMED;
    weight.byNeurons = 0;
    model.weightBytes -= blockBytes(weight.bytes);
    const bytes = weight.fileRowBytes * weight.rows;
    model.fileBytes -= bytes;
    model.streamedBytes += bytes;
  }
  planRowCache(model, model.rowCacheBytes);
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
  if (left == 0) return Status.DONE;
  c.tileRows = min(left, weight.tileRows);
  c.requestCount = 0;
  ask(c, weight, c.cursor, c.tileRows, c.tile);
  return Status.NEED_DATA;
}
