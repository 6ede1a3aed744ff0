/**
 * Multi-head latent attention over latent rows (DeepSeek-V2, arXiv:2405.04434, 2.1), in its two equal forms.
 *
 *     absorbed   q̃ = W_UKᵀ q.nope   score = q̃·c + q.rope·k   u = Σ p c   o = W_UV u      decode, small chunks
 *     expanded   k.nope = W_UK c, v = W_UV c for every row seen, then plain attention head by head   long chunks
 *
 * W_UK and W_UV are the rows of the step's weight: head h has `nope` rows of W_UK, then `value` rows of W_UV. Or they
 * are slabs of two weights, a slab a head: W_UV's rows are values, W_UKᵀ's are those of a latent, so that absorbing is
 * a product of rows, and expanding one of columns. Which form runs is chosen as the layer's rows are written
 * (latent_form.ts). The step's scratch is as large as the larger wants:
 *
 *     absorbed   ┌ q̃ [tokens, heads · rank] │ u [tokens, heads · rank] │ operand: q.nope, then u, quantised ┐
 *     expanded   ┌ counts u32[tokens] │ latents [rows, rank] │ rope keys [rows, rope] │ one head's keys and values
 *                  [rows, nope + value] │ operand: latents, quantised ┐
 */
import { rowGrain, shared, unitsWithinWork } from "./share";
import { beginMass, endMass, shareTokens, tokensWithinWork } from "./attention";
import { Status } from "../memory/core";
import { setU32, u32At } from "../memory/bytes";
import { Context, rowAt, rowOf } from "../pass/context";
import { grainOf } from "../pass/threads";
import { listOf, seenCount, seenRows } from "../pass/visible";
import { NOTHING, Program, Step } from "../program/program";
import { lines, operandBytes } from "../program/plan";
import { StateShape } from "../state/shape";
import { decodeLatent } from "../state/latent";
import { Weight } from "../weights/weight";
import {
  TOKEN_BLOCK, absorbedScratchBytes, attendAbsorbed, attendExpanded, expandedScratchBytes,
} from "../kernels/attention/latent";
import { quantizeAs } from "../kernels/quant/activations/precision";
import { packedGroupBytes } from "../kernels/quant/index";
import { accumulateRows, accumulateScratchBytes, matmulRows } from "../kernels/quant/matmul";
import { Type } from "../kernels/quant/types";

/** Parts of the absorbed form. */
namespace Part {
  export const ABSORB: u32 = 0;
  export const ATTEND: u32 = 1;
  export const VALUES: u32 = 2;
}

export function attendLatents(c: Context, s: Step): i32 {
  if (c.expanded) return attendByHead(c, s);
  if (c.part == Part.ABSORB) {
    if (absorbQueries(c, s) != Status.DONE) return Status.MORE;
    nextPart(c);
  }
  if (c.part == Part.ATTEND) {
    if (attendByToken(c, s) != Status.DONE) return Status.MORE;
    nextPart(c);
  }
  return makeValues(c, s);
}

function nextPart(c: Context): void {
  c.part += 1;
  c.cursor = 0;
  c.operandReady = 0;
}

/** Whether W_UKᵀ and W_UV are weights of their own. */
@inline
function isSplit(s: Step): bool {
  return s.weight2 != NOTHING;
}

/** Where the slab of a head lies; a weight that is no slabs is one. */
function slabOf(weight: Weight, head: u32): usize {
  if (weight.slabs == 1) return weight.data;
  return weight.data + <usize>packedGroupBytes(weight.type, weight.columns) * weight.slabGroups * head;
}

/** The first row of W_UV in the slab of a head. */
function firstValue(s: Step, head: u32): u32 {
  return isSplit(s) ? 0 : head * (s.n1 + s.n2) + s.n1;
}

/** Bytes that the step needs for itself. */
export function latentScratch(p: Program, layer: u32, s: Step, rows: u32, batch: u32): u64 {
  const shape = p.state(p.layer(layer).state);
  const up = p.weight(layer, s.weight);
  const operand = up.isFloat ? 0 : operandBytes(up);
  const most = isSplit(s) ? max(operand, absorbedOperandBytes(p.weight(layer, s.weight2))) : operand;
  const absorbed = 2 * lines(<u64>batch * s.n0 * shape.first * 4) + <u64>batch * s.n0 * most;
  const expanded =
    lines(<u64>batch * 4) +
    lines(<u64>rows * shape.first * 4) +
    lines(<u64>rows * shape.second * 4) +
    lines(<u64>rows * (s.n1 + s.n2) * 4) +
    <u64>rows * operand;
  return max(absorbed, expanded);
}

/** Bytes that its kernels ask for. */
export function latentKernelScratch(p: Program, layer: u32, s: Step, rows: u32): u64 {
  const shape = p.state(p.layer(layer).state);
  const rope = shape.second;
  // One token's rope parts lie in front of the scratch: [heads, rope].
  const absorbed = lines(<u64>s.n0 * rope * 4) + absorbedScratchBytes(s.n0, rows, shape.first, rope);
  const expanded = expandedScratchBytes(rows, s.n1, rope, s.n2);
  // Absorbed queries multiply by the transposed matrix, or expanded keys; of all types F32 wants the most for it.
  const columns = isSplit(s) ? s.n1 : shape.first;
  return max(max(absorbed, expanded), <u64>accumulateScratchBytes(Type.F32, columns));
}

function absorbedOperandBytes(keys: Weight): u64 {
  return keys.isFloat ? 0 : operandBytes(keys);
}

/** Heads within the slice of work: at least one. */
function headsWithinWork(c: Context, s: Step, cost: u64): u32 {
  return unitsWithinWork(c, s.n0, cost, 1);
}

// Absorbed.

function queryLatent(c: Context): usize {
  return c.stepScratch;
}

function attendedLatent(c: Context, s: Step, rank: u32): usize {
  return c.stepScratch + <usize>lines(<u64>c.batchCapacity * s.n0 * rank * 4);
}

function valueOperand(c: Context, s: Step, rank: u32): usize {
  return c.stepScratch + 2 * <usize>lines(<u64>c.batchCapacity * s.n0 * rank * 4);
}

/** q̃ ← W_UKᵀ · q.nope, head by head. */
function absorbQueries(c: Context, s: Step): i32 {
  const cost = <u64>s.n1 * c.state.shape.first * c.active;
  if (isSplit(s) && !makeOperand(c, s, c.weight(s.weight2), c.active * s.n0, quantizeQueries.index)) return Status.MORE;
  while (c.cursor < s.n0) {
    const heads = headsWithinWork(c, s, cost);
    const job = isSplit(s) ? absorbSplitHeads.index : absorbHeads.index;
    if (!shared(c, s, job, heads, grainOf(c.threads, heads, cost))) return Status.MORE;
    c.cursor += heads;
    if (c.work <= 0 && c.cursor < s.n0) return Status.MORE;
  }
  return Status.DONE;
}

/** Heads of absorbed queries from the cursor on, all tokens. */
function absorbHeads(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const up = c.weight(s.weight);
  const rank = up.columns;
  const per = s.n1 + s.n2;
  const keySize = c.program.value(s.in0).width / s.n0;
  for (let head = c.cursor + begin, last = c.cursor + end; head < last; head++) {
    accumulateRows(
      up.type, up.data, rank, head * per, head * per + s.n1, c.at(s.in0) + ((<usize>(head * keySize)) << 2),
      c.stride(s.in0), c.active, queryLatent(c) + ((<usize>(head * rank)) << 2), (<usize>(s.n0 * rank)) << 2,
      c.ofThread(c.scratch, thread),
    );
  }
}

/** The same where each head has a slab of W_UKᵀ: products with its rows. */
function absorbSplitHeads(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const keys = c.weight(s.weight2);
  const rank = c.state.shape.first;
  const bytes = <usize>operandBytes(keys);
  for (let head = c.cursor + begin, last = c.cursor + end; head < last; head++) {
    matmulRows(
      keys.kernelKey, slabOf(keys, head), rank, s.n1, 0, rank,
      keys.isFloat ? queryOf(c, s, head) : valueOperand(c, s, rank) + <usize>head * bytes,
      keys.isFloat ? c.stride(s.in0) : <usize>s.n0 * bytes, c.active, queryLatent(c) + ((<usize>(head * rank)) << 2),
      (<usize>(s.n0 * rank)) << 2, c.ofThread(c.scratch, thread),
    );
  }
}

/** The first token's query of a head. */
function queryOf(c: Context, s: Step, head: u32): usize {
  return c.at(s.in0) + ((<usize>(head * (c.program.value(s.in0).width / s.n0))) << 2);
}

/** Quantises what does not turn of queries, head by head: unit u is head u mod heads of token u / heads. */
function quantizeQueries(c: Context, s: Step, _thread: u32, begin: u32, end: u32): void {
  const keys = c.weight(s.weight2);
  const bytes = <usize>operandBytes(keys);
  const target = valueOperand(c, s, c.state.shape.first);
  for (let i = begin; i < end; i++) {
    const token = i / s.n0;
    const x = rowAt(queryOf(c, s, i - token * s.n0), token, c.stride(s.in0));
    quantizeAs(keys.precision, x, s.n1, target + <usize>i * bytes);
  }
}

/** u ← Σ p c, token by token. */
function attendByToken(c: Context, s: Step): i32 {
  const shape = c.state.shape;
  const cost = <u64>s.n0 * (2 * shape.first + shape.second);
  while (c.cursor < c.active) {
    const tokens = tokensWithinWork(c, cost);
    if (!shareTokens(c, s, attendTokens.index, tokens, s.n0, cost)) return Status.MORE;
    c.cursor += tokens;
    if (c.work <= 0 && c.cursor < c.active) return Status.MORE;
  }
  return Status.DONE;
}

/** Tokens, or where they are few parts of their heads: unit u is part u mod `headParts` of token u / `headParts`. */
function attendTokens(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const rows = c.state;
  const rank = rows.shape.first;
  const rope = rows.shape.second;
  const parts = c.headParts;
  const queryRope = c.ofThread(c.scratch, thread);
  const scratch = queryRope + <usize>lines(<u64>s.n0 * rope * 4);
  for (let unit = begin; unit < end; unit++) {
    const i = c.cursor + unit / parts;
    const part = unit % parts;
    const head = (s.n0 * part) / parts;
    const heads = (s.n0 * (part + 1)) / parts - head;
    const latentAt = (<usize>(head * rank)) << 2;
    const count = seenCount(c, i, thread);
    gatherRope(c, s, i, rope, queryRope);
    attendAbsorbed(
      rowOf(queryLatent(c), i, s.n0 * rank) + latentAt, queryRope + ((<usize>(head * rope)) << 2),
      seenRows(c, i, thread), count, rows.pool, rows.rowBytes, c.kvType, heads, rank, rope, s.f, scratch,
      rowOf(attendedLatent(c, s, rank), i, s.n0 * rank) + latentAt, beginMass(c, count),
    );
    endMass(c, i, count, s.n0, scratch);
  }
}

/** target ← the rope parts of a token's query, head after head. */
function gatherRope(c: Context, s: Step, i: u32, rope: u32, target: usize): void {
  const query = rowAt(c.at(s.in0), i, c.stride(s.in0)) + ((<usize>s.n1) << 2);
  const head = (<usize>(s.n1 + rope)) << 2;
  const bytes = (<usize>rope) << 2;
  for (let h: u32 = 0; h < s.n0; h++) memory.copy(target + <usize>h * bytes, query + <usize>h * head, bytes);
}

/** out ← W_UV · u, head by head. */
function makeValues(c: Context, s: Step): i32 {
  const up = c.weight(s.weight);
  const cost = <u64>s.n2 * up.columns * c.active;
  if (!makeOperand(c, s, up, c.active * s.n0, quantizeLatents.index)) return Status.MORE;
  while (c.cursor < s.n0) {
    const heads = headsWithinWork(c, s, cost);
    if (!shared(c, s, valueHeads.index, heads, grainOf(c.threads, heads, cost))) return Status.MORE;
    c.cursor += heads;
    if (c.work <= 0 && c.cursor < s.n0) return Status.MORE;
  }
  return Status.DONE;
}

/** Heads of values from the cursor on, all tokens. */
function valueHeads(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const up = c.weight(s.weight);
  const stride = <usize>operandBytes(up);
  const operand = up.isFloat ? attendedLatent(c, s, up.columns) : valueOperand(c, s, up.columns);
  for (let head = c.cursor + begin, last = c.cursor + end; head < last; head++) {
    const first = firstValue(s, head);
    matmulRows(
      up.kernelKey, slabOf(up, head), up.slabRows, up.columns, first, first + s.n2, operand + <usize>head * stride,
      <usize>s.n0 * stride, c.active, c.at(s.out) + ((<usize>(head * s.n2)) << 2), c.stride(s.out),
      c.ofThread(c.scratch, thread),
    );
  }
}

/** Quantises `rows` rows for a matrix by a job, once a part of the step. False: a thread is late. */
function makeOperand(c: Context, s: Step, up: Weight, rows: u32, job: u32): bool {
  if (up.isFloat || c.operandReady) return true;
  // A value takes about as long as four multiply-adds.
  const grain = grainOf(c.threads, rows, (<u64>up.columns) << 2);
  if (!shared(c, s, job, rows, grain)) return false;
  c.operandReady = 1;
  return true;
}

function quantizeLatents(c: Context, s: Step, _thread: u32, begin: u32, end: u32): void {
  const up = c.weight(s.weight);
  const rank = up.columns;
  const bytes = <usize>operandBytes(up);
  const source = c.expanded ? latents(c) : attendedLatent(c, s, rank);
  const target = c.expanded ? latentOperand(c, s) : valueOperand(c, s, rank);
  for (let i = begin; i < end; i++) {
    quantizeAs(up.precision, rowOf(source, i, rank), rank, target + <usize>i * bytes);
  }
}

// Expanded.

function counts(c: Context): usize {
  return c.stepScratch;
}

function latents(c: Context): usize {
  return c.stepScratch + <usize>lines(<u64>c.batchCapacity * 4);
}

function ropeKeys(c: Context, shape: StateShape): usize {
  return latents(c) + <usize>lines(<u64>c.rowCapacity * shape.first * 4);
}

function expandedHead(c: Context, shape: StateShape): usize {
  return ropeKeys(c, shape) + <usize>lines(<u64>c.rowCapacity * shape.second * 4);
}

function latentOperand(c: Context, s: Step): usize {
  return expandedHead(c, c.state.shape) + <usize>lines(<u64>c.rowCapacity * (s.n1 + s.n2) * 4);
}

/** Keys and values of every row seen are made for one head at a time, and all queries of the chunk attend. */
function attendByHead(c: Context, s: Step): i32 {
  if (c.active == 0) return Status.DONE;
  const shape = c.state.shape;
  const made = isSplit(s) ? s.n2 : s.n1 + s.n2;
  const seen = listOf(c, 0).count;
  if (c.cursor == 0 && !c.operandReady) {
    unpackLatents(c);
    for (let i: u32 = 0; i < c.active; i++) setU32(counts(c), i, seenCount(c, i, 0));
  }
  const up = c.weight(s.weight);
  if (!makeOperand(c, s, up, seen, quantizeLatents.index)) return Status.MORE;
  const expanding = <u64>seen * shape.first;
  const attending = <u64>seen * (s.n1 + shape.second + s.n2);
  while (c.cursor < s.n0) {
    if (!shared(c, s, expandRows.index, made, rowGrain(c, made, expanding))) return Status.MORE;
    if (isSplit(s)) {
      const keyGrain = grainOf(c.threads, seen, <u64>shape.first * s.n1);
      if (!shared(c, s, expandKeys.index, seen, keyGrain)) return Status.MORE;
    }
    // Whole blocks of tokens: those of a block share a pass over the rows.
    const block = (grainOf(c.threads, c.active, attending) + (TOKEN_BLOCK - 1)) & ~(TOKEN_BLOCK - 1);
    if (!shared(c, s, attendHead.index, c.active, block)) return Status.MORE;
    c.work -= <i64>((s.n1 + s.n2) * expanding + c.active * attending);
    c.cursor += 1;
    if (c.work <= 0 && c.cursor < s.n0) return Status.MORE;
  }
  return Status.DONE;
}

/** Dimensions of one head's keys and values, or of its values alone, every row seen. */
function expandRows(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const up = c.weight(s.weight);
  const per = s.n1 + s.n2;
  const first = isSplit(s) ? 0 : c.cursor * per;
  const target = expandedHead(c, c.state.shape) + ((<usize>(isSplit(s) ? s.n1 + begin : begin)) << 2);
  matmulRows(
    up.kernelKey, slabOf(up, c.cursor), up.slabRows, up.columns, first + begin, first + end,
    up.isFloat ? latents(c) : latentOperand(c, s), <usize>operandBytes(up), listOf(c, 0).count, target,
    (<usize>per) << 2, c.ofThread(c.scratch, thread),
  );
}

/** One head's keys of rows seen, of a slab of W_UKᵀ. */
function expandKeys(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const keys = c.weight(s.weight2);
  const rank = c.state.shape.first;
  const per = s.n1 + s.n2;
  accumulateRows(
    keys.type, slabOf(keys, c.cursor), s.n1, 0, rank, rowOf(latents(c), begin, rank), (<usize>rank) << 2, end - begin,
    rowOf(expandedHead(c, c.state.shape), begin, per), (<usize>per) << 2, c.ofThread(c.scratch, thread),
  );
}

/** Tokens of the chunk, one head. */
function attendHead(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const shape = c.state.shape;
  const nope = s.n1;
  const per = nope + s.n2;
  const keySize = nope + shape.second;
  const keys = expandedHead(c, shape);
  attendExpanded(
    rowAt(c.at(s.in0), begin, c.stride(s.in0)) + ((<usize>(c.cursor * keySize)) << 2), <u32>(c.stride(s.in0) >> 2),
    end - begin, counts(c) + ((<usize>begin) << 2), keys, per, keys + ((<usize>nope) << 2), per, ropeKeys(c, shape),
    nope, shape.second, s.n2, s.f, c.ofThread(c.scratch, thread),
    rowAt(c.at(s.out), begin, c.stride(s.out)) + ((<usize>(c.cursor * s.n2)) << 2), <u32>(c.stride(s.out) >> 2),
  );
}

/** latents and rope keys ← the rows of the list, in f32. */
function unpackLatents(c: Context): void {
  const rows = c.state;
  const shape = rows.shape;
  const list = listOf(c, 0);
  for (let i: u32 = 0; i < list.count; i++) {
    decodeLatent(
      shape, c.kvType, rows.row(u32At(list.rows, i)), rowOf(latents(c), i, shape.first),
      rowOf(ropeKeys(c, shape), i, shape.second),
    );
  }
}
