/**
 * The kinds of state that layers keep between passes. A layer asks for one, `b.layer(l, kind, …)`; each kind is a file
 * with the same functions on rows (bytes, write, decode, turn, merge). Dropping, sharing, saving and restoring are the
 * same for all whose rows lie in a pool (rows.ts).
 *
 *     KEY_VALUE   ┌ key of head 0, 1, … │ value of head 0, 1, … ┐     keys after RoPE                  key_value.ts
 *     CROSS       the same of an encoder's output, before all positions of the decoder                   key_value.ts
 *     LATENT      ┌ latent │ rope key ┐     the latent after its norm, the rope key after RoPE         latent.ts
 *     RECURRENT   ┌ tails and matrices, all tokens taken in ┐   a row a pass, not a token         recurrent.ts
 *
 * A row is `heads` vectors of `first` values and `heads` of `second`: of a latent row there is one head. The vectors
 * are encoded one by one (kernels/attention/kv_codec.ts), so that heads can be read one by one.
 */
import * as keyValue from "./key_value";
import * as latent from "./latent";
import * as recurrent from "./recurrent";
import { StateKind, StateShape } from "./shape";
import { turnValues } from "./vectors";
import { HAS_LATENT_ATTENTION, HAS_RECURRENT } from "../parts";

/** The name that a session file gives a kind. */
export function kindName(kind: u32): string {
  switch (kind) {
    case StateKind.KEY_VALUE: return "key_value";
    case StateKind.LATENT: return "latent";
    case StateKind.CROSS: return "cross";
    case StateKind.RECURRENT: return "recurrent";
    default: return "none";
  }
}

/** Bytes of a row whose values are of `kvType`. */
export function rowBytes(s: StateShape, kvType: u32): u32 {
  if (HAS_RECURRENT && s.kind == StateKind.RECURRENT) return recurrent.rowBytes(s);
  return HAS_LATENT_ATTENTION && s.kind == StateKind.LATENT ? latent.rowBytes(s, kvType) : keyValue.rowBytes(s, kvType);
}

/**
 * row ← a token's values: `first` f32[heads · first] and `second` f32[heads · second], keys and values, or a latent and
 * its rope key.
 */
export function writeRow(s: StateShape, kvType: u32, first: usize, second: usize, row: usize): void {
  if (HAS_LATENT_ATTENTION && s.kind == StateKind.LATENT) latent.writeRow(s, kvType, first, second, row);
  else keyValue.writeRow(s, kvType, first, second, row);
}

/** values f32[values of a row] ← a row: the first vectors of all heads, then the second. `writeRow` is its inverse. */
export function readRow(s: StateShape, kvType: u32, row: usize, values: usize): void {
  const second = values + ((<usize>(s.heads * s.first)) << 2);
  if (HAS_LATENT_ATTENTION && s.kind == StateKind.LATENT) latent.decodeLatent(s, kvType, row, values, second);
  else keyValue.readRow(s, kvType, row, values, second);
}

/** Turns the keys among the values of a row, as `turnRow` does those of a row. */
export function turnRead(s: StateShape, values: usize, angles: usize): void {
  if (s.ropePairs == 0) return;
  const isLatent = HAS_LATENT_ATTENTION && s.kind == StateKind.LATENT;
  if (isLatent) turnValues(s, values + ((<usize>s.first) << 2), 1, s.second, 0, angles);
  else turnValues(s, values, s.heads, s.first, s.ropeFrom, angles);
}

/**
 * Turns a row's keys to another position by the angles f32[2 · ropePairs] of the way: RoPE is a rotation, so a row may
 * be moved. Each turn rounds keys in Q8_0 anew. `work` has room for a row's values in f32.
 */
export function turnRow(s: StateShape, kvType: u32, row: usize, angles: usize, work: usize): void {
  if (s.ropePairs == 0) return;
  if (HAS_LATENT_ATTENTION && s.kind == StateKind.LATENT) latent.turnRow(s, kvType, row, angles, work);
  else keyValue.turnRow(s, kvType, row, angles, work);
}

/** target ← (1 − weight) · target + weight · source: two rows become one. `work` has room for two rows in f32. */
export function mergeRow(s: StateShape, kvType: u32, target: usize, source: usize, weight: f32, work: usize): void {
  if (HAS_LATENT_ATTENTION && s.kind == StateKind.LATENT) latent.mergeRow(s, kvType, target, source, weight, work);
  else keyValue.mergeRow(s, kvType, target, source, weight, work);
}
