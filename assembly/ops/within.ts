/**
 * Attention of a text's tokens to each other in the pass that holds them all, and what is added to their scores by
 * distance.
 */
import { shared } from "./share";
import { Status } from "../memory/core";
import { Context, Visibility, rowAt, rowOf } from "../pass/context";
import { textBegin, textEnd } from "../pass/texts";
import { grainOf } from "../pass/threads";
import { NOTHING, Program, Step } from "../program/program";
import { WITHIN_QUERIES, attendWithinText, withinScratchBytes } from "../kernels/attention/within";
import { log, pow } from "../kernels/float/math";

/** Elements of a head's key. */
@inline
function keySizeOf(p: Program, s: Step): u32 {
  return p.value(s.in0).width / s.n0;
}

export function withinScratch(p: Program, s: Step, batch: u32): u64 {
  return withinScratchBytes(batch, keySizeOf(p, s));
}

/** out ← softmax(in0 · keysᵀ · f + in2) · values over the tokens of the same text. */
export function attendWithin(c: Context, s: Step): i32 {
  const p = c.program;
  const cost = <u64>s.n0 * (keySizeOf(p, s) + p.value(s.out).width / s.n0);
  while (c.cursor < c.active) {
    let tokens: u32 = 0;
    let rows: u64 = 0;
    do {
      const begin = textBegin(c, c.cursor + tokens);
      const end = textEnd(c, c.cursor + tokens);
      // A text is cut where its blocks of queries end.
      const more = min(end - c.cursor - tokens, WITHIN_QUERIES - ((c.cursor + tokens - begin) % WITHIN_QUERIES));
      tokens += more;
      rows += <u64>more * seenRows(s, end - begin);
      c.work -= <i64>(cost * more * seenRows(s, end - begin));
    } while (c.work > 0 && c.cursor + tokens < c.active);
    const grain = grainOf(c.threads, tokens, (cost * rows) / tokens);
    if (!shared(c, s, attendTexts.index, tokens, (grain + (WITHIN_QUERIES - 1)) & ~(WITHIN_QUERIES - 1))) {
      return Status.MORE;
    }
    c.cursor += tokens;
    if (c.work <= 0 && c.cursor < c.active) return Status.MORE;
  }
  return Status.DONE;
}

/** Rows that a token reads of a text of `length` tokens. */
@inline
function seenRows(s: Step, length: u32): u32 {
  return s.n2 == 0 ? length : min(length, 2 * s.n2 + WITHIN_QUERIES);
}

/**
 * Queries go block by block of their text, whoever computes which of them: what a block reads, and so the order of
 * sums, is a matter of the text alone.
 */
function attendTexts(c: Context, s: Step, thread: u32, begin: u32, end: u32): void {
  const p = c.program;
  const keySize = keySizeOf(p, s);
  const valueSize = p.value(s.out).width / s.n0;
  const masked = c.visibility == Visibility.MASK;
  const maskBytes = (c.batchCapacity + 7) >> 3;
  const biasStride = s.in2 == NOTHING ? 0 : p.value(s.in2).width;
  const last = c.cursor + end;
  for (let i = c.cursor + begin; i < last; ) {
    const first = textBegin(c, i);
    const textEnds = textEnd(c, i);
    const block = i - ((i - first) % WITHIN_QUERIES);
    const blockEnd = min(block + WITHIN_QUERIES, textEnds);
    const until = min(blockEnd, last);
    let from = first;
    let to = textEnds;
    if (s.n2) {
      from = <u32>max(<i32>first, <i32>block - <i32>s.n2);
      to = min(textEnds, blockEnd + s.n2);
    }
    const reach = (biasStride + 1) >> 1;
    const bias: usize =
      biasStride == 0 ? 0 : rowOf(c.at(s.in2), 0, biasStride) + ((<usize>(from + reach - 1 - i)) << 2);
    attendWithinText(
      rowAt(c.at(s.in0), i, c.stride(s.in0)), <u32>(c.stride(s.in0) >> 2), until - i, <i32>i - <i32>from,
      rowAt(c.at(s.in1), from, c.stride(s.in1)), <u32>(c.stride(s.in1) >> 2), to - from, s.n0, s.n1, keySize, valueSize,
      s.f, s.n2, masked ? c.mask + <usize>(i * maskBytes) : 0, from, maskBytes, bias, biasStride,
      c.ofThread(c.scratch, thread), rowAt(c.at(s.out), i, c.stride(s.out)), <u32>(c.stride(s.out) >> 2),
    );
    i = until;
  }
}

/** out [heads, 2 · reach − 1] ← −slope · distance, or the number of the distance's bucket. */
export function biasByDistance(c: Context, s: Step): i32 {
  const value = c.program.value(s.out);
  const reach = <i32>((value.width + 1) >> 1);
  const weight: usize = s.weight == NOTHING ? 0 : c.weight(s.weight).data;
  for (let head: u32 = 0; head < value.count; head++) {
    const slope: f32 = weight ? 0 : slopeOf(head, value.count, s.f);
    const row = rowOf(c.at(s.out), head, value.width);
    for (let d: u32 = 0; d < value.width; d++) {
      const away = <i32>d + 1 - reach;
      const bias = weight
        ? load<f32>(rowOf(weight, bucketOf(away, s.n0 != 0, s.n1), value.count) + ((<usize>head) << 2))
        : -slope * <f32>abs(away);
      store<f32>(row + ((<usize>d) << 2), bias);
    }
  }
  return Status.DONE;
}

/**
 * The bucket of a key `away` positions behind the query: one each for the nearest, then by the logarithm up to 128.
 * With `isBoth` the second half of them is for keys behind the query; else these are in the first.
 */
function bucketOf(away: i32, isBoth: bool, buckets: u32): u32 {
  const half = isBoth ? buckets >> 1 : buckets;
  const first: u32 = isBoth && away > 0 ? half : 0;
  const distance = <u32>(isBoth ? abs(away) : max(-away, 0));
  const exact = half >> 1;
  if (distance < exact) return first + distance;
  // What is whole in the paper's formula is so here, too, whatever logarithms round to.
  const steps = (log(<f64>distance / <f64>exact) / log(128.0 / <f64>exact)) * <f64>(half - exact) + 1e-9;
  return first + min(half - 1, exact + <u32>steps);
}

/**
 * 2^(−most · (h + 1) / n) for the first n heads, n being the power of 2 at or below their number; those between behind.
 */
function slopeOf(head: u32, heads: u32, most: f32): f32 {
  const n: u32 = 1 << (31 - clz(heads));
  const exponent = head < n ? <f64>(head + 1) / <f64>n : <f64>(2 * (head - n) + 1) / <f64>(2 * n);
  return <f32>pow(2, -(<f64>most) * exponent);
}
