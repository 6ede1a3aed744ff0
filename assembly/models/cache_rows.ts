/**
 * What a cache row is made of: the five functions on rows that the runtime asks of an architecture (write, attend,
 * copy, turn, merge) are here for the two kinds of row there are. Attending is in the kernels; copying a row is copying
 * bytes.
 *
 *     key/value row   ┌ key of kv head 0 … │ value of kv head 0 … ┐     after RoPE
 *     latent row      ┌ latent [rank] │ rope key [ropeSize] ┐           latent after its norm, rope key after RoPE
 *
 * May call: runtime/context.ts, runtime/cache.ts, kernels/.
 */
import { Context } from "../runtime/context";
import { appendRow } from "../runtime/cache";
import { rowOf } from "../runtime/pass";
import { Global } from "../runtime/model";
import { decodeRow, encodeRow, rowValueBytes } from "../kernels/cache_row";
import { ropeAngles, rotateHalves, rotateInterleaved } from "../kernels/rope";

/** Writes a row for each active token: `first` values of one buffer's row, then `second` values of another's. */
export function writeRows(c: Context, first: usize, firstWidth: u32, second: usize, secondWidth: u32): void {
  const cache = c.cache;
  const half = <usize>firstWidth * rowValueBytes(c.kvType);
  for (let i: u32 = 0; i < c.active; i++) {
    const token = c.token(i);
    const sequence = c.sequence(token);
    const index = appendRow(cache, c.layer, sequence, c.position(token));
    store<u32>(c.listIndex + ((<usize>token) << 2), index);
    const row = cache.row(c.layer, cache.list(sequence, c.layer).row(index));
    encodeRow(c.kvType, rowOf(first, i, firstWidth), firstWidth, row);
    encodeRow(c.kvType, rowOf(second, i, secondWidth), secondWidth, row + half);
  }
}

/** Turns a row's keys by `delta` positions: RoPE is a rotation, so a row may be moved. `row` is in the cache's type. */
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
  decodeRow(c.kvType, row, model.rowValues, c.row);
  const heads: u32 = model.rank ? 1 : model.kvHeads;
  for (let head: u32 = 0; head < heads; head++) {
    const key = c.row + ((<usize>(model.rank ? model.rank : head * model.keySize)) << 2);
    if (interleaved) rotateInterleaved(key, c.angles, pairs);
    else rotateHalves(key, c.angles, pairs);
  }
  encodeRow(c.kvType, c.row, model.rowValues, row);
}

/** target ← (1 − weight) · target + weight · source: two rows become one. */
export function mergeRow(c: Context, target: usize, source: usize, weight: f32): void {
  const model = c.model;
  const bytes = rowValueBytes(c.kvType);
  for (let i: u32 = 0; i < model.rowValues; i++) {
    const at = <usize>i * bytes;
    decodeRow(c.kvType, target + at, 1, c.row);
    decodeRow(c.kvType, source + at, 1, c.row + 4);
    store<f32>(c.row, (<f32>1 - weight) * load<f32>(c.row) + weight * load<f32>(c.row + 4));
    encodeRow(c.kvType, c.row, 1, target + at);
  }
}
