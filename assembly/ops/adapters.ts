/**
 * What adapters add to products and to rows of the embedding, behind everything else that makes them: for each run of
 * tokens whose sequences have equal sets, adapter by adapter in the order of the set. An output is summed by itself, so
 * that its bits do not depend on other tokens and their sets.
 *
 *     out[t] += B (f · A x[t])        f = weight · α / r
 */
import { u32At } from "../memory/bytes";
import { Context, rowAt } from "../pass/context";
import { operandBytes } from "../program/plan";
import { Flag, Step } from "../program/program";
import {
  INNER_FLOATS, PAIR_TOKENS, PRODUCT_FLOATS, Pair, READ_TOKENS, SET_BYTES, SetMember, floatsEnd,
} from "../weights/low_rank";
import { Weight } from "../weights/weight";
import { add, scale } from "../kernels/float/vector";
import { dequantizeAs } from "../kernels/quant/activations/read_back";
import { lookupRow, matmulRows } from "../kernels/quant/matmul";

/** Adds what the adapters of a product's tokens say. */
export function addLowRank(c: Context, s: Step): void {
  const index = c.weightIndex(s.weight);
  for (let i: u32 = 0; i < c.active; ) {
    const end = endOfRun(c, i);
    const set = c.adapterSet(c.sequence(c.token(i)));
    for (let m: u32 = 0; m < set.count; m++) {
      const member = set.member(m);
      const pair = member.adapter.pair(index);
      if (isUsed(member, c.position(c.token(i))) && changetype<usize>(pair.a) != 0) {
        addPair(c, s, pair, factor(member, pair), i, end);
      }
    }
    i = end;
  }
}

/** Adds to the rows of the embedding what the adapters have of the batch's tokens. */
export function addRows(c: Context, s: Step): void {
  const index = c.weightIndex(s.weight);
  for (let i: u32 = 0; i < c.active; i++) {
    const token = c.token(i);
    const set = c.adapterSet(c.sequence(token));
    for (let m: u32 = 0; m < set.count; m++) {
      const member = set.member(m);
      const pair = member.adapter.rows;
      if (!isUsed(member, c.position(token))) continue;
      if (changetype<usize>(pair.a) == 0 || member.adapter.rowsOf != index) continue;
      const rank = pair.b.columns;
      lookupRow(pair.a.type, pair.a.data, u32At(c.ids, token), rank, innerOf(c), kernelScratch(c));
      scale(innerOf(c), factor(member, pair), rank);
      addProduct(c, pair.b, 1, rowAt(c.at(s.out), i, c.stride(s.out)), c.stride(s.out));
    }
  }
}

@inline
function isUsed(member: SetMember, position: i32): bool {
  return position >= member.from;
}

@inline
function factor(member: SetMember, pair: Pair): f32 {
  return member.weight * member.adapter.scale(pair.b.columns);
}

/** The token behind those from `first` on that use the same adapters alike. */
function endOfRun(c: Context, first: u32): u32 {
  let end = first + 1;
  while (end < c.active && areAlike(c, c.token(first), c.token(end))) end += 1;
  return end;
}

function areAlike(c: Context, one: u32, other: u32): bool {
  const x = c.adapterSet(c.sequence(one));
  const y = c.adapterSet(c.sequence(other));
  if (x.count != y.count) return false;
  for (let m: u32 = 0; m < x.count; m++) {
    const p = x.member(m);
    const q = y.member(m);
    if (p.adapter != q.adapter || p.weight != q.weight) return false;
    if (isUsed(p, c.position(one)) != isUsed(q, c.position(other))) return false;
  }
  return true;
}

// What the pairs compute in, behind the sets.

@inline
function innerOf(c: Context): usize {
  return c.adapterSets + <usize>(c.sequences + 1) * SET_BYTES;
}

@inline
function productOf(c: Context): usize {
  return innerOf(c) + ((<usize>INNER_FLOATS) << 2);
}

@inline
function kernelScratch(c: Context): usize {
  return productOf(c) + ((<usize>PRODUCT_FLOATS) << 2);
}

/** Rows of tokens `first` … `end` − 1 get what a pair adds to them. */
function addPair(c: Context, s: Step, pair: Pair, f: f32, first: u32, end: u32): void {
  const rank = pair.b.columns;
  const most = min(PAIR_TOKENS, INNER_FLOATS / rank);
  c.work -= <i64>(<u64>rank * (pair.a.columns + pair.b.rows) * (end - first));
  for (let i = first; i < end; i += most) {
    const tokens = min(most, end - i);
    multiplyInputs(c, s, pair.a, i, tokens);
    scale(innerOf(c), f, tokens * rank);
    addProduct(c, pair.b, tokens, rowAt(c.at(s.out), i, c.stride(s.out)), c.stride(s.out));
  }
}

/** U ← A x for tokens from `first` on: rows of floats as they are, those of an operand are read back. */
function multiplyInputs(c: Context, s: Step, a: Weight, first: u32, tokens: u32): void {
  const weight = c.weight(s.weight);
  const isOperand = s.has(Flag.OPERAND);
  if (weight.isFloat || !isOperand) {
    const stride = isOperand ? <usize>operandBytes(weight) : c.stride(s.in0);
    return multiplyRows(c, a, rowAt(c.at(s.in0), first, stride), stride, tokens, innerOf(c));
  }
  const rows = innerOf(c) + floatsEnd();
  const bytes = (<usize>weight.columns) << 2;
  const operand = <usize>operandBytes(weight);
  for (let t: u32 = 0; t < tokens; t += READ_TOKENS) {
    const count = min(READ_TOKENS, tokens - t);
    for (let i: u32 = 0; i < count; i++) {
      const source = c.at(s.in0) + <usize>(first + t + i) * operand;
      dequantizeAs(weight.precision, source, weight.columns, rows + <usize>i * bytes);
    }
    multiplyRows(c, a, rows, bytes, count, innerOf(c) + ((<usize>t * a.rows) << 2));
  }
}

function multiplyRows(c: Context, a: Weight, x: usize, stride: usize, tokens: u32, target: usize): void {
  matmulRows(
    a.type, a.data, a.rows, a.columns, 0, a.rows, x, stride, tokens, target, (<usize>a.rows) << 2, kernelScratch(c),
  );
}

/** out += B U, as many rows of B at once as there is room for. */
function addProduct(c: Context, b: Weight, tokens: u32, out: usize, stride: usize): void {
  const most = (PRODUCT_FLOATS / tokens) & ~7;
  const product = productOf(c);
  for (let row: u32 = 0; row < b.rows; row += most) {
    const rows = min(most, b.rows - row);
    const bytes = (<usize>rows) << 2;
    matmulRows(
      b.type, b.data, b.rows, b.columns, row, row + rows, innerOf(c), (<usize>b.columns) << 2, tokens, product, bytes,
      kernelScratch(c),
    );
    for (let t: u32 = 0; t < tokens; t++) {
      add(rowAt(out, t, stride) + ((<usize>row) << 2), product + <usize>t * bytes, rows);
    }
  }
}
