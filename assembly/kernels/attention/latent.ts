/**
 * Multi-head latent attention (DeepSeek-V2, PLM). The cache holds, for each token, one latent for all heads and one
 * key that carries the position:
 *
 *     row:        │ latent c: rank │ rope key k: ropeSize │   values of kvType; beside a latent in Q8_0 the key is F16
 *     W (wkv_b):  f32[heads][nope + value][rank]: of each head first the rows that make keys, then those of values
 *
 *     absorbed    score = scale · ((W_K,hᵀ·q_nope)·c + q_rope·k),  u_h = Σ p·c,  out_h = W_V,h·u_h
 *     expanded    key = [W_K,h·c, k],  value = W_V,h·c,  then ordinary attention
 *
 * The forms are equal but for rounding. Absorbed costs heads·(2·rank + ropeSize) a token and row, expanded
 * heads·(nope + ropeSize + value) and heads·(nope + value)·rank once a row: worth it for chunks of some 170 tokens.
 */
import { weigh } from "./grouped";
import { copyTile, decodeRows, decodeTile, mixTile, scoreTile, tiled, TILE_ROWS } from "./grouped_tile";
import { encodeRow, KvType, ropeKeyType, vectorBytes } from "./kv_codec";
import {
  MIX_ROWS, ROPE_MOST, latentQueryBytes, latentScratchBytes, mixLatents, quantizeQueries, scoreLatents, wholeBlocks,
} from "./latent_blocks";
import { axpy, copy, dot } from "../float/vector";

/** Latents are mixed in tiles of so many rows and columns: sums stay in registers for long, a tile in the L1 cache. */
const MIX_COLUMNS: u32 = 64;
/** Bytes of a line of a cache. */
const LINE: usize = 64;

/**
 * Bytes of `attendAbsorbed`'s scratch: scores f32[heads][count, in whole tiles], a tile of rope keys, then one of
 * latents or what the integers need.
 */
export function absorbedScratchBytes(heads: u32, count: u32, rank: u32, ropeSize: u32): u64 {
  const tile = 4 * max<u32>(TILE_ROWS * rank, MIX_ROWS * min<u32>(rank, MIX_COLUMNS));
  const integers =
    latentQueryBytes(heads, rank) + latentQueryBytes(heads, ropeSize) + latentScratchBytes(heads, rank, ropeSize);
  return 4 * (<u64>heads * <u64>tiled(count) + <u64>TILE_ROWS * ropeSize) + <u64>max<u32>(tile, integers);
}

/**
 * target f32[heads·rank] = u of each head, of one token over `count` rows of the pool. qLatent f32[heads·rank] is
 * W_K,hᵀ·q_nope of each head, qRope f32[heads·ropeSize] is rotated. `mass` as of `attend`. A row is decoded once a
 * pass and serves all heads; latents in Q8_0 are multiplied as the integers that they are.
 */
export function attendAbsorbed(
  qLatent: usize, qRope: usize, rows: usize, count: u32, pool: usize, rowBytes: u32, kvType: u32, heads: u32, rank: u32,
  ropeSize: u32, factor: f32, scratch: usize, target: usize, mass: usize,
): void {
  memory.fill(target, 0, (<usize>heads * <usize>rank) << 2);
  if (count == 0) return;
  const stride = tiled(count);
  const ropeTile = scratch + ((<usize>heads * <usize>stride) << 2);
  const tile = ropeTile + ((<usize>TILE_ROWS * <usize>ropeSize) << 2);
  const integers = kvType == KvType.Q8_0 && wholeBlocks(rank) && wholeBlocks(ropeSize);
  const ropeQueries = tile + <usize>latentQueryBytes(heads, rank);
  const work = ropeQueries + <usize>latentQueryBytes(heads, ropeSize);
  if (integers) {
    quantizeQueries(qLatent, heads, rank, 32767, tile);
    quantizeQueries(qRope, heads, ropeSize, ROPE_MOST, ropeQueries);
  }
  const ropeAt = vectorBytes(kvType, rank);
  for (let first: u32 = 0; first < count; first += TILE_ROWS) {
    const scores = scratch + ((<usize>first) << 2);
    if (first % MIX_ROWS == 0) readAhead(rows, first, count, pool, rowBytes);
    if (integers) {
      scoreLatents(
        tile, ropeQueries, heads, rows + ((<usize>first) << 2), min<u32>(count - first, TILE_ROWS), pool, rowBytes,
        rank, ropeSize, work, scores, stride,
      );
      continue;
    }
    decodeTile(kvType, rows, first, count, pool, rowBytes, 0, 1, rank, tile);
    scoreTile(qLatent, rank, heads, tile, rank, rank, scores, stride, false);
    decodeTile(ropeKeyType(kvType), rows, first, count, pool, rowBytes, ropeAt, 1, ropeSize, ropeTile);
    scoreTile(qRope, ropeSize, heads, ropeTile, ropeSize, ropeSize, scores, stride, true);
  }
  weigh(scratch, stride, heads, count, factor, mass);
  for (let first: u32 = 0; first < count; first += MIX_ROWS) {
    const present = min<u32>(count - first, MIX_ROWS);
    const weights = scratch + ((<usize>first) << 2);
    const listed = rows + ((<usize>first) << 2);
    readAhead(rows, first, count, pool, rowBytes);
    if (integers) {
      mixLatents(weights, stride, heads, listed, present, pool, rowBytes, rank, work, target);
      continue;
    }
    for (let column: u32 = 0; column < rank; column += MIX_COLUMNS) {
      const n = min<u32>(rank - column, MIX_COLUMNS);
      decodeRows(kvType, listed, present, pool, rowBytes, vectorBytes(kvType, column), 1, n, tile);
      mixTile(weights, stride, heads, tile, n, present, n, target + ((<usize>column) << 2), rank);
    }
  }
}

/**
 * Reads a byte of each line of `MIX_ROWS` rows of a list of `count`, from entry `begin` on: a stream brings them into
 * the second cache sooner than the kernels would, which come to a line now and then.
 */
function readAhead(rows: usize, begin: u32, count: u32, pool: usize, rowBytes: u32): void {
  if (!ASC_FEATURE_SIMD) return; // hosts without SIMD wait for their instructions, not for memory
  for (const end = min<u32>(begin + MIX_ROWS, count); begin < end; begin++) {
    let p = pool + <usize>load<u32>(rows + ((<usize>begin) << 2)) * <usize>rowBytes;
    for (const last = p + <usize>rowBytes; p < last; p += LINE) load<u8>(p);
  }
}

/** Tokens that share a pass over the expanded rows. */
export const TOKEN_BLOCK: u32 = 16;

/** Bytes of `attendExpanded`'s scratch, `count` being the most rows that a token sees. */
export function expandedScratchBytes(count: u32, nope: u32, ropeSize: u32, value: u32): u64 {
  return 4 * (<u64>TOKEN_BLOCK * <u64>tiled(count) + <u64>TILE_ROWS * <u64>max<u32>(max<u32>(nope, ropeSize), value));
}

/**
 * One head, many tokens: target[t] (f32[value], `targetStride` apart) = attention of query[t] (f32[nope + ropeSize],
 * `queryStride` apart) over the first counts[t] (u32) rows of keys f32[][keyStride], ropeKeys f32[][ropeSize] and
 * values f32[][valueStride]. Strides are in floats. No more rows are read than the largest count. A token's result
 * does not depend on its neighbours.
 */
export function attendExpanded(
  query: usize, queryStride: u32, tokens: u32, counts: usize, keys: usize, keyStride: u32, values: usize,
  valueStride: u32, ropeKeys: usize, nope: u32, ropeSize: u32, value: u32, factor: f32, scratch: usize, target: usize,
  targetStride: u32,
): void {
  for (let begin: u32 = 0; begin < tokens; begin += TOKEN_BLOCK) {
    const block = min<u32>(tokens - begin, TOKEN_BLOCK);
    let most: u32 = 0;
    for (let t: u32 = 0; t < block; t++) most = max<u32>(most, load<u32>(counts + ((<usize>(begin + t)) << 2)));
    const stride = tiled(most);
    const tile = scratch + ((<usize>TOKEN_BLOCK * <usize>stride) << 2);
    const queries = query + ((<usize>begin * <usize>queryStride) << 2);
    const targets = target + ((<usize>begin * <usize>targetStride) << 2);

    for (let first: u32 = 0; first < most; first += TILE_ROWS) {
      const scores = scratch + ((<usize>first) << 2);
      const key = keys + ((<usize>first * <usize>keyStride) << 2);
      const ropeKey = ropeKeys + ((<usize>first * <usize>ropeSize) << 2);
      const ropeQueries = queries + ((<usize>nope) << 2);
      const present = most - first;
      if (present >= TILE_ROWS) {
        scoreTile(queries, queryStride, block, key, keyStride, nope, scores, stride, false);
        scoreTile(ropeQueries, queryStride, block, ropeKey, ropeSize, ropeSize, scores, stride, true);
      } else {
        copyTile(key, keyStride, present, nope, tile);
        scoreTile(queries, queryStride, block, tile, nope, nope, scores, stride, false);
        copyTile(ropeKey, ropeSize, present, ropeSize, tile);
        scoreTile(ropeQueries, queryStride, block, tile, ropeSize, ropeSize, scores, stride, true);
      }
    }

    for (let t: u32 = 0; t < block; t++) {
      const count = load<u32>(counts + ((<usize>(begin + t)) << 2));
      const row = scratch + ((<usize>t * <usize>stride) << 2);
      weigh(row, stride, 1, count, factor, 0);
      // What a token must not see weighs nothing: adding 0 · v leaves every bit as it is.
      memory.fill(row + ((<usize>count) << 2), 0, (<usize>(stride - count)) << 2);
      memory.fill(targets + ((<usize>t * <usize>targetStride) << 2), 0, (<usize>value) << 2);
    }

    for (let first: u32 = 0; first < most; first += TILE_ROWS) {
      mixTile(
        scratch + ((<usize>first) << 2), stride, block, values + ((<usize>first * <usize>valueStride) << 2),
        valueStride, min<u32>(most - first, TILE_ROWS), value, targets, targetStride,
      );
    }
  }
}

export namespace MlaForm {
  export const ABSORBED: u32 = 0;
  export const EXPANDED: u32 = 1;
}

/** Bytes of `mla`'s scratch. */
export function mlaScratchBytes(
  tokens: u32, count: u32, heads: u32, nope: u32, ropeSize: u32, value: u32, rank: u32, form: u32,
): u64 {
  if (form == MlaForm.ABSORBED) {
    const rows = <u64>count * (<u64>rank + <u64>ropeSize + 1);
    const token = <u64>heads * (2 * <u64>rank + <u64>ropeSize);
    return 4 * (rows + token) + absorbedScratchBytes(heads, count, rank, ropeSize);
  }
  const expanded = <u64>count * <u64>tiled(nope + value);
  return 4 * (<u64>tokens + expanded + <u64>TILE_ROWS * <u64>rank) + expandedScratchBytes(count, nope, ropeSize, value);
}

/**
 * The whole of it on plain arrays: target f32[tokens][heads·value] of q f32[tokens][heads·(nope + ropeSize)]
 * (rotated), latent f32[count][rank], ropeKeys f32[count][ropeSize] (rotated) and W f32[heads·(nope + value)][rank];
 * token t sees the rows 0 … positions[t] (i32). The scale is 1/√(nope + ropeSize).
 */
export function mla(
  q: usize, latent: usize, ropeKeys: usize, w: usize, positions: usize, tokens: u32, count: u32, heads: u32, nope: u32,
  ropeSize: u32, value: u32, rank: u32, form: u32, scratch: usize, target: usize,
): void {
  const factor: f32 = <f32>(1.0 / sqrt<f64>(<f64>(nope + ropeSize)));
  if (form == MlaForm.ABSORBED) {
    absorbed(
      q, latent, ropeKeys, w, positions, tokens, count, heads, nope, ropeSize, value, rank, factor, scratch, target,
    );
  } else {
    expanded(
      q, latent, ropeKeys, w, positions, tokens, count, heads, nope, ropeSize, value, rank, factor, scratch, target,
    );
  }
}

/** How many of `count` rows the token at `position` sees. */
@inline
function seen(position: i32, count: u32): u32 {
  return position < 0 ? 0 : min<u32>(<u32>position + 1, count);
}

function absorbed(
  q: usize, latent: usize, ropeKeys: usize, w: usize, positions: usize, tokens: u32, count: u32, heads: u32, nope: u32,
  ropeSize: u32, value: u32, rank: u32, factor: f32, scratch: usize, target: usize,
): void {
  const width = rank + ropeSize;
  const rowBytes = vectorBytes(KvType.F32, width);
  const latentBytes = (<usize>rank) << 2;
  const rows = scratch;
  const pool = rows + ((<usize>count) << 2);
  const qLatent = pool + <usize>count * <usize>rowBytes;
  const qRope = qLatent + <usize>heads * latentBytes;
  const mixed = qRope + ((<usize>heads * <usize>ropeSize) << 2);
  const rest = mixed + <usize>heads * latentBytes;
  for (let t: u32 = 0; t < count; t++) {
    const row = pool + <usize>t * <usize>rowBytes;
    store<u32>(rows + ((<usize>t) << 2), t);
    encodeRow(KvType.F32, latent + <usize>t * latentBytes, rank, row);
    encodeRow(KvType.F32, ropeKeys + ((<usize>t * <usize>ropeSize) << 2), ropeSize, row + latentBytes);
  }
  for (let t: u32 = 0; t < tokens; t++) {
    memory.fill(qLatent, 0, <usize>heads * latentBytes);
    let weight = w;
    for (let h: u32 = 0; h < heads; h++) {
      for (let i: u32 = 0; i < nope; i++, q += 4, weight += latentBytes) {
        axpy(qLatent + <usize>h * latentBytes, load<f32>(q), weight, rank);
      }
      copy(qRope + ((<usize>h * <usize>ropeSize) << 2), q, ropeSize);
      q += (<usize>ropeSize) << 2;
      weight += <usize>value * latentBytes;
    }
    const visible = seen(load<i32>(positions + ((<usize>t) << 2)), count);
    attendAbsorbed(
      qLatent, qRope, rows, visible, pool, rowBytes, KvType.F32, heads, rank, ropeSize, factor, rest, mixed, 0,
    );
    weight = w;
    for (let h: u32 = 0; h < heads; h++) {
      weight += <usize>nope * latentBytes;
      for (let i: u32 = 0; i < value; i++, target += 4, weight += latentBytes) {
        store<f32>(target, dot(weight, mixed + <usize>h * latentBytes, rank));
      }
    }
  }
}

function expanded(
  q: usize, latent: usize, ropeKeys: usize, w: usize, positions: usize, tokens: u32, count: u32, heads: u32, nope: u32,
  ropeSize: u32, value: u32, rank: u32, factor: f32, scratch: usize, target: usize,
): void {
  const made = nope + value;
  const stride = tiled(made);
  const latentBytes = (<usize>rank) << 2;
  const counts = scratch;
  const keys = counts + ((<usize>tokens) << 2);
  const tile = keys + ((<usize>count * <usize>stride) << 2);
  const rest = tile + <usize>TILE_ROWS * latentBytes;
  for (let t: u32 = 0; t < tokens; t++) {
    const at = (<usize>t) << 2;
    store<u32>(counts + at, seen(load<i32>(positions + at), count));
  }
  for (let h: u32 = 0; h < heads; h++, w += <usize>made * latentBytes) {
    // Keys and values of the head: latents are the queries here, and eight rows of W the tile.
    for (let j: u32 = 0; j < made; j += TILE_ROWS) {
      copyTile(w + <usize>j * latentBytes, rank, min<u32>(made - j, TILE_ROWS), rank, tile);
      scoreTile(latent, rank, count, tile, rank, rank, keys + ((<usize>j) << 2), stride, false);
    }
    attendExpanded(
      q + ((<usize>h * <usize>(nope + ropeSize)) << 2), heads * (nope + ropeSize), tokens, counts, keys, stride,
      keys + ((<usize>nope) << 2), stride, ropeKeys, nope, ropeSize, value, factor, rest,
      target + ((<usize>h * <usize>value) << 2), heads * value,
    );
  }
}
