/**
 * Many tokens × codes of up to seven bits, in the fast build. A panel is what a group of eight rows is unpacked into,
 * once for all tokens, a few blocks at a time, so that it stays in the first cache. Every format gives the same:
 *
 *     panel    ┌ block of 32 columns ┬ … ┐
 *       block  ┌ 8 × step ┬ scales: 2 × f32x4 a part ┬ minima (if there): as many ┐
 *         step of 4 columns   ┌ rows 0…3: i8x16 ┬ rows 4…7 ┐      a lane of four bytes is a row
 *
 * A part, of 32 columns or of 16, has a scale of its own. Steps have the columns that four bytes of activations have
 * (activations/eight.ts): 0 4 1 5, then 2 6 3 7, of each eight.
 *
 *     y[t][r] += Σ over parts, over digits:  float(Σ (q − offset)·a) · (dw · dx)   [ + m · s ]
 *
 * block after block, digit after digit, part after part, which are the bits of one token by itself (multiplyOne of
 * blocks32/multiply_bytes.ts and of blocks256/multiply_bytes.ts).
 *
 * A block of a panel meets all tokens before the next block does: their first digits, then the second digits of those
 * that have one, four at a time, by lists that say where digits and outputs lie. Where three are left over a fourth
 * is taken whose outputs nobody reads; one or two come by themselves. Outputs of two groups lie together meanwhile, so
 * that a whole cache line is written at once:
 *
 *     work   ┌ 2 panels ┬ outputs: 16 × f32 a token, one more ┬ marks: a bit a token, of each block ┬ 2 lists ┐
 *     list   ┌ 4 tokens: 4 × u32 digits │ 4 × u32 outputs ┬ … ┐
 *
 * Cost of 8 rows × 32 columns × 4 tokens, in quads: 64 dots, 16 loads of codes, 32 splats, 40 for scales and sums.
 */
import { DIGIT_BYTES, hasSecond, minusSums } from "./activations/eight";
import { addDot } from "./byte_dots";
import { multiplyAdd } from "../float/fused";

/** Blocks of a panel at most: a whole super-block. */
const PANEL_BLOCKS: u32 = 8;
/** Blocks that all groups meet before the next ones: their activations stay in the second cache. */
const SPAN_BLOCKS: u32 = 64;
/** Tokens at once: their outputs stay in the first cache. A multiple of 64. */
const BATCH_TOKENS: u32 = 128;
/** Tokens whose sums fill the registers. */
const TILE_TOKENS: u32 = 4;
/** Bytes of the codes of a block. */
const CODE_BYTES: usize = 256;
const TILE_BYTES: usize = 32;
/** Of a token of a group, and of two groups. */
const GROUP_BYTES: usize = 32;
const OUTPUT_BYTES: usize = 64;

/** Of two parts with minima. */
const LARGEST_PANEL: usize = <usize>PANEL_BLOCKS * (CODE_BYTES + 128);
const OUTPUTS: usize = 2 * LARGEST_PANEL;
const UNREAD: usize = OUTPUTS + <usize>BATCH_TOKENS * OUTPUT_BYTES;
const MARKS: usize = UNREAD + OUTPUT_BYTES;
const MARK_BYTES: usize = BATCH_TOKENS >> 3;
const FIRSTS: usize = MARKS + <usize>SPAN_BLOCKS * MARK_BYTES;
const SECONDS: usize = FIRSTS + <usize>(BATCH_TOKENS / TILE_TOKENS) * TILE_BYTES;
/** Bytes of work at most. */
export const PANEL_BYTES: usize = SECONDS + <usize>(BATCH_TOKENS / TILE_TOKENS) * TILE_BYTES;

const ONES = memory.data<u16>([1, 1, 1, 1, 1, 1, 1, 1], 16);

/** What the tiles need to know of a format: whether it has minima, and whether its parts are of 16 columns. */
@unmanaged
export class Plain {
  @inline get minimum(): bool { return false; }
  @inline get halves(): bool { return false; }
}
@unmanaged
export class Minimum {
  @inline get minimum(): bool { return true; }
  @inline get halves(): bool { return false; }
}
@unmanaged
export class Halves {
  @inline get minimum(): bool { return false; }
  @inline get halves(): bool { return true; }
}
@unmanaged
export class HalvesMinimum {
  @inline get minimum(): bool { return true; }
  @inline get halves(): bool { return true; }
}

/** Bytes of a block of a panel. */
@inline
export function panelStep<K>(): usize {
  const k = changetype<K>(0);
  const scales: usize = k.halves ? 64 : 32;
  return CODE_BYTES + (k.minimum ? 2 * scales : scales);
}

/** Where the scales of four rows of a part lie. */
@inline
export function scalePlace<K>(block: usize, part: usize, quad: usize): usize {
  return block + CODE_BYTES + (part << 5) + (quad << 4);
}

/** Where the minima lie: less than zero, so that they are added. */
@inline
export function minimumPlace<K>(block: usize, part: usize, quad: usize): usize {
  return scalePlace<K>(block, part, quad) + (changetype<K>(0).halves ? 64 : 32);
}

/** Sums of the even and of the odd columns of a part, i16 each, from a digit. */
@inline
export function pairSums(x: usize, halves: bool, part: usize): v128 {
  if (!halves) return v128.load32_splat(x, 8);
  const first = v128.load32_splat(x, 12);
  return part == 0 ? first : i16x8.sub(v128.load32_splat(x, 8), first);
}

/** What the sum of a part begins with: −offset · Σ a in i32 lanes, or in i16 lanes; `start` i16x8 is below zero. */
@inline
function begin<K, D>(x: usize, part: usize, start: v128, minus: usize): v128 {
  const k = changetype<K>(0);
  if (!changetype<D>(0).whole) return i16x8.mul(pairSums(x, k.halves, part), start);
  // Codes with a minimum have no offset.
  if (k.minimum) return i32x4.splat(0);
  return k.halves ? i32x4.dot_i16x8_s(pairSums(x, true, part), start) : v128.load32_splat(x + minus);
}

/** s: d · Σ a of a part. */
@inline
export function minimumFactor(x: usize, halves: bool, part: usize): v128 {
  if (!halves) return v128.load32_splat(x, 4);
  const sum = i32x4.dot_i16x8_s(pairSums(x, true, part), v128.load(ONES));
  return f32x4.mul(f32x4.convert_i32x4_s(sum), v128.load32_splat(x));
}

/** y[0 … 3] + what a part of a digit adds; `given`: what is given back of the codes, i16x8. */
@inline
function addPart<K, D>(y: usize, sum: v128, w: v128, m: v128, dx: v128, x: usize, part: usize, given: v128): void {
  const k = changetype<K>(0);
  let dot = sum;
  if (!changetype<D>(0).whole) {
    dot = i32x4.dot_i16x8_s(sum, v128.load(ONES));
    if (k.minimum) dot = i32x4.add(dot, i32x4.dot_i16x8_s(pairSums(x, k.halves, part), given));
  }
  const acc = multiplyAdd(f32x4.convert_i32x4_s(dot), f32x4.mul(w, dx), v128.load(y));
  v128.store(y, k.minimum ? multiplyAdd(m, minimumFactor(x, k.halves, part), acc) : acc);
}

/** The eight outputs of a token at `y` + a part of its digit at `x`. */
@inline
function addParts<K, D>(
  y: usize, a: v128, b: v128, w0: v128, w1: v128, m0: v128, m1: v128, x: usize, part: usize, given: v128,
): void {
  const dx = v128.load32_splat(x);
  addPart<K, D>(y, a, w0, m0, dx, x, part, given);
  addPart<K, D>(y + 16, b, w1, m1, dx, x, part, given);
}

/**
 * A block of a panel × `count` digits, which lie `column` bytes behind where the list says, on top of the outputs
 * `lane` bytes behind where it says. `offset` is taken off each code as it is summed, and `back` given back of it in
 * i32, where i16 lanes would not hold the whole. The steps are written out, because a loop over them costs a tenth.
 */
function multiplyList<K, D>(
  block: usize, list: usize, count: u32, column: usize, lane: usize, offset: i32, back: i32, minus: usize,
): void {
  const start = i16x8.splat(<i16>-offset);
  const given = i16x8.splat(<i16>back);
  let end = list + ((<usize>((count + 1) >> 2)) << 5);
  const halves = changetype<K>(0).halves;
  const minimum = changetype<K>(0).minimum;
  const last: usize = halves ? 1 : 0;
  for (; list != end; list += TILE_BYTES) {
    const x0 = column + load<u32>(list);
    const x1 = column + load<u32>(list, 4);
    const x2 = column + load<u32>(list, 8);
    const x3 = column + load<u32>(list, 12);
    let a0 = begin<K, D>(x0, 0, start, minus);
    let a1 = begin<K, D>(x1, 0, start, minus);
    let a2 = begin<K, D>(x2, 0, start, minus);
    let a3 = begin<K, D>(x3, 0, start, minus);
    let b0 = a0;
    let b1 = a1;
    let b2 = a2;
    let b3 = a3;
    let c0 = v128.load(block);
    let c1 = v128.load(block, 16);
    let v: v128;
    v = v128.load32_splat(x0, 32);
    a0 = addDot<D>(a0, v, c0);
    b0 = addDot<D>(b0, v, c1);
    v = v128.load32_splat(x1, 32);
    a1 = addDot<D>(a1, v, c0);
    b1 = addDot<D>(b1, v, c1);
    v = v128.load32_splat(x2, 32);
    a2 = addDot<D>(a2, v, c0);
    b2 = addDot<D>(b2, v, c1);
    v = v128.load32_splat(x3, 32);
    a3 = addDot<D>(a3, v, c0);
    b3 = addDot<D>(b3, v, c1);
    c0 = v128.load(block, 32);
    c1 = v128.load(block, 48);
    v = v128.load32_splat(x0, 36);
    a0 = addDot<D>(a0, v, c0);
    b0 = addDot<D>(b0, v, c1);
    v = v128.load32_splat(x1, 36);
    a1 = addDot<D>(a1, v, c0);
    b1 = addDot<D>(b1, v, c1);
    v = v128.load32_splat(x2, 36);
    a2 = addDot<D>(a2, v, c0);
    b2 = addDot<D>(b2, v, c1);
    v = v128.load32_splat(x3, 36);
    a3 = addDot<D>(a3, v, c0);
    b3 = addDot<D>(b3, v, c1);
    c0 = v128.load(block, 64);
    c1 = v128.load(block, 80);
    v = v128.load32_splat(x0, 40);
    a0 = addDot<D>(a0, v, c0);
    b0 = addDot<D>(b0, v, c1);
    v = v128.load32_splat(x1, 40);
    a1 = addDot<D>(a1, v, c0);
    b1 = addDot<D>(b1, v, c1);
    v = v128.load32_splat(x2, 40);
    a2 = addDot<D>(a2, v, c0);
    b2 = addDot<D>(b2, v, c1);
    v = v128.load32_splat(x3, 40);
    a3 = addDot<D>(a3, v, c0);
    b3 = addDot<D>(b3, v, c1);
    c0 = v128.load(block, 96);
    c1 = v128.load(block, 112);
    v = v128.load32_splat(x0, 44);
    a0 = addDot<D>(a0, v, c0);
    b0 = addDot<D>(b0, v, c1);
    v = v128.load32_splat(x1, 44);
    a1 = addDot<D>(a1, v, c0);
    b1 = addDot<D>(b1, v, c1);
    v = v128.load32_splat(x2, 44);
    a2 = addDot<D>(a2, v, c0);
    b2 = addDot<D>(b2, v, c1);
    v = v128.load32_splat(x3, 44);
    a3 = addDot<D>(a3, v, c0);
    b3 = addDot<D>(b3, v, c1);
    if (halves) {
      const w0 = v128.load(scalePlace<K>(block, 0, 0));
      const w1 = v128.load(scalePlace<K>(block, 0, 1));
      const m0 = minimum ? v128.load(minimumPlace<K>(block, 0, 0)) : w0;
      const m1 = minimum ? v128.load(minimumPlace<K>(block, 0, 1)) : w1;
      addParts<K, D>(lane + load<u32>(list, 16), a0, b0, w0, w1, m0, m1, x0, 0, given);
      addParts<K, D>(lane + load<u32>(list, 20), a1, b1, w0, w1, m0, m1, x1, 0, given);
      addParts<K, D>(lane + load<u32>(list, 24), a2, b2, w0, w1, m0, m1, x2, 0, given);
      addParts<K, D>(lane + load<u32>(list, 28), a3, b3, w0, w1, m0, m1, x3, 0, given);
      a0 = begin<K, D>(x0, 1, start, minus);
      a1 = begin<K, D>(x1, 1, start, minus);
      a2 = begin<K, D>(x2, 1, start, minus);
      a3 = begin<K, D>(x3, 1, start, minus);
      b0 = a0;
      b1 = a1;
      b2 = a2;
      b3 = a3;
    }
    c0 = v128.load(block, 128);
    c1 = v128.load(block, 144);
    v = v128.load32_splat(x0, 48);
    a0 = addDot<D>(a0, v, c0);
    b0 = addDot<D>(b0, v, c1);
    v = v128.load32_splat(x1, 48);
    a1 = addDot<D>(a1, v, c0);
    b1 = addDot<D>(b1, v, c1);
    v = v128.load32_splat(x2, 48);
    a2 = addDot<D>(a2, v, c0);
    b2 = addDot<D>(b2, v, c1);
    v = v128.load32_splat(x3, 48);
    a3 = addDot<D>(a3, v, c0);
    b3 = addDot<D>(b3, v, c1);
    c0 = v128.load(block, 160);
    c1 = v128.load(block, 176);
    v = v128.load32_splat(x0, 52);
    a0 = addDot<D>(a0, v, c0);
    b0 = addDot<D>(b0, v, c1);
    v = v128.load32_splat(x1, 52);
    a1 = addDot<D>(a1, v, c0);
    b1 = addDot<D>(b1, v, c1);
    v = v128.load32_splat(x2, 52);
    a2 = addDot<D>(a2, v, c0);
    b2 = addDot<D>(b2, v, c1);
    v = v128.load32_splat(x3, 52);
    a3 = addDot<D>(a3, v, c0);
    b3 = addDot<D>(b3, v, c1);
    c0 = v128.load(block, 192);
    c1 = v128.load(block, 208);
    v = v128.load32_splat(x0, 56);
    a0 = addDot<D>(a0, v, c0);
    b0 = addDot<D>(b0, v, c1);
    v = v128.load32_splat(x1, 56);
    a1 = addDot<D>(a1, v, c0);
    b1 = addDot<D>(b1, v, c1);
    v = v128.load32_splat(x2, 56);
    a2 = addDot<D>(a2, v, c0);
    b2 = addDot<D>(b2, v, c1);
    v = v128.load32_splat(x3, 56);
    a3 = addDot<D>(a3, v, c0);
    b3 = addDot<D>(b3, v, c1);
    c0 = v128.load(block, 224);
    c1 = v128.load(block, 240);
    v = v128.load32_splat(x0, 60);
    a0 = addDot<D>(a0, v, c0);
    b0 = addDot<D>(b0, v, c1);
    v = v128.load32_splat(x1, 60);
    a1 = addDot<D>(a1, v, c0);
    b1 = addDot<D>(b1, v, c1);
    v = v128.load32_splat(x2, 60);
    a2 = addDot<D>(a2, v, c0);
    b2 = addDot<D>(b2, v, c1);
    v = v128.load32_splat(x3, 60);
    a3 = addDot<D>(a3, v, c0);
    b3 = addDot<D>(b3, v, c1);
    const w0 = v128.load(scalePlace<K>(block, last, 0));
    const w1 = v128.load(scalePlace<K>(block, last, 1));
    const m0 = minimum ? v128.load(minimumPlace<K>(block, last, 0)) : w0;
    const m1 = minimum ? v128.load(minimumPlace<K>(block, last, 1)) : w1;
    addParts<K, D>(lane + load<u32>(list, 16), a0, b0, w0, w1, m0, m1, x0, last, given);
    addParts<K, D>(lane + load<u32>(list, 20), a1, b1, w0, w1, m0, m1, x1, last, given);
    addParts<K, D>(lane + load<u32>(list, 24), a2, b2, w0, w1, m0, m1, x2, last, given);
    addParts<K, D>(lane + load<u32>(list, 28), a3, b3, w0, w1, m0, m1, x3, last, given);
  }
  if ((count & 3) == 3) return;
  for (const rest = end + ((<usize>(count & 3)) << 2); end != rest; end += 4) {
    addDigit<K, D>(block, column + load<u32>(end), lane + load<u32>(end, 16), start, given, minus);
  }
}

/** What one digit of a token adds to eight rows. */
@inline
function addDigit<K, D>(block: usize, x: usize, y: usize, start: v128, given: v128, minus: usize): void {
  const k = changetype<K>(0);
  const parts: usize = k.halves ? 2 : 1;
  let codes = block;
  let at = x;
  for (let part: usize = 0; part < parts; part++) {
    let a = begin<K, D>(x, part, start, minus);
    let b = a;
    for (const end = at + (k.halves ? 16 : 32); at != end; at += 4) {
      const v = v128.load32_splat(at, 32);
      a = addDot<D>(a, v, v128.load(codes));
      b = addDot<D>(b, v, v128.load(codes, 16));
      codes += 32;
    }
    const w0 = v128.load(scalePlace<K>(block, part, 0));
    const w1 = v128.load(scalePlace<K>(block, part, 1));
    const m0 = k.minimum ? v128.load(minimumPlace<K>(block, part, 0)) : w0;
    const m1 = k.minimum ? v128.load(minimumPlace<K>(block, part, 1)) : w1;
    addParts<K, D>(y, a, b, w0, w1, m0, m1, x, part, given);
  }
}

/** Marks the tokens that have a second digit, in each of `blocks` blocks. */
function markSeconds(x: usize, xStride: usize, tokens: u32, blocks: u32, marks: usize): void {
  for (; blocks > 0; blocks--) {
    let at = x;
    for (let first: u32 = 0; first < BATCH_TOKENS; first += 64) {
      let bits: u64 = 0;
      const end = min(tokens, first + 64);
      for (let t = first; t < end; t++) {
        bits |= (<u64>hasSecond(at)) << (t - first);
        at += xStride;
      }
      store<u64>(marks, bits);
      marks += 8;
    }
    x += DIGIT_BYTES;
  }
}

/** An entry of a list: the `n`th from `list` on. */
@inline
function putEntry(list: usize, n: u32, digits: usize, outputs: usize): void {
  const at = list + ((<usize>(n >> 2)) << 5) + ((<usize>(n & 3)) << 2);
  store<u32>(at, <u32>digits);
  store<u32>(at, <u32>outputs, 16);
}

/** A fourth where three are left over at the end of a list of `n`. */
@inline
function fillUp(list: usize, n: u32, digits: usize, work: usize): void {
  if ((n & 3) == 3) putEntry(list, n, digits, work + UNREAD);
}

/** The list of all tokens. */
function listFirsts(x: usize, xStride: usize, tokens: u32, work: usize): void {
  let outputs = work + OUTPUTS;
  let at = x;
  for (let t: u32 = 0; t < tokens; t++) {
    putEntry(work + FIRSTS, t, at, outputs);
    at += xStride;
    outputs += OUTPUT_BYTES;
  }
  fillUp(work + FIRSTS, tokens, x, work);
}

/** The list of the tokens that are marked; how many there are. */
function listSeconds(marks: usize, x: usize, xStride: usize, work: usize): u32 {
  let n: u32 = 0;
  for (let first: u32 = 0; first < BATCH_TOKENS; first += 64) {
    for (let bits = load<u64>(marks); bits != 0; bits &= bits - 1) {
      const t = <usize>first + <usize>ctz(bits);
      putEntry(work + SECONDS, n++, x + t * xStride, work + OUTPUTS + t * OUTPUT_BYTES);
    }
    marks += 8;
  }
  fillUp(work + SECONDS, n, x, work);
  return n;
}

/**
 * Groups of `blocks` × tokens; `U` unpacks some blocks of a group and says where the next ones begin. Strides in
 * bytes, x in rows of digits; `offset` and `back` as in a list.
 */
export function multiplyPanels<U, K, D>(
  group: usize, groups: u32, groupBytes: usize, blocks: u32, x: usize, xStride: usize, tokens: u32, target: usize,
  targetStride: usize, second: usize, work: usize, offset: i32, back: i32,
): void {
  for (; tokens > BATCH_TOKENS; tokens -= BATCH_TOKENS) {
    multiplyBatch<U, K, D>(
      group, groups, groupBytes, blocks, x, xStride, BATCH_TOKENS, target, targetStride, second, work, offset, back,
    );
    x += <usize>BATCH_TOKENS * xStride;
    target += <usize>BATCH_TOKENS * targetStride;
  }
  multiplyBatch<U, K, D>(
    group, groups, groupBytes, blocks, x, xStride, tokens, target, targetStride, second, work, offset, back,
  );
}

function multiplyBatch<U, K, D>(
  group: usize, groups: u32, groupBytes: usize, blocks: u32, x: usize, xStride: usize, tokens: u32, target: usize,
  targetStride: usize, second: usize, work: usize, offset: i32, back: i32,
): void {
  listFirsts(x, xStride, tokens, work);
  let done: u32 = 0;
  do {
    const span = min(blocks - done, SPAN_BLOCKS);
    const from = <usize>done * DIGIT_BYTES;
    markSeconds(x + from, xStride, tokens, span, work + MARKS);
    let first = group + changetype<U>(0).bytesOf(done);
    let y = target;
    for (let g: u32 = 0; g < groups; g += 2) {
      const two = g + 1 < groups;
      takeOutputs(y, targetStride, tokens, work, done == 0, two);
      let packed = first;
      let other = first + groupBytes;
      for (let at: u32 = 0; at < span; at += PANEL_BLOCKS) {
        const count = min(span - at, PANEL_BLOCKS);
        packed = changetype<U>(0).unpack(packed, count, work);
        if (two) other = changetype<U>(0).unpack(other, count, work + LARGEST_PANEL);
        multiplyPanel<K, D>(
          work, count, two, work + MARKS + <usize>at * MARK_BYTES, x, xStride, tokens, second,
          from + <usize>at * DIGIT_BYTES, offset, back,
        );
      }
      giveOutputs(y, targetStride, tokens, work, two);
      first += 2 * groupBytes;
      y += OUTPUT_BYTES;
    }
    done += SPAN_BLOCKS;
  } while (done < blocks);
}

/** A panel of one or two groups × all tokens, on top of what their outputs are. */
function multiplyPanel<K, D>(
  work: usize, blocks: u32, two: bool, marks: usize, x: usize, xStride: usize, tokens: u32, second: usize,
  column: usize, offset: i32, back: i32,
): void {
  const firsts = work + FIRSTS;
  const seconds = work + SECONDS;
  const minus = minusSums(offset);
  for (let block = work, end = work + <usize>blocks * panelStep<K>(); block != end; block += panelStep<K>()) {
    const far = block + LARGEST_PANEL;
    multiplyList<K, D>(block, firsts, tokens, column, 0, offset, back, minus);
    if (two) multiplyList<K, D>(far, firsts, tokens, column, GROUP_BYTES, offset, back, minus);
    if (v128.any_true(v128.load(marks))) {
      const count = listSeconds(marks, x + second, xStride, work);
      multiplyList<K, D>(block, seconds, count, column, 0, offset, back, minus);
      if (two) multiplyList<K, D>(far, seconds, count, column, GROUP_BYTES, offset, back, minus);
    }
    column += DIGIT_BYTES;
    marks += MARK_BYTES;
  }
}

/** Takes what outputs of one or two groups are so far, or zeros. */
function takeOutputs(y: usize, step: usize, tokens: u32, work: usize, zero: bool, two: bool): void {
  let to = work + OUTPUTS;
  if (zero) {
    memory.fill(to, 0, <usize>tokens * OUTPUT_BYTES);
    return;
  }
  for (; tokens > 0; tokens--) {
    v128.store(to, v128.load(y));
    v128.store(to, v128.load(y, 16), 16);
    if (two) {
      v128.store(to, v128.load(y, 32), 32);
      v128.store(to, v128.load(y, 48), 48);
    }
    to += OUTPUT_BYTES;
    y += step;
  }
}

function giveOutputs(y: usize, step: usize, tokens: u32, work: usize, two: bool): void {
  let from = work + OUTPUTS;
  for (; tokens > 0; tokens--) {
    v128.store(y, v128.load(from));
    v128.store(y, v128.load(from, 16), 16);
    if (two) {
      v128.store(y, v128.load(from, 32), 32);
      v128.store(y, v128.load(from, 48), 48);
    }
    from += OUTPUT_BYTES;
    y += step;
  }
}
