/**
 * What a cache row is made of: the five functions on rows that the runtime asks of an architecture (write, attend,
 * copy, turn, merge) are here for the two kinds of row there are. Attending is in the kernels; copying a row is copying
 * bytes.
 *
 *     key/value row   ┌ key of kv head 0 … │ value of kv head 0 … ┐     after RoPE
 *     latent row      ┌ latent [rank] │ rope key [ropeSize] ┐           latent after its norm, rope key after RoPE
 *
 * Each key, value, latent and rope key is a vector of its own (`kernels/cache_row.ts`); all are of the cache's type but
 * the rope key beside a latent in Q8_0, which is F16.
 */
import { Context } from "../pass/context";
import { appendRow } from "./rows";
import { rowOf } from "../ops/pass";
import { Global, Model } from "../engine/model";
import { decodeVectors, encodeVectors, ropeKeyType, vectorBytes } from "../kernels/attention/kv_codec";
import { ropeAngles, rotateHalves, rotateInterleaved } from "../kernels/float/rope";

/** Gives each active token a row: its keys and values. */
export function writeKeyValues(c: Context): void {
  const m = c.model;
  const valuesAt = <usize>(m.kvHeads * vectorBytes(c.kvType, m.keySize));
  for (let i: u32 = 0; i < c.active; i++) {
    const row = newRow(c, i);
    encodeVectors(c.kvType, rowOf(c.key, i, m.kvHeads * m.keySize), m.kvHeads, m.keySize, row);
    encodeVectors(c.kvType, rowOf(c.value, i, m.kvHeads * m.valueSize), m.kvHeads, m.valueSize, row + valuesAt);
  }
}

/** Gives each active token a row: its latent and rope key, which lie one behind the other in `key`. */
export function writeLatents(c: Context): void {
  const m = c.model;
  const ropeAt = <usize>vectorBytes(c.kvType, m.rank);
  for (let i: u32 = 0; i < c.active; i++) {
    const row = newRow(c, i);
    const latent = rowOf(c.key, i, m.rowValues);
    encodeVectors(c.kvType, latent, 1, m.rank, row);
    encodeVectors(ropeKeyType(c.kvType), latent + ((<usize>m.rank) << 2), 1, m.ropeSize, row + ropeAt);
  }
}

/** A new row of the current layer for an active token, at the end of its sequence's list. */
function newRow(c: Context, activeIndex: u32): usize {
  const cache = c.cache;
  const token = c.token(activeIndex);
  const sequence = c.sequence(token);
  const index = appendRow(cache, c.layer, sequence, c.position(token));
  store<u32>(c.listIndex + ((<usize>token) << 2), index);
  return cache.row(c.layer, cache.list(sequence, c.layer).row(index));
}

/** target f32[rowValues] = a row's values. */
export function decodeWhole(m: Model, kvType: u32, row: usize, target: usize): void {
  if (m.rank != 0) {
    decodeVectors(kvType, row, 1, m.rank, target);
    const rope = row + <usize>vectorBytes(kvType, m.rank);
    decodeVectors(ropeKeyType(kvType), rope, 1, m.ropeSize, target + ((<usize>m.rank) << 2));
  } else {
    const keys = m.kvHeads * m.keySize;
    decodeVectors(kvType, row, m.kvHeads, m.keySize, target);
    const values = row + <usize>(m.kvHeads * vectorBytes(kvType, m.keySize));
    decodeVectors(kvType, values, m.kvHeads, m.valueSize, target + ((<usize>keys) << 2));
  }
}

/**
 * Turns a row's keys by `delta` positions: RoPE is a rotation, so a row may be moved. `row` is in the cache's type;
 * each turn rounds keys in Q8_0 anew.
 */
export function turnRow(c: Context, row: usize, delta: i32, interleaved: bool): void {
  const model = c.model;
  const pairs = model.ropeSize >> 1;
  const factors = model.weight(Global.ROPE_FACTORS);
  // A rotation by −δ is the inverse of one by δ: angles are made for |δ| and the sine changes sign.
  ropeAngles(delta < 0 ? -delta : delta, pairs, model.ropeBase, factors.present ? factors.data : 0, c.angles);
  if (delta < 0) {
    for (let i: u32 = 0; i < pairs; i++) {
      const sine = c.angles + ((<usize>(pairs + i)) << 2);
      store<f32>(sine, -load<f32>(sine));
    }
  }
  const heads: u32 = model.rank ? 1 : model.kvHeads;
  const size = model.rank ? model.ropeSize : model.keySize;
  const type = model.rank ? ropeKeyType(c.kvType) : c.kvType;
  if (model.rank) row += <usize>vectorBytes(c.kvType, model.rank);
  decodeVectors(type, row, heads, size, c.row);
  for (let head: u32 = 0; head < heads; head++) {
    const key = c.row + ((<usize>(head * size)) << 2);
    if (interleaved) rotateInterleaved(key, c.angles, pairs);
    else rotateHalves(key, c.angles, pairs);
  }
  encodeVectors(type, c.row, heads, size, row);
}

/**
 * target ← (1 − weight) · target + weight · source: two rows become one. Between passes the buffers of keys and values
 * are free to decode into.
 */
export function mergeRow(c: Context, target: usize, source: usize, weight: f32): void {
  const m = c.model;
  if (m.rank) {
    const ropeAt = <usize>vectorBytes(c.kvType, m.rank);
    mergeVector(c.kvType, m.rank, target, source, weight, c.row, c.key);
    mergeVector(ropeKeyType(c.kvType), m.ropeSize, target + ropeAt, source + ropeAt, weight, c.row, c.key);
    return;
  }
  for (let head: u32 = 0; head < 2 * m.kvHeads; head++) {
    const size = head < m.kvHeads ? m.keySize : m.valueSize;
    mergeVector(c.kvType, size, target, source, weight, c.row, head < m.kvHeads ? c.key : c.value);
    const bytes = <usize>vectorBytes(c.kvType, size);
    target += bytes;
    source += bytes;
  }
}

/** `first` and `second` have room for a vector each. */
function mergeVector(
  type: u32, n: u32, target: usize, source: usize, weight: f32, first: usize, second: usize,
): void {
  decodeVectors(type, target, 1, n, first);
  decodeVectors(type, source, 1, n, second);
  for (let at: usize = 0; at < (<usize>n) << 2; at += 4) {
    store<f32>(first + at, (<f32>1 - weight) * load<f32>(first + at) + weight * load<f32>(second + at));
  }
  encodeVectors(type, first, 1, n, target);
}
