/**
 * Multi-head latent attention over latent rows (DeepSeek-V2, arXiv:2405.04434, 2.1), in its two equal forms.
 *
 *     absorbed   q̃ = W_UKᵀ q.nope   score = q̃·c + q.rope·k   u = Σ p c   o = W_UV u      decode, small chunks
 *     expanded   k.nope = W_UK c, v = W_UV c for every row seen, then plain attention head by head   long chunks
 *
 * W_UK and W_UV are the rows of attn_kv_b: head h has `nope` rows of W_UK, then `valueSize` rows of W_UV. Multiply-adds
 * a layer: absorbed n(2r + ropeSize) a query and row; expanded n(nope + ropeSize + value) a query and row, and r·n(nope
 * + value) a row seen: so expanded pays for chunks of more than about 171 queries in PLM-1.8B.
 */
import { Context, Form, Visibility } from "../pass/context";
import { Status } from "../memory/core";
import { Model } from "../engine/model";
import { keepWanted, operand, operandStride, rowGrain, rowOf, seenCount, seenRows } from "./pass";
import { Job, grainOf, share } from "../pass/threads";
import { Weight } from "../weights/weight";
import { accumulateRows, matmulRows } from "../kernels/quant/matmul";
import { TOKEN_BLOCK, attendAbsorbed, attendExpanded } from "../kernels/attention/latent";
import { rmsNorm } from "../kernels/float/norm";
import { beginMass, endMass, shareTokens, tokensWithinWork } from "./attention";
import { decodeWhole, writeLatents } from "../state/cache_rows";

/** Normalises the latent part of each row of `key`, in place; the rope key is left as it is. */
export function normalizeLatent(c: Context, weight: Weight): void {
  const m = c.model;
  for (let i: u32 = 0; i < c.active; i++) {
    const latent = rowOf(c.key, i, m.rank + m.ropeSize);
    rmsNorm(latent, weight.data, m.rank, m.epsilon, latent);
  }
}

/**
 * Writes the rows and chooses the form of this layer; behind the last layer's rows, only the tokens asked for go on.
 */
export function keepLatent(c: Context): i32 {
  const m = c.model;
  writeLatents(c);
  c.expanded = chooseExpanded(c) ? 1 : 0;
  if (c.layer == m.layers - 1) keepWanted(c, c.query, m.heads * m.keySize);
  return Status.DONE;
}

/** Chunks of fewer tokens run absorbed whatever it costs: a prompt of a few words has the bits of decoding. */
const LONG_CHUNK: u32 = 64;

/**
 * Expanded needs one sequence whose rows are seen as prefixes, and no tap on the mass; unless asked for, it must pay
 * too.
 */
function chooseExpanded(c: Context): bool {
  const m = c.model;
  if (c.form == Form.ABSORBED || c.active == 0 || c.visibility != Visibility.CAUSAL || c.mass) return false;
  const sequence = c.sequence(c.token(0));
  for (let i: u32 = 1; i < c.active; i++) if (c.sequence(c.token(i)) != sequence) return false;
  const list = c.cache.list(sequence, c.layer);
  if (!list.sorted) return false;
  if (c.form == Form.EXPANDED) return true;
  if (c.active < LONG_CHUNK) return false;
  const nope = <u64>(m.keySize - m.ropeSize);
  const values = <u64>m.valueSize;
  if (2 * <u64>m.rank <= nope + values) return false;
  // A row is expanded once and seen by every query of the chunk, those of the chunk itself by half of them.
  const saved = (2 * <u64>m.rank - nope - values) * c.active * (list.count - (c.active >> 1));
  return saved > <u64>m.rank * (nope + values) * (list.count - c.active);
}

/** Absorbed: queryLatent ← W_UKᵀ · q.nope, head by head. */
export function absorbQuery(c: Context, up: Weight): i32 {
  if (c.expanded) return Status.DONE;
  const m = c.model;
  const cost = <u64>(m.keySize - m.ropeSize) * m.rank * c.active;
  while (c.cursor < m.heads) {
    const heads = headsWithinWork(c, cost);
    c.jobWeight = up;
    c.jobFrom = c.cursor;
    if (!share<HeadsAbsorbed>(c.pool, changetype<usize>(c), heads, grainOf(c.pool, heads, cost))) return Status.MORE;
    c.cursor += heads;
    if (c.work <= 0 && c.cursor < m.heads) return Status.MORE;
  }
  return Status.DONE;
}

/** Heads of absorbed queries, all tokens. */
@unmanaged
export class HeadsAbsorbed {
  @inline
  get kind(): u32 {
    return Job.ABSORB;
  }

  run(context: usize, slot: u32, begin: u32, end: u32): void {
    const c = changetype<Context>(context);
    const m = c.model;
    const up = c.jobWeight;
    const nope = m.keySize - m.ropeSize;
    const per = nope + m.valueSize;
    for (let head = c.jobFrom + begin, last = c.jobFrom + end; head < last; head++) {
      accumulateRows(
        up.type, up.data, up.columns, head * per, head * per + nope,
        c.query + ((<usize>(head * m.keySize)) << 2), (<usize>(m.heads * m.keySize)) << 2, c.active,
        c.queryLatent + ((<usize>(head * m.rank)) << 2), (<usize>(m.heads * m.rank)) << 2, c.ofSlot(c.scratch, slot),
      );
    }
  }
}

/** How many of the heads left may be done now, at `cost` multiply-adds each: at least one, charged to `work`. */
function headsWithinWork(c: Context, cost: u64): u32 {
  const left = c.model.heads - c.cursor;
  const affordable = c.work > 0 ? <u64>c.work / (cost ? cost : 1) : 0;
  const heads = <u32>max<u64>(min<u64>(affordable, left), 1);
  c.work -= <i64>(cost * heads);
  return heads;
}

/** Absorbed: attendedLatent ← Σ p c, token by token. Expanded: attended, head by head. */
export function attendLatent(c: Context, up: Weight): i32 {
  return c.expanded ? attendHeads(c, up) : attendTokens(c);
}

function attendTokens(c: Context): i32 {
  const m = c.model;
  const cost = <u64>m.heads * (2 * m.rank + m.ropeSize);
  while (c.cursor < c.active) {
    const tokens = tokensWithinWork(c, cost);
    if (!shareTokens<LatentTokensAttended>(c, tokens, m.heads, cost)) return Status.MORE;
    c.cursor += tokens;
    if (c.work <= 0 && c.cursor < c.active) return Status.MORE;
  }
  return Status.DONE;
}

/** Tokens, or where they are few parts of their heads: unit u is part u mod `jobParts` of token u / `jobParts`. */
@unmanaged
export class LatentTokensAttended {
  @inline
  get kind(): u32 {
    return Job.ATTEND_LATENT;
  }

  run(context: usize, slot: u32, begin: u32, end: u32): void {
    const c = changetype<Context>(context);
    const m = c.model;
    const cache = c.cache;
    const parts = c.jobParts;
    const queryRope = c.ofSlot(c.queryRope, slot);
    for (let unit = begin; unit < end; unit++) {
      const i = c.jobFrom + unit / parts;
      const part = unit % parts;
      const head = (m.heads * part) / parts;
      const heads = (m.heads * (part + 1)) / parts - head;
      const latentAt = (<usize>(head * m.rank)) << 2;
      const count = seenCount(c, i, slot);
      gatherRope(c, m, i, queryRope);
      attendAbsorbed(
        rowOf(c.queryLatent, i, m.heads * m.rank) + latentAt, queryRope + ((<usize>(head * m.ropeSize)) << 2),
        seenRows(c, i, slot), count, cache.pool(c.layer), cache.rowBytes, c.kvType, heads, m.rank, m.ropeSize,
        m.attentionScale, c.ofSlot(c.scratch, slot), rowOf(c.attendedLatent, i, m.heads * m.rank) + latentAt,
        beginMass(c, count),
      );
      endMass(c, i, count);
    }
  }
}

/** target ← the rope parts of a token's query, head after head. */
function gatherRope(c: Context, m: Model, i: u32, target: usize): void {
  const query = rowOf(c.query, i, m.heads * m.keySize);
  const bytes = (<usize>m.ropeSize) << 2;
  for (let head: u32 = 0; head < m.heads; head++) {
    const rope = query + ((<usize>(head * m.keySize + m.keySize - m.ropeSize)) << 2);
    memory.copy(target + <usize>head * bytes, rope, bytes);
  }
}

/** Absorbed: attended ← W_UV · attendedLatent, head by head. */
export function expandValues(c: Context, up: Weight): i32 {
  if (c.expanded) return Status.DONE;
  const m = c.model;
  const cost = <u64>m.valueSize * m.rank * c.active;
  if (c.cursor == 0) c.quantizedOf = 0;
  const x = operand(c, up, c.attendedLatent, c.active * m.heads);
  if (x == 0) return Status.MORE;
  while (c.cursor < m.heads) {
    const heads = headsWithinWork(c, cost);
    c.jobWeight = up;
    c.jobOperand = x;
    c.jobFrom = c.cursor;
    if (!share<HeadsOfValues>(c.pool, changetype<usize>(c), heads, grainOf(c.pool, heads, cost))) return Status.MORE;
    c.cursor += heads;
    if (c.work <= 0 && c.cursor < m.heads) return Status.MORE;
  }
  c.quantizedOf = 0;
  return Status.DONE;
}

/** Heads of values, all tokens. */
@unmanaged
export class HeadsOfValues {
  @inline
  get kind(): u32 {
    return Job.EXPAND;
  }

  run(context: usize, slot: u32, begin: u32, end: u32): void {
    const c = changetype<Context>(context);
    const m = c.model;
    const up = c.jobWeight;
    const nope = m.keySize - m.ropeSize;
    const per = nope + m.valueSize;
    const stride = operandStride(up);
    for (let head = c.jobFrom + begin, last = c.jobFrom + end; head < last; head++) {
      matmulRows(
        up.product, up.data, up.rows, up.columns, head * per + nope, head * per + per,
        c.jobOperand + <usize>head * stride, <usize>m.heads * stride, c.active,
        c.attended + ((<usize>(head * m.valueSize)) << 2), (<usize>(m.heads * m.valueSize)) << 2,
        c.ofSlot(c.scratch, slot),
      );
    }
  }
}

/** Expanded: keys and values of every row seen are made for one head at a time, and all queries of the chunk attend. */
function attendHeads(c: Context, up: Weight): i32 {
  const m = c.model;
  const per = m.keySize - m.ropeSize + m.valueSize;
  if (c.active == 0) return Status.DONE;
  const list = c.cache.list(c.sequence(c.token(0)), c.layer);
  const seen = list.count;
  if (c.cursor == 0) {
    unpackLatents(c, m, list.rows, seen);
    for (let i: u32 = 0; i < c.active; i++) store<u32>(c.counts + ((<usize>i) << 2), seenCount(c, i, 0));
  }
  const x = operand(c, up, c.latents, seen);
  if (x == 0) return Status.MORE;
  const expanding = <u64>seen * m.rank;
  const attending = <u64>seen * (m.keySize + m.valueSize);
  while (c.cursor < m.heads) {
    c.jobWeight = up;
    c.jobOperand = x;
    c.jobFrom = c.cursor;
    if (!share<RowsExpanded>(c.pool, changetype<usize>(c), per, rowGrain(c, per, expanding))) return Status.MORE;
    // Whole blocks of tokens: those of a block share a pass over the rows.
    const block = (grainOf(c.pool, c.active, attending) + (TOKEN_BLOCK - 1)) & ~(TOKEN_BLOCK - 1);
    if (!share<HeadAttended>(c.pool, changetype<usize>(c), c.active, block)) return Status.MORE;
    c.work -= <i64>(per * expanding + c.active * attending);
    c.cursor += 1;
    if (c.work <= 0 && c.cursor < m.heads) return Status.MORE;
  }
  c.quantizedOf = 0;
  return Status.DONE;
}

/** Expanded: dims of one head's keys and values, every row seen. */
@unmanaged
export class RowsExpanded {
  @inline
  get kind(): u32 {
    return Job.EXPAND_HEAD;
  }

  run(context: usize, slot: u32, begin: u32, end: u32): void {
    const c = changetype<Context>(context);
    const m = c.model;
    const up = c.jobWeight;
    const per = m.keySize - m.ropeSize + m.valueSize;
    const seen = c.cache.list(c.sequence(c.token(0)), c.layer).count;
    const first = c.jobFrom * per;
    matmulRows(
      up.product, up.data, up.rows, up.columns, first + begin, first + end, c.jobOperand, operandStride(up), seen,
      c.expandedHead + ((<usize>begin) << 2), (<usize>per) << 2, c.ofSlot(c.scratch, slot),
    );
  }
}

/** Expanded: tokens of the chunk, one head. */
@unmanaged
export class HeadAttended {
  @inline
  get kind(): u32 {
    return Job.ATTEND_HEAD;
  }

  run(context: usize, slot: u32, begin: u32, end: u32): void {
    const c = changetype<Context>(context);
    const m = c.model;
    const nope = m.keySize - m.ropeSize;
    const per = nope + m.valueSize;
    const head = c.jobFrom;
    attendExpanded(
      rowOf(c.query, begin, m.heads * m.keySize) + ((<usize>(head * m.keySize)) << 2), m.heads * m.keySize, end - begin,
      c.counts + ((<usize>begin) << 2), c.expandedHead, per, c.expandedHead + ((<usize>nope) << 2), per, c.ropeKeys,
      nope, m.ropeSize, m.valueSize, m.attentionScale, c.ofSlot(c.scratch, slot),
      rowOf(c.attended, begin, m.heads * m.valueSize) + ((<usize>(head * m.valueSize)) << 2), m.heads * m.valueSize,
    );
  }
}

/** latents and ropeKeys ← the rows of the list, in f32. */
function unpackLatents(c: Context, m: Model, rows: usize, seen: u32): void {
  const cache = c.cache;
  for (let i: u32 = 0; i < seen; i++) {
    decodeWhole(m, c.kvType, cache.row(c.layer, load<u32>(rows + ((<usize>i) << 2))), c.row);
    memory.copy(rowOf(c.latents, i, m.rank), c.row, (<usize>m.rank) << 2);
    memory.copy(rowOf(c.ropeKeys, i, m.ropeSize), c.row + ((<usize>m.rank) << 2), (<usize>m.ropeSize) << 2);
  }
  c.quantizedOf = 0;
}
