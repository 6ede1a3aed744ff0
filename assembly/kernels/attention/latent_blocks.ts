/**
 * Absorbed latent attention over latents in Q8_0, in integers: the products of `attention/grouped_tile.ts` with twice
 * as many multiply-adds an instruction. Each row is unpacked once for all heads.
 *
 *     queries   i16[quad of heads][n / 2][4] pairs, x ≈ s · q with one scale s a head
 *     scores    s · Σ_blocks d · (Σ q · c), latent and rope key: exact integer sums of 32, then block after block in
 *               f32. Rope keys, halves in the cache, become c of 14 bits with a d of each 32 on the way.
 *               tile of 8 rows, a block: ┌ d f32[8] │ 16 × (pair of columns of rows 0…3 │ of rows 4…7) ┐   544 bytes
 *     mix       64 rows and 32 columns at a time: v = c · 16 · (d / D), D the largest d of the 64; a weight is
 *               w ≈ S · p with p of 14 bits, S a head's own; then u += S · D / 16 · Σ p · v, and Σ < 2^31
 *               tile: 4 × 8 columns × pairs of rows, i16                                                 4 KB
 *
 * The rounding of q, v and p is below a tenth of that of the bytes. Integer sums have no order, so scalar and SIMD
 * builds give the same bits; heads and chunks do not see each other. Cost of a tile: 22 instructions for 64
 * multiply-adds, and a fifth for unpacking and scales.
 */
import { BLOCK_BYTES, BLOCK_VALUES, DECODE, KvType, decodeRow, finiteHalf, floatLanes, largestOf } from "./kv_codec";

/** Rows that are scored at once, and that are mixed at once. */
const SCORE_ROWS: u32 = 8;
export const MIX_ROWS: u32 = 64;

/** Heads that share a look at the tile. */
const QUAD: u32 = 4;
const SCORE_BLOCK: usize = 544;
/** Queries and keys of the rope part reach so far: 32 · 8191² < 2^31. */
export const ROPE_MOST: f32 = 8191;
/** Scratch to quantise 32 values of four rope keys: f32[32], i16[4][32]. */
const CODE_BYTES: usize = 384;

const LARGEST: f32 = 3.4028234663852886e38;
/** Vectors below this count as zero: 1 / scale stays finite. */
const SMALLEST: f32 = 3.86e-34;

/** Whether these kernels take vectors of this length. */
@inline
export function wholeBlocks(n: u32): bool {
  return (n & (BLOCK_VALUES - 1)) == 0;
}

@inline
function quads(heads: u32): usize {
  return <usize>((heads + QUAD - 1) / QUAD);
}

/** Bytes of quantised queries of `n` values: the values, then a scale a head. */
export function latentQueryBytes(heads: u32, n: u32): u32 {
  return <u32>quads(heads) * QUAD * (2 * n + 4);
}

/** Bytes of `scoreLatents`' and `mixLatents`' scratch. */
export function latentScratchBytes(heads: u32, rank: u32, ropeSize: u32): u32 {
  const score = ((rank + ropeSize) / BLOCK_VALUES) * <u32>SCORE_BLOCK + 2 * 4 * QUAD * SCORE_ROWS + <u32>CODE_BYTES;
  const mix = <u32>quads(heads) * QUAD * (2 * MIX_ROWS + 4) + MIX_ROWS * (2 * BLOCK_VALUES + 2 + 4 + 4);
  return max<u32>(max<u32>(score, mix), 2 * ropeSize + <u32>CODE_BYTES + (4 * ropeSize) / BLOCK_VALUES);
}

/** f32[heads][n] → quantised queries of at most `most`; heads that fill up the last four are zero. */
export function quantizeQueries(source: usize, heads: u32, n: u32, most: f32, target: usize): void {
  const quadBytes = <usize>n * 8;
  const scales = target + quads(heads) * quadBytes;
  memory.fill(target, 0, <usize>latentQueryBytes(heads, n));
  for (let head: u32 = 0; head < heads; head++, source += (<usize>n) << 2) {
    const lane = target + <usize>(head / QUAD) * quadBytes + ((<usize>(head % QUAD)) << 2);
    store<f32>(scales + ((<usize>head) << 2), quantize16(source, n, most, lane, 16));
  }
}

/**
 * i16 q[n] with x ≈ scale · q, |q| ≤ `most`; the pairs of them `step` bytes apart. Returns the scale, 0 for a vector of
 * zeros, of which nothing is written. NaN is 0; `n` is even.
 */
function quantize16(x: usize, n: u32, most: f32, target: usize, step: usize): f32 {
  const largest = largestOf(x, n);
  if (largest < SMALLEST) return 0;
  const scale = (largest > LARGEST ? LARGEST : largest) / most;
  const inverse: f32 = 1 / scale;
  const end = x + ((<usize>n) << 2);
  if (ASC_FEATURE_SIMD) {
    const inverses = f32x4.splat(inverse);
    const high = f32x4.splat(most);
    const low = f32x4.splat(-most);
    for (const last = x + ((<usize>(n & ~7)) << 2); x < last; x += 32) {
      const q = i16x8.narrow_i32x4_s(
        roundedLanes(f32x4.mul(v128.load(x), inverses), low, high),
        roundedLanes(f32x4.mul(v128.load(x, 16), inverses), low, high),
      );
      v128.store32_lane(target, q, 0);
      v128.store32_lane((target += step), q, 1);
      v128.store32_lane((target += step), q, 2);
      v128.store32_lane((target += step), q, 3);
      target += step;
    }
  }
  for (; x < end; x += 8, target += step) {
    store<i16>(target, rounded(load<f32>(x) * inverse, most));
    store<i16>(target, rounded(load<f32>(x, 4) * inverse, most), 2);
  }
  return scale;
}

@inline
function rounded(x: f32, most: f32): i16 {
  if ((reinterpret<u32>(x) & 0x7fff_ffff) > 0x7f80_0000) return 0;
  return <i16>(<i32>nearest<f32>(max<f32>(min<f32>(x, most), -most)));
}

/** `rounded` of four lanes; pmin and pmax leave a NaN, and its conversion gives 0. */
@inline
function roundedLanes(x: v128, low: v128, high: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.pmax(f32x4.pmin(x, high), low)));
}

/** The row of the pool that entry `index` of a list names. */
@inline
function rowAt(rows: usize, index: u32, pool: usize, rowBytes: u32): usize {
  return pool + <usize>load<u32>(rows + ((<usize>index) << 2)) * <usize>rowBytes;
}

/**
 * Writes 8 scores a head, `stride` floats apart, of the first `present` rows of a list; any numbers for rows that
 * are not there.
 */
export function scoreLatents(
  queries: usize, ropeQueries: usize, heads: u32, rows: usize, present: u32, pool: usize, rowBytes: u32, rank: u32,
  ropeSize: u32, scratch: usize, scores: usize, stride: u32,
): void {
  let scales = queries + quads(heads) * <usize>rank * 8;
  let ropeScales = ropeQueries + quads(heads) * <usize>ropeSize * 8;
  const scoreBytes = (<usize>stride) << 2;
  const ropeAt = <usize>((rank / BLOCK_VALUES) * BLOCK_BYTES);
  if (ASC_FEATURE_SIMD) {
    const last = present - 1;
    const blocks = rank / BLOCK_VALUES;
    const ropeBlocks = ropeSize / BLOCK_VALUES;
    const ropeTile = scratch + <usize>blocks * SCORE_BLOCK;
    const sums = ropeTile + <usize>ropeBlocks * SCORE_BLOCK;
    for (let first: u32 = 0; first < SCORE_ROWS; first += 4) {
      const r0 = rowAt(rows, min<u32>(first, last), pool, rowBytes);
      const r1 = rowAt(rows, min<u32>(first + 1, last), pool, rowBytes);
      const r2 = rowAt(rows, min<u32>(first + 2, last), pool, rowBytes);
      const r3 = rowAt(rows, min<u32>(first + 3, last), pool, rowBytes);
      const half = (<usize>first) << 2;
      unpackFour(r0, r1, r2, r3, blocks, scratch + half);
      unpackRope(rows, first, last, pool + ropeAt, rowBytes, ropeBlocks, ropeTile + half, sums + 256);
    }
    for (let head: u32 = 0; head < heads; head += QUAD) {
      scoreFour(queries, scratch, blocks, sums);
      scoreFour(ropeQueries, ropeTile, ropeBlocks, sums + 128);
      queries += <usize>rank * 8;
      ropeQueries += <usize>ropeSize * 8;
      const there = min<u32>(heads - head, QUAD);
      for (let h: u32 = 0; h < there; h++, scores += scoreBytes, scales += 4, ropeScales += 4) {
        const sum = sums + ((<usize>h) << 5);
        const scale = v128.load32_splat(scales);
        const ropeScale = v128.load32_splat(ropeScales);
        v128.store(scores, f32x4.add(f32x4.mul(v128.load(sum), scale), f32x4.mul(v128.load(sum, 128), ropeScale)));
        v128.store(
          scores, f32x4.add(f32x4.mul(v128.load(sum, 16), scale), f32x4.mul(v128.load(sum, 144), ropeScale)), 16,
        );
      }
    }
  } else {
    const codes = scratch + CODE_BYTES;
    const ds = codes + <usize>ropeSize * 2;
    for (let r: u32 = 0; r < present; r++) {
      const row = rowAt(rows, r, pool, rowBytes);
      for (let i: u32 = 0; i < ropeSize; i += BLOCK_VALUES) {
        const d = ropeCodes(row + ropeAt + ((<usize>i) << 1), scratch, codes + ((<usize>i) << 1));
        store<f32>(ds + <usize>((i / BLOCK_VALUES) * 4), d);
      }
      for (let head: u32 = 0; head < heads; head++) {
        const quad = <usize>(head / QUAD);
        const lane = (<usize>(head % QUAD)) << 2;
        const sum = scoreOne(queries + quad * <usize>rank * 8 + lane, row, rank);
        const ropeSum = scoreRope(ropeQueries + quad * <usize>ropeSize * 8 + lane, codes, ds, ropeSize);
        const at = (<usize>head) << 2;
        const score = sum * load<f32>(scales + at) + ropeSum * load<f32>(ropeScales + at);
        store<f32>(scores + <usize>head * scoreBytes + ((<usize>r) << 2), score);
      }
    }
  }
}

/** One row's latent and one head, in the scalar build. */
function scoreOne(query: usize, row: usize, rank: u32): f32 {
  let sum: f32 = 0;
  for (const end = row + <usize>((rank / BLOCK_VALUES) * BLOCK_BYTES); row < end; row += <usize>BLOCK_BYTES) {
    let whole: i32 = 0;
    for (let i: usize = 0; i < <usize>BLOCK_VALUES; i += 2, query += 16) {
      whole += <i32>load<i16>(query) * <i32>load<i8>(row + i, 2) + <i32>load<i16>(query, 2) * <i32>load<i8>(row + i, 3);
    }
    sum += <f32>whole * finiteHalf(row);
  }
  return sum;
}

/** One row's rope key and one head, in the scalar build. */
function scoreRope(query: usize, codes: usize, ds: usize, ropeSize: u32): f32 {
  let sum: f32 = 0;
  for (const end = codes + <usize>ropeSize * 2; codes < end; ds += 4) {
    let whole: i32 = 0;
    for (const last = codes + <usize>BLOCK_VALUES * 2; codes < last; codes += 4, query += 16) {
      whole += <i32>load<i16>(query) * <i32>load<i16>(codes) + <i32>load<i16>(query, 2) * <i32>load<i16>(codes, 2);
    }
    sum += <f32>whole * load<f32>(ds);
  }
  return sum;
}

/** Four rows' scales and pairs of columns, into their half of a score tile. */
@inline
function unpackFour(r0: usize, r1: usize, r2: usize, r3: usize, blocks: u32, target: usize): void {
  const mask = v128.load(DECODE);
  const factor = v128.load(DECODE, 16);
  for (; blocks > 0; blocks--) {
    let d = v128.load16_lane(r0, mask, 0);
    d = v128.load16_lane(r1, d, 1);
    d = v128.load16_lane(r2, d, 2);
    d = v128.load16_lane(r3, d, 3);
    v128.store(target, floatLanes(i32x4.extend_low_i16x8_s(d), mask, factor));
    target += 32;
    for (let i: usize = 0; i < 32; i += 8, target += 128) {
      putPairs(
        v128.load8x8_s(r0 + i, 2), v128.load8x8_s(r1 + i, 2), v128.load8x8_s(r2 + i, 2), v128.load8x8_s(r3 + i, 2),
        target,
      );
    }
    r0 += <usize>BLOCK_BYTES;
    r1 += <usize>BLOCK_BYTES;
    r2 += <usize>BLOCK_BYTES;
    r3 += <usize>BLOCK_BYTES;
  }
}

/** As `unpackFour`, of rope keys in halves from entry `first` of the list on; `scratch` of `CODE_BYTES`. */
@inline
function unpackRope(
  rows: usize, first: u32, last: u32, pool: usize, rowBytes: u32, blocks: u32, target: usize, scratch: usize,
): void {
  for (; blocks > 0; blocks--, pool += (<usize>BLOCK_VALUES) << 1) {
    for (let r: u32 = 0; r < 4; r++) {
      const codes = scratch + ((<usize>r) << 6);
      store<f32>(
        target + ((<usize>r) << 2), ropeCodes(rowAt(rows, min<u32>(first + r, last), pool, rowBytes), 0, codes),
      );
    }
    target += 32;
    for (let i: usize = 0; i < 64; i += 16, target += 128) {
      const at = scratch + i;
      putPairs(v128.load(at), v128.load(at, 64), v128.load(at, 128), v128.load(at, 192), target);
    }
  }
}

/** 1.5 · 2^23: what is added to it is rounded as by `nearest`, and the sum's bits are its own plus the integer. */
const MAGIC = memory.data<u32>([0x4b400000, 0x4b400000, 0x4b400000, 0x4b400000], 16);

/** codes i16[32] of 32 halves; returns their scale. `scratch` has room for them in f32, in the scalar build. */
function ropeCodes(source: usize, scratch: usize, codes: usize): f32 {
  if (ASC_FEATURE_SIMD) {
    const magnitude = i16x8.splat(0x7fff);
    let top = i16x8.max_s(v128.and(v128.load(source), magnitude), v128.and(v128.load(source, 16), magnitude));
    top = i16x8.max_s(top, v128.and(v128.load(source, 32), magnitude));
    top = i16x8.max_s(top, v128.and(v128.load(source, 48), magnitude));
    top = i16x8.max_s(top, i32x4.shuffle(top, top, 2, 3, 0, 1));
    top = i16x8.max_s(top, i32x4.shuffle(top, top, 1, 0, 3, 2));
    const pair = i32x4.extract_lane(top, 0);
    const largest = reinterpret<f32>(max<i32>(pair >>> 16, pair & 0xffff) << 13) * reinterpret<f32>(0x7780_0000);
    // Zeros are zero by any scale.
    const scale = max<f32>(largest, 5.9604644775390625e-8) / ROPE_MOST;
    const inverses = f32x4.splat(<f32>1 / scale);
    const mask = v128.load(DECODE);
    const factor = v128.load(DECODE, 16);
    const magic = v128.load(MAGIC);
    for (const end = codes + 64; codes < end; codes += 16, source += 16) {
      const low = f32x4.mul(floatLanes(v128.load16x4_s(source), mask, factor), inverses);
      const high = f32x4.mul(floatLanes(v128.load16x4_s(source, 8), mask, factor), inverses);
      const whole = i16x8.narrow_i32x4_s(
        i32x4.sub(f32x4.add(low, magic), magic), i32x4.sub(f32x4.add(high, magic), magic),
      );
      v128.store(codes, whole);
    }
    return scale;
  }
  decodeRow(KvType.F16, source, BLOCK_VALUES, scratch);
  const scale = quantize16(scratch, BLOCK_VALUES, ROPE_MOST, codes, 4);
  if (scale == 0) memory.fill(codes, 0, <usize>BLOCK_VALUES * 2);
  return scale;
}

/** Eight columns of four rows, as pairs, into every second 16 bytes. */
@inline
function putPairs(a: v128, b: v128, c: v128, d: v128, target: usize): void {
  const abLow = i32x4.shuffle(a, b, 0, 4, 1, 5);
  const cdLow = i32x4.shuffle(c, d, 0, 4, 1, 5);
  const abHigh = i32x4.shuffle(a, b, 2, 6, 3, 7);
  const cdHigh = i32x4.shuffle(c, d, 2, 6, 3, 7);
  v128.store(target, i64x2.shuffle(abLow, cdLow, 0, 2));
  v128.store(target, i64x2.shuffle(abLow, cdLow, 1, 3), 32);
  v128.store(target, i64x2.shuffle(abHigh, cdHigh, 0, 2), 64);
  v128.store(target, i64x2.shuffle(abHigh, cdHigh, 1, 3), 96);
}

/** sums f32[4][8] = four heads × the eight rows of a tile, without the queries' scales. */
@inline
function scoreFour(query: usize, tile: usize, blocks: u32, sums: usize): void {
  for (let at: usize = 0; at < 128; at += 16) v128.store(sums + at, i32x4.splat(0));
  for (; blocks > 0; blocks--) {
    const d = tile;
    let a0 = i32x4.splat(0);
    let a1 = a0;
    let b0 = a0;
    let b1 = a0;
    let c0 = a0;
    let c1 = a0;
    let d0 = a0;
    let d1 = a0;
    tile += 32;
    for (const end = tile + 512; tile < end; tile += 32, query += 16) {
      const t0 = v128.load(tile);
      const t1 = v128.load(tile, 16);
      const qa = v128.load32_splat(query);
      a0 = i32x4.add(a0, i32x4.dot_i16x8_s(qa, t0));
      a1 = i32x4.add(a1, i32x4.dot_i16x8_s(qa, t1));
      const qb = v128.load32_splat(query, 4);
      b0 = i32x4.add(b0, i32x4.dot_i16x8_s(qb, t0));
      b1 = i32x4.add(b1, i32x4.dot_i16x8_s(qb, t1));
      const qc = v128.load32_splat(query, 8);
      c0 = i32x4.add(c0, i32x4.dot_i16x8_s(qc, t0));
      c1 = i32x4.add(c1, i32x4.dot_i16x8_s(qc, t1));
      const qd = v128.load32_splat(query, 12);
      d0 = i32x4.add(d0, i32x4.dot_i16x8_s(qd, t0));
      d1 = i32x4.add(d1, i32x4.dot_i16x8_s(qd, t1));
    }
    const low = v128.load(d);
    const high = v128.load(d, 16);
    addScaled(sums, a0, low);
    addScaled(sums + 16, a1, high);
    addScaled(sums + 32, b0, low);
    addScaled(sums + 48, b1, high);
    addScaled(sums + 64, c0, low);
    addScaled(sums + 80, c1, high);
    addScaled(sums + 96, d0, low);
    addScaled(sums + 112, d1, high);
  }
}

@inline
function addScaled(target: usize, sums: v128, scale: v128): void {
  v128.store(target, f32x4.add(v128.load(target), f32x4.mul(f32x4.convert_i32x4_s(sums), scale)));
}

/**
 * target f32[heads][rank] += the first `present` (at most 64) rows of a list, weighted: weights f32[heads][present],
 * `stride` floats apart, are not negative.
 */
export function mixLatents(
  weights: usize, stride: u32, heads: u32, rows: usize, present: u32, pool: usize, rowBytes: u32, rank: u32,
  scratch: usize, target: usize,
): void {
  const pairs = (present + 1) >> 1;
  const quadBytes = <usize>MIX_ROWS * 8;
  const p = scratch;
  const scales = p + quads(heads) * quadBytes;
  const tile = scales + quads(heads) * <usize>(4 * QUAD);
  const ratios = tile + <usize>(MIX_ROWS * BLOCK_VALUES * 2);
  const ds = ratios + <usize>MIX_ROWS * 2;
  const listed = ds + <usize>MIX_ROWS * 4;
  for (let r: u32 = 0; r < MIX_ROWS; r++) {
    store<usize>(listed + ((<usize>r) << 2), rowAt(rows, min<u32>(r, present - 1), pool, rowBytes));
  }
  quantizeWeights(weights, stride, heads, present, p, scales);
  for (let block: u32 = 0; block < rank / BLOCK_VALUES; block++, target += (<usize>BLOCK_VALUES) << 2) {
    const at = <usize>(block * BLOCK_BYTES);
    const largest = ratiosOf(listed, present, at, ds, ratios);
    if (largest == 0) continue;
    unpackPairs(listed, present, at, ratios, tile);
    const d = largest * <f32>(32768.0 / 32767.0 / 16.0);
    for (let head: u32 = 0; head < heads; head += QUAD) {
      const many = min<u32>(heads - head, QUAD);
      mixBlock(
        p + <usize>(head / QUAD) * quadBytes, scales + ((<usize>head) << 2), many, pairs, tile, d,
        target + ((<usize>head * <usize>rank) << 2), (<usize>rank) << 2,
      );
    }
  }
}

/** Weights as i16[quad of heads][pairs of rows][4] pairs, and their scales. */
@inline
function quantizeWeights(weights: usize, stride: u32, heads: u32, present: u32, p: usize, scales: usize): void {
  memory.fill(p, 0, quads(heads) * <usize>(MIX_ROWS * 8));
  for (let head: u32 = 0; head < heads; head++, weights += (<usize>stride) << 2) {
    // A score row has room for whole tiles: an odd count is made even with a weight of zero.
    if (present & 1) store<f32>(weights + ((<usize>present) << 2), 0);
    const lane = p + <usize>(head / QUAD) * <usize>(MIX_ROWS * 8) + ((<usize>(head % QUAD)) << 2);
    store<f32>(scales + ((<usize>head) << 2), quantize16(weights, (present + 1) & ~1, 16383, lane, 16));
  }
}

/**
 * d of each row's block, `at` bytes from the addresses listed, as a share of the largest, in 2^15ths; returns the
 * largest.
 */
@inline
function ratiosOf(listed: usize, present: u32, at: usize, ds: usize, ratios: usize): f32 {
  if (ASC_FEATURE_SIMD) {
    const mask = v128.load(DECODE);
    const factor = v128.load(DECODE, 16);
    for (let r: usize = 0; r < (<usize>present) << 2; r += 32) {
      const p = listed + r;
      let d = v128.load16_lane(load<usize>(p) + at, mask, 0);
      d = v128.load16_lane(load<usize>(p, 4) + at, d, 1);
      d = v128.load16_lane(load<usize>(p, 8) + at, d, 2);
      d = v128.load16_lane(load<usize>(p, 12) + at, d, 3);
      d = v128.load16_lane(load<usize>(p, 16) + at, d, 4);
      d = v128.load16_lane(load<usize>(p, 20) + at, d, 5);
      d = v128.load16_lane(load<usize>(p, 24) + at, d, 6);
      d = v128.load16_lane(load<usize>(p, 28) + at, d, 7);
      v128.store(ds + r, floatLanes(i32x4.extend_low_i16x8_s(d), mask, factor));
      v128.store(ds + r, floatLanes(i32x4.extend_high_i16x8_s(d), mask, factor), 16);
    }
  } else {
    for (let r: usize = 0; r < (<usize>present) << 2; r += 4) {
      store<f32>(ds + r, finiteHalf(load<usize>(listed + r) + at));
    }
  }
  const largest = largestOf(ds, present);
  if (largest == 0) return 0;
  const inverse: f32 = <f32>32767 / largest;
  if (ASC_FEATURE_SIMD) {
    const inverses = f32x4.splat(inverse);
    const high = f32x4.splat(32767);
    const low = f32x4.splat(-32767);
    // Whole vectors: behind the last row it is there again.
    for (let r: u32 = 0; r < present; r += 8, ds += 32, ratios += 16) {
      const a = roundedLanes(f32x4.mul(v128.load(ds), inverses), low, high);
      const b = roundedLanes(f32x4.mul(v128.load(ds, 16), inverses), low, high);
      v128.store(ratios, i16x8.narrow_i32x4_s(a, b));
    }
  } else {
    for (let r: u32 = 0; r < present; r++, ds += 4, ratios += 2) {
      store<i16>(ratios, rounded(load<f32>(ds) * inverse, 32767));
    }
  }
  return largest;
}

/** Bytes of one block of each row, scaled, as i16: SIMD[4][pairs of rows][8 columns] pairs, scalar [rows][32]. */
@inline
function unpackPairs(listed: usize, present: u32, at: usize, ratios: usize, tile: usize): void {
  if (ASC_FEATURE_SIMD) {
    for (let r: u32 = 0; r < present; r += 2, listed += 8, ratios += 4, tile += 32) {
      const a = load<usize>(listed) + at;
      const b = load<usize>(listed, 4) + at;
      const ra = v128.load16_splat(ratios);
      const rb = v128.load16_splat(ratios, 2);
      let to = tile;
      for (let i: usize = 0; i < 32; i += 8, to += <usize>MIX_ROWS * 16) {
        const va = i16x8.q15mulr_sat_s(i16x8.shl(v128.load8x8_s(a + i, 2), 4), ra);
        const vb = i16x8.q15mulr_sat_s(i16x8.shl(v128.load8x8_s(b + i, 2), 4), rb);
        v128.store(to, i16x8.shuffle(va, vb, 0, 8, 1, 9, 2, 10, 3, 11));
        v128.store(to, i16x8.shuffle(va, vb, 4, 12, 5, 13, 6, 14, 7, 15), 16);
      }
    }
  } else {
    for (let r: u32 = 0; r < present; r++) {
      const row = load<usize>(listed + ((<usize>r) << 2)) + at;
      const ratio = <i32>load<i16>(ratios + ((<usize>r) << 1));
      for (let i: usize = 0; i < <usize>BLOCK_VALUES; i++, tile += 2) {
        store<i16>(tile, <i16>((((<i32>load<i8>(row + i, 2)) << 4) * ratio + 0x4000) >> 15));
      }
    }
    // The partner of an odd last row weighs nothing, but its product is made.
    if (present & 1) memory.fill(tile, 0, <usize>BLOCK_VALUES * 2);
  }
}

/** 32 columns of up to four heads. */
@inline
function mixBlock(
  p: usize, scales: usize, heads: u32, pairs: u32, tile: usize, d: f32, target: usize, targetBytes: usize,
): void {
  if (ASC_FEATURE_SIMD) {
    for (let group: usize = 0; group < 4; group++, tile += <usize>MIX_ROWS * 16, target += 32) {
      let a0 = i32x4.splat(0);
      let a1 = a0;
      let b0 = a0;
      let b1 = a0;
      let c0 = a0;
      let c1 = a0;
      let d0 = a0;
      let d1 = a0;
      let w = p;
      for (let t = tile, end = tile + ((<usize>pairs) << 5); t < end; t += 32, w += 16) {
        const t0 = v128.load(t);
        const t1 = v128.load(t, 16);
        const wa = v128.load32_splat(w);
        a0 = i32x4.add(a0, i32x4.dot_i16x8_s(wa, t0));
        a1 = i32x4.add(a1, i32x4.dot_i16x8_s(wa, t1));
        const wb = v128.load32_splat(w, 4);
        b0 = i32x4.add(b0, i32x4.dot_i16x8_s(wb, t0));
        b1 = i32x4.add(b1, i32x4.dot_i16x8_s(wb, t1));
        const wc = v128.load32_splat(w, 8);
        c0 = i32x4.add(c0, i32x4.dot_i16x8_s(wc, t0));
        c1 = i32x4.add(c1, i32x4.dot_i16x8_s(wc, t1));
        const wd = v128.load32_splat(w, 12);
        d0 = i32x4.add(d0, i32x4.dot_i16x8_s(wd, t0));
        d1 = i32x4.add(d1, i32x4.dot_i16x8_s(wd, t1));
      }
      let to = target;
      putEight(to, a0, a1, load<f32>(scales) * d);
      if (heads > 1) putEight((to += targetBytes), b0, b1, load<f32>(scales, 4) * d);
      if (heads > 2) putEight((to += targetBytes), c0, c1, load<f32>(scales, 8) * d);
      if (heads > 3) putEight((to += targetBytes), d0, d1, load<f32>(scales, 12) * d);
    }
  } else {
    for (let head: u32 = 0; head < heads; head++, p += 4, scales += 4, target += targetBytes) {
      const scale = load<f32>(scales) * d;
      for (let i: usize = 0; i < <usize>BLOCK_VALUES; i++) {
        let sum: i32 = 0;
        for (let pair: usize = 0, v = tile + (i << 1); pair < <usize>pairs; pair++, v += <usize>BLOCK_VALUES * 4) {
          const w = p + (pair << 4);
          sum += <i32>load<i16>(w) * <i32>load<i16>(v);
          sum += <i32>load<i16>(w, 2) * <i32>load<i16>(v, <usize>BLOCK_VALUES * 2);
        }
        const to = target + (i << 2);
        store<f32>(to, load<f32>(to) + <f32>sum * scale);
      }
    }
  }
}

@inline
function putEight(target: usize, low: v128, high: v128, scale: f32): void {
  const scales = f32x4.splat(scale);
  addScaled(target, low, scales);
  addScaled(target + 16, high, scales);
}
