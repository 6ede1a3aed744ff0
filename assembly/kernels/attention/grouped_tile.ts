/**
 * The two products of attention on a tile of 8 cache rows: queries · keys, and weights · values. Every form of
 * attention is made of them (heads of a group over one kv head, all heads over a latent, tokens of a chunk over
 * expanded keys), so "query" here is whatever shares the tile.
 *
 *     scoreTile   scores[q][r] (+)= Σ_i query[q][i] · tile[r][i]   two queries × four rows, or one × eight, at once
 *     mixTile     target[q][i]  += Σ_r weight[q][r] · tile[r][i]   two queries × 16 values, or one × 32
 *
 *     tile f32[8][stride]   row 0 │ n values … │ … stride       rows that are not there hold zeros; their scores are
 *                           row 1 │ …                           written (a score row has room for them) and never read
 *
 * A dot has four chains, element i in chain i mod 4, added as (0 + 2) + (1 + 3), then the last n mod 4 elements one
 * by one; a mix adds row after row. So neither depends on how many queries or rows share a pass. Cost: one
 * multiply-add a query, row and value, at about half of the rate of a loop without memory.
 */
import { multiplyAdd } from "../float/fused";
import { decodeVectors } from "./kv_codec";

/** Rows of a tile. */
export const TILE_ROWS: u32 = 8;

/** `count` rounded up to whole tiles: the floats of a score row. */
@inline
export function tiled(count: u32): u32 {
  return (count + (TILE_ROWS - 1)) & ~(TILE_ROWS - 1);
}

/**
 * Decodes `vectors` vectors of `n` values from byte `offset` of the pool's rows rows[first], rows[first + 1], … into a
 * tile of stride vectors·n. At most `count − first` rows are there, the others become zeros. Returns how many are.
 */
export function decodeTile(
  kvType: u32, rows: usize, first: u32, count: u32, pool: usize, rowBytes: u32, offset: u32, vectors: u32, n: u32,
  tile: usize,
): u32 {
  const present = min<u32>(count - first, TILE_ROWS);
  const bytes = (<usize>(vectors * n)) << 2;
  decodeRows(kvType, rows + ((<usize>first) << 2), present, pool, rowBytes, offset, vectors, n, tile);
  if (present < TILE_ROWS) memory.fill(tile + bytes * <usize>present, 0, bytes * <usize>(TILE_ROWS - present));
  return present;
}

/** Decodes `vectors` vectors of `n` values from byte `offset` of `count` rows of the pool, one row after the other. */
export function decodeRows(
  kvType: u32, rows: usize, count: u32, pool: usize, rowBytes: u32, offset: u32, vectors: u32, n: u32, target: usize,
): void {
  const bytes = (<usize>(vectors * n)) << 2;
  for (const end = rows + ((<usize>count) << 2); rows != end; rows += 4, target += bytes) {
    decodeVectors(kvType, pool + <usize>load<u32>(rows) * <usize>rowBytes + <usize>offset, vectors, n, target);
  }
}

/** Copies `present` rows of f32 and fills up with zeros: the last, incomplete tile of rows that lie decoded already. */
export function copyTile(source: usize, stride: u32, present: u32, n: u32, tile: usize): void {
  const bytes = (<usize>n) << 2;
  for (let r: u32 = 0; r < present; r++, tile += bytes, source += (<usize>stride) << 2)
    memory.copy(tile, source, bytes);
  if (present < TILE_ROWS) memory.fill(tile, 0, bytes * <usize>(TILE_ROWS - present));
}

/**
 * Writes 8 scores a query. Strides are in floats. `accumulate`: adds to the scores that are there (a key in two parts).
 */
export function scoreTile(
  query: usize, queryStride: u32, queries: u32, tile: usize, stride: u32, n: u32, scores: usize, scoreStride: u32,
  accumulate: bool,
): void {
  const queryBytes = (<usize>queryStride) << 2;
  const scoreBytes = (<usize>scoreStride) << 2;
  const rowBytes = (<usize>stride) << 2;
  let q: u32 = 0;
  if (ASC_FEATURE_SIMD) {
    for (; q + 2 <= queries; q += 2, query += 2 * queryBytes, scores += 2 * scoreBytes) {
      scoreTwo(query, queryBytes, tile, rowBytes, n, scores, scoreBytes, accumulate);
      scoreTwo(query, queryBytes, tile + 4 * rowBytes, rowBytes, n, scores + 16, scoreBytes, accumulate);
      scoreTails(query, tile, rowBytes, n, scores);
      scoreTails(query + queryBytes, tile, rowBytes, n, scores + scoreBytes);
    }
    if (q < queries) {
      scoreOne(query, tile, rowBytes, n, scores, accumulate);
      scoreTails(query, tile, rowBytes, n, scores);
    }
  } else {
    for (; q < queries; q++, query += queryBytes, scores += scoreBytes) {
      scoreOne(query, tile, rowBytes, n, scores, accumulate);
      scoreTails(query, tile, rowBytes, n, scores);
    }
  }
}

/** Two queries × four rows. */
@inline
function scoreTwo(
  query: usize, queryBytes: usize, row: usize, rowBytes: usize, n: u32, scores: usize, scoreBytes: usize,
  accumulate: bool,
): void {
  let qa = query;
  let qb = query + queryBytes;
  let r0 = row;
  let r1 = r0 + rowBytes;
  let r2 = r1 + rowBytes;
  let r3 = r2 + rowBytes;
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  let b0 = a0;
  let b1 = a0;
  let b2 = a0;
  let b3 = a0;
  for (const last = qa + ((<usize>(n & ~3)) << 2); qa < last; ) {
    const va = v128.load(qa);
    const vb = v128.load(qb);
    const k0 = v128.load(r0);
    a0 = multiplyAdd(va, k0, a0);
    b0 = multiplyAdd(vb, k0, b0);
    const k1 = v128.load(r1);
    a1 = multiplyAdd(va, k1, a1);
    b1 = multiplyAdd(vb, k1, b1);
    const k2 = v128.load(r2);
    a2 = multiplyAdd(va, k2, a2);
    b2 = multiplyAdd(vb, k2, b2);
    const k3 = v128.load(r3);
    a3 = multiplyAdd(va, k3, a3);
    b3 = multiplyAdd(vb, k3, b3);
    qa += 16;
    qb += 16;
    r0 += 16;
    r1 += 16;
    r2 += 16;
    r3 += 16;
  }
  putFour(scores, sumFour(a0, a1, a2, a3), accumulate);
  putFour(scores + scoreBytes, sumFour(b0, b1, b2, b3), accumulate);
}

/** One query × eight rows. */
@inline
function scoreOne(query: usize, row: usize, rowBytes: usize, n: u32, scores: usize, accumulate: bool): void {
  const last = query + ((<usize>(n & ~3)) << 2);
  if (ASC_FEATURE_SIMD) {
    let r0 = row;
    let r1 = r0 + rowBytes;
    let r2 = r1 + rowBytes;
    let r3 = r2 + rowBytes;
    let r4 = r3 + rowBytes;
    let r5 = r4 + rowBytes;
    let r6 = r5 + rowBytes;
    let r7 = r6 + rowBytes;
    let s0 = f32x4.splat(0);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    let s4 = s0;
    let s5 = s0;
    let s6 = s0;
    let s7 = s0;
    while (query < last) {
      const v = v128.load(query);
      s0 = multiplyAdd(v, v128.load(r0), s0);
      s1 = multiplyAdd(v, v128.load(r1), s1);
      s2 = multiplyAdd(v, v128.load(r2), s2);
      s3 = multiplyAdd(v, v128.load(r3), s3);
      s4 = multiplyAdd(v, v128.load(r4), s4);
      s5 = multiplyAdd(v, v128.load(r5), s5);
      s6 = multiplyAdd(v, v128.load(r6), s6);
      s7 = multiplyAdd(v, v128.load(r7), s7);
      query += 16;
      r0 += 16;
      r1 += 16;
      r2 += 16;
      r3 += 16;
      r4 += 16;
      r5 += 16;
      r6 += 16;
      r7 += 16;
    }
    putFour(scores, sumFour(s0, s1, s2, s3), accumulate);
    putFour(scores + 16, sumFour(s4, s5, s6, s7), accumulate);
  } else {
    for (let r: u32 = 0; r < TILE_ROWS; r++, row += rowBytes, scores += 4) {
      let s0: f32 = 0, s1: f32 = 0, s2: f32 = 0, s3: f32 = 0;
      for (let q = query, k = row; q < last; q += 16, k += 16) {
        s0 += load<f32>(q) * load<f32>(k);
        s1 += load<f32>(q, 4) * load<f32>(k, 4);
        s2 += load<f32>(q, 8) * load<f32>(k, 8);
        s3 += load<f32>(q, 12) * load<f32>(k, 12);
      }
      const sum = s0 + s2 + (s1 + s3);
      store<f32>(scores, accumulate ? load<f32>(scores) + sum : sum);
    }
  }
}

/** Adds the last n mod 4 elements of one query's eight dots. */
@inline
function scoreTails(query: usize, row: usize, rowBytes: usize, n: u32, scores: usize): void {
  for (let i = n & ~3; i < n; i++) {
    const at = (<usize>i) << 2;
    const value = load<f32>(query + at);
    let k = row + at;
    for (let r: usize = 0; r < 4 * <usize>TILE_ROWS; r += 4, k += rowBytes) {
      store<f32>(scores + r, load<f32>(scores + r) + value * load<f32>(k));
    }
  }
}

/** The sums of the lanes of four vectors, each summed as `sumLanes` of float/vector does. */
@inline
function sumFour(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(i32x4.shuffle(a, b, 0, 4, 1, 5), i32x4.shuffle(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(i32x4.shuffle(c, d, 0, 4, 1, 5), i32x4.shuffle(c, d, 2, 6, 3, 7));
  return f32x4.add(i64x2.shuffle(ab, cd, 0, 2), i64x2.shuffle(ab, cd, 1, 3));
}

@inline
function putFour(target: usize, sums: v128, accumulate: bool): void {
  v128.store(target, accumulate ? f32x4.add(v128.load(target), sums) : sums);
}

/** Adds `present` weighted rows to each query's target. Strides are in floats. */
export function mixTile(
  weights: usize, weightStride: u32, queries: u32, tile: usize, stride: u32, present: u32, n: u32, target: usize,
  targetStride: u32,
): void {
  const weightBytes = (<usize>weightStride) << 2;
  const targetBytes = (<usize>targetStride) << 2;
  const rowBytes = (<usize>stride) << 2;
  const end = tile + <usize>present * rowBytes;
  let q: u32 = 0;
  if (ASC_FEATURE_SIMD) {
    for (; q + 2 <= queries; q += 2, weights += 2 * weightBytes, target += 2 * targetBytes) {
      const done = mixTwo(weights, weightBytes, tile, end, rowBytes, n, target, targetBytes);
      mixRest(weights, tile, end, rowBytes, done, n, target);
      mixRest(weights + weightBytes, tile, end, rowBytes, done, n, target + targetBytes);
    }
    if (q < queries) {
      const done = mixOne(weights, tile, end, rowBytes, n, target);
      mixRest(weights, tile, end, rowBytes, done, n, target);
    }
  } else {
    for (; q < queries; q++, weights += weightBytes, target += targetBytes) {
      mixRest(weights, tile, end, rowBytes, 0, n, target);
    }
  }
}

/** Two queries × 16 values at a time; returns how many values are done. */
@inline
function mixTwo(
  weights: usize, weightBytes: usize, tile: usize, end: usize, rowBytes: usize, n: u32, target: usize,
  targetBytes: usize,
): u32 {
  let i: u32 = 0;
  for (let a = target, b = target + targetBytes; i + 16 <= n; i += 16, a += 64, b += 64, tile += 64, end += 64) {
    let a0 = v128.load(a);
    let a1 = v128.load(a, 16);
    let a2 = v128.load(a, 32);
    let a3 = v128.load(a, 48);
    let b0 = v128.load(b);
    let b1 = v128.load(b, 16);
    let b2 = v128.load(b, 32);
    let b3 = v128.load(b, 48);
    let w = weights;
    let x = weights + weightBytes;
    for (let row = tile; row != end; row += rowBytes, w += 4, x += 4) {
      const wa = v128.load32_splat(w);
      const wb = v128.load32_splat(x);
      const v0 = v128.load(row);
      a0 = multiplyAdd(wa, v0, a0);
      b0 = multiplyAdd(wb, v0, b0);
      const v1 = v128.load(row, 16);
      a1 = multiplyAdd(wa, v1, a1);
      b1 = multiplyAdd(wb, v1, b1);
      const v2 = v128.load(row, 32);
      a2 = multiplyAdd(wa, v2, a2);
      b2 = multiplyAdd(wb, v2, b2);
      const v3 = v128.load(row, 48);
      a3 = multiplyAdd(wa, v3, a3);
      b3 = multiplyAdd(wb, v3, b3);
    }
    v128.store(a, a0);
    v128.store(a, a1, 16);
    v128.store(a, a2, 32);
    v128.store(a, a3, 48);
    v128.store(b, b0);
    v128.store(b, b1, 16);
    v128.store(b, b2, 32);
    v128.store(b, b3, 48);
  }
  return i;
}

/** One query × 32 values at a time; returns how many values are done. */
@inline
function mixOne(weights: usize, tile: usize, end: usize, rowBytes: usize, n: u32, target: usize): u32 {
  let i: u32 = 0;
  for (; i + 32 <= n; i += 32, target += 128, tile += 128, end += 128) {
    let s0 = v128.load(target);
    let s1 = v128.load(target, 16);
    let s2 = v128.load(target, 32);
    let s3 = v128.load(target, 48);
    let s4 = v128.load(target, 64);
    let s5 = v128.load(target, 80);
    let s6 = v128.load(target, 96);
    let s7 = v128.load(target, 112);
    let w = weights;
    for (let row = tile; row != end; row += rowBytes, w += 4) {
      const weight = v128.load32_splat(w);
      s0 = multiplyAdd(weight, v128.load(row), s0);
      s1 = multiplyAdd(weight, v128.load(row, 16), s1);
      s2 = multiplyAdd(weight, v128.load(row, 32), s2);
      s3 = multiplyAdd(weight, v128.load(row, 48), s3);
      s4 = multiplyAdd(weight, v128.load(row, 64), s4);
      s5 = multiplyAdd(weight, v128.load(row, 80), s5);
      s6 = multiplyAdd(weight, v128.load(row, 96), s6);
      s7 = multiplyAdd(weight, v128.load(row, 112), s7);
    }
    v128.store(target, s0);
    v128.store(target, s1, 16);
    v128.store(target, s2, 32);
    v128.store(target, s3, 48);
    v128.store(target, s4, 64);
    v128.store(target, s5, 80);
    v128.store(target, s6, 96);
    v128.store(target, s7, 112);
  }
  return i;
}

/** The values from `i` on, four at a time and then one by one. */
@inline
function mixRest(weights: usize, tile: usize, end: usize, rowBytes: usize, i: u32, n: u32, target: usize): void {
  const skip = (<usize>i) << 2;
  tile += skip;
  end += skip;
  target += skip;
  for (; i + 4 <= n; i += 4, tile += 16, end += 16, target += 16) {
    let w = weights;
    if (ASC_FEATURE_SIMD) {
      let sum = v128.load(target);
      for (let row = tile; row != end; row += rowBytes, w += 4) {
        sum = multiplyAdd(v128.load32_splat(w), v128.load(row), sum);
      }
      v128.store(target, sum);
    } else {
      let s0 = load<f32>(target);
      let s1 = load<f32>(target, 4);
      let s2 = load<f32>(target, 8);
      let s3 = load<f32>(target, 12);
      for (let row = tile; row != end; row += rowBytes, w += 4) {
        const weight = load<f32>(w);
        s0 += weight * load<f32>(row);
        s1 += weight * load<f32>(row, 4);
        s2 += weight * load<f32>(row, 8);
        s3 += weight * load<f32>(row, 12);
      }
      store<f32>(target, s0);
      store<f32>(target, s1, 4);
      store<f32>(target, s2, 8);
      store<f32>(target, s3, 12);
    }
  }
  for (; i < n; i++, tile += 4, end += 4, target += 4) {
    let sum = load<f32>(target);
    let w = weights;
    for (let row = tile; row != end; row += rowBytes, w += 4) sum += load<f32>(w) * load<f32>(row);
    store<f32>(target, sum);
  }
}
