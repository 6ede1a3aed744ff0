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
import { shared } from "./share";
import { Status } from "../memory/core";
import { Context, rowAt, rowOf } from "../pass/context";
import { grainOf } from "../pass/threads";
import { Flag, NOTHING, Step } from "../program/program";
import { findRows, tokensAtOnce } from "../weights/tables";
import { chunkWeights, hashRow, scaleWeights } from "../kernels/lookup/codes";
import { gatherRows, readAhead } from "../kernels/lookup/table_rows";

/** A value hashed takes about as long as so many multiply-adds: there is an exponential in it. */
const HASH_COST: u64 = 16;

/** out, out2 ← the codes of in0 and how sure they are. */
export function hash(c: Context, s: Step): i32 {
  const grain = grainOf(c.threads, c.active, <u64>(s.n0 * s.n1) * HASH_COST);
  return shared(c, s, hashRows.index, c.active, grain) ? Status.DONE : Status.MORE;
}

function hashRows(c: Context, s: Step, _thread: u32, begin: u32, end: u32): void {
  for (let i = begin; i < end; i++) {
    const x = rowAt(c.at(s.in0), i, c.stride(s.in0));
    hashRow(x, s.n0, s.n1, s.has(Flag.ZERO_IS_ONE), rowAt(c.at(s.out), i, c.stride(s.out)));
    chunkWeights(x, s.n0, s.n1, s.n2, s.f, rowAt(c.at(s.out2), i, c.stride(s.out2)));
  }
}

/** Looks up the tables of one hash, each into its own value: as many tokens at once as there is room for rows. */
export function lookUp(c: Context, s: Step): i32 {
  const tables = s.n0 + 1;
  const r = c.requests;
  for (let t: u32 = 0; t < tables; t++) r.setTable(t, c.weight(s.behind(t).weight));
  const table = r.table(0);
  const chunks = table.chunks;
  const cost = <u64>chunks * tables * table.columns;
  while (c.cursor < c.active) {
    const tokens = min(tokensAtOnce(table, tables, c.batchCapacity), c.active - c.cursor);
    const status = findRows(c.program.weights, r, tables, rowAt(c.at(s.in0), c.cursor, c.stride(s.in0)), tokens);
    if (status != Status.DONE) return status;
    const grain = grainOf(c.threads, tokens * tables, cost / tables);
    if (!shared(c, s, gatherUnits.index, tokens * tables, grain)) return Status.MORE;
    c.work -= <i64>(cost * tokens);
    c.cursor += tokens;
    if (c.work <= 0 && c.cursor < c.active) return Status.MORE;
  }
  return Status.DONE;
}

/** Unit u: table u mod tables of token u / tables, from the cursor on. */
function gatherUnits(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const tables = s.n0 + 1;
  for (let unit = begin; unit < end; unit++) {
    const token = c.cursor + unit / tables;
    const member = s.behind(unit % tables);
    const table = c.weight(member.weight);
    const chunks = table.chunks;
    const bits = ctz(table.rowsPerChunk);
    const codes = rowAt(c.at(s.in0), token, c.stride(s.in0));
    const rows = rowOf(c.requests.rowsFound, unit, chunks);
    const scales: usize = member.weight2 == NOTHING ? 0 : c.weight(member.weight2).data;
    const bias: usize = member.bias == NOTHING ? 0 : c.weight(member.bias).data;
    let weights = rowAt(c.at(s.in1), token, c.stride(s.in1));
    readAhead(table.type, rows, table.columns, scales, bits, codes, chunks);
    if (scales != 0) {
      const scaled = c.ofThread(c.scratch, thread);
      scaleWeights(scales, bits, codes, chunks, weights, scaled);
      weights = scaled;
    }
    gatherRows(
      table.type, rows, weights, chunks, table.columns, bias, rowAt(c.at(member.out), token, c.stride(member.out)),
    );
  }
}
