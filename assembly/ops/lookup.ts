/**
 * The Memory Layer (MemoryFormer: Ding et al. 2024, arXiv:2411.12992): a fully-connected layer as a look-up. An input
 * is split into chunks; the signs of a chunk are a code, which names a row of the chunk's table.
 *
 *     z ┌ chunk 0 ┬ chunk 1 ┬ … ┐      code_k = the signs of chunk k      w_k = how sure they are
 *
 *     y = bias + Σ_k  w_k · scale[r] · table[r]        r = k · 2^bits + code_k
 *
 * Layers that read the same input share codes and weights, and find their rows together. A layer multiplies and adds
 * chunks · columns values, which lie in as many places as there are chunks: memory is what it costs.
 */
import { Context } from "../pass/context";
import { Status } from "../memory/core";
import { Model, Slot, Want, declareLayer, declareTable } from "../engine/model";
import { rowOf, targetOf } from "./pass";
import { Job, grainOf, share } from "../pass/threads";
import { findRows, tokensAtOnce } from "../weights/tables";
import { chunkWeights, hashRow, scaleWeights } from "../kernels/lookup/codes";
import { RowType, gatherRows, readAhead } from "../kernels/lookup/table_rows";

/** A value hashed takes about as long as so many multiply-adds: there is an exponential in it. */
const HASH_COST: u64 = 16;

/**
 * Declares a memory layer whose codes have `bits` bits: its table, a scale for each row (which rows of whole numbers
 * must have), and its bias.
 */
export function declareMemory(
  m: Model, layer: u32, slot: u32, bits: u32, columns: u32, table: string, scale: string, bias: string,
): i32 {
  const rows = m.chunks << bits;
  let s = declareTable(m, layer, slot, table, columns, rows);
  if (s) return s;
  const type = m.at(layer, slot).type;
  const optional = type == RowType.Q8 || type == RowType.Q4 ? 0 : Want.OPTIONAL;
  s = declareLayer(m, layer, scaleOf(slot), scale, rows, 1, Want.VECTOR | optional);
  if (!s) s = declareLayer(m, layer, biasOf(slot), bias, columns, 1, Want.VECTOR | Want.OPTIONAL);
  return s;
}

/** codes, sureness ← those of `source`, [active, chunks · bits]. */
export function hash(c: Context, source: usize, bits: u32): i32 {
  c.jobOperand = source;
  c.jobBits = bits;
  const grain = grainOf(c.pool, c.active, <u64>(c.model.chunks * bits) * HASH_COST);
  return share<RowsHashed>(c.pool, changetype<usize>(c), c.active, grain) ? Status.DONE : Status.MORE;
}

/** Rows of an input, hashed. */
@unmanaged
export class RowsHashed {
  @inline
  get kind(): u32 {
    return Job.HASH;
  }

  run(context: usize, slot: u32, begin: u32, end: u32): void {
    const c = changetype<Context>(context);
    const m = c.model;
    for (let i = begin; i < end; i++) {
      const x = rowOf(c.jobOperand, i, m.chunks * c.jobBits);
      hashRow(x, m.chunks, c.jobBits, m.zeroIsOne != 0, rowOf(c.codes, i, m.chunks));
      chunkWeights(x, m.chunks, c.jobBits, m.weightRule, m.temperature, rowOf(c.sureness, i, m.chunks));
    }
  }
}

/**
 * Looks up `tables` tables from slot `first` on, each into its own buffer, by the codes that `hash` made: as many
 * tokens at once as there is room for rows.
 */
export function lookUp(c: Context, first: u32, tables: u32): i32 {
  const chunks = c.model.chunks;
  const table = c.model.at(c.layer, first);
  const cost = <u64>chunks * tables * table.columns;
  while (c.cursor < c.active) {
    const tokens = min(tokensAtOnce(table, tables, c.batchCapacity), c.active - c.cursor);
    const status = findRows(c, table, tables, rowOf(c.codes, c.cursor, chunks), tokens);
    if (status != Status.DONE) return status;
    c.jobFrom = c.cursor;
    c.jobParts = tables;
    c.jobSlot = first;
    const grain = grainOf(c.pool, tokens * tables, cost / tables);
    if (!share<RowsGathered>(c.pool, changetype<usize>(c), tokens * tables, grain)) return Status.MORE;
    c.work -= <i64>(cost * tokens);
    c.cursor += tokens;
    if (c.work <= 0 && c.cursor < c.active) return Status.MORE;
  }
  return Status.DONE;
}

/** Unit u: table u mod `jobParts` of token u / `jobParts`. */
@unmanaged
export class RowsGathered {
  @inline
  get kind(): u32 {
    return Job.GATHER;
  }

  run(context: usize, slot: u32, begin: u32, end: u32): void {
    const c = changetype<Context>(context);
    const m = c.model;
    for (let unit = begin; unit < end; unit++) {
      const token = c.jobFrom + unit / c.jobParts;
      const place = c.jobSlot + (unit % c.jobParts);
      const table = m.at(c.layer, place);
      const scales = m.at(c.layer, scaleOf(place));
      const bits = ctz(table.span);
      const codes = rowOf(c.codes, token, m.chunks);
      const rows = rowOf(c.rowsFound, unit, m.chunks);
      let weights = rowOf(c.sureness, token, m.chunks);
      readAhead(table.type, rows, table.columns, scales.present ? scales.data : 0, bits, codes, m.chunks);
      if (scales.present) {
        const scaled = c.ofSlot(c.scratch, slot);
        scaleWeights(scales.data, bits, codes, m.chunks, weights, scaled);
        weights = scaled;
      }
      gatherRows(
        table.type, rows, weights, m.chunks, table.columns,
        m.at(c.layer, biasOf(place)).data, rowOf(targetOf(c, place), token, table.columns),
      );
    }
  }
}

/** Where the scales of a table's rows stand. */
function scaleOf(slot: u32): u32 {
  return slot < Slot.FFN_UP ? slot - Slot.QUERY + Slot.QUERY_SCALE : slot - Slot.FFN_UP + Slot.FFN_UP_SCALE;
}

/** Where its bias stands. */
function biasOf(slot: u32): u32 {
  return slot < Slot.FFN_UP ? slot - Slot.QUERY + Slot.QUERY_BIAS : slot - Slot.FFN_UP + Slot.FFN_UP_BIAS;
}
