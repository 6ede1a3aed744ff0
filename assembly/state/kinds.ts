/**
 * The kinds of state that layers keep between passes. A layer asks for one, `b.layer(l, kind, …)`; each kind is a file
 * with the same functions on rows (bytes, write, decode, turn, merge). Dropping, sharing, saving and restoring are the
 * same for all whose rows lie in a pool (rows.ts).
 *
 *     KEY_VALUE   ┌ key of head 0, 1, … │ value of head 0, 1, … ┐     keys after RoPE                  key_value.ts
 *     LATENT      ┌ latent │ rope key ┐     the latent after its norm, the rope key after RoPE         latent.ts
 *
 * A row is `heads` vectors of `first` values and `heads` of `second`: of a latent row there is one head. The vectors
 * are encoded one by one (kernels/attention/kv_codec.ts), so that heads can be read one by one.
 */
import * as keyValue from "./key_value";
import * as latent from "./latent";

export namespace StateKind {
  /** A layer without state. */
  export const NONE: u32 = 0;
  export const KEY_VALUE: u32 = 1;
  export const LATENT: u32 = 2;
}

/** What the rows of a group of layers are: layers that ask for the same share one pool. */
@unmanaged
export class StateShape {
  kind: u32;
  /** Layers that have it. */
  layers: u32;
  heads: u32;
  /** Values of a head's key, or of a latent. */
  first: u32;
  /** Values of a head's value, or of a rope key. */
  second: u32;
  /** How keys were turned, so that rows can move: pairs of dimensions, from which one on; 0: not at all. */
  ropePairs: u32;
  ropeFrom: u32;
  /** 1: the pairs are (2i, 2i + 1), else (i, i + n/2). */
  ropeNeighbours: u32;
  ropeBase: f32;
  /** The weight that has the factors of the angles, plus 1; 0: none. */
  ropeFactors: u32;

  /** Values of a row. */
  @inline
  get values(): u32 {
    return this.heads * (this.first + this.second);
  }
}

/** The name that a session file gives a kind. */
export function kindName(kind: u32): string {
  switch (kind) {
    case StateKind.KEY_VALUE: return "key_value";
    case StateKind.LATENT: return "latent";
    default: return "none";
  }
}

/** Whether a sequence can forget its last tokens and go on as if they had never been. */
export function canRewind(kind: u32): bool {
  return kind <= StateKind.LATENT;
}

/** Bytes of a row whose values are of `kvType`. */
export function rowBytes(s: StateShape, kvType: u32): u32 {
  return s.kind == StateKind.LATENT ? latent.rowBytes(s, kvType) : keyValue.rowBytes(s, kvType);
}

/**
 * row ← a token's values: `first` f32[heads · first] and `second` f32[heads · second], keys and values, or a latent and
 * its rope key.
 */
export function writeRow(s: StateShape, kvType: u32, first: usize, second: usize, row: usize): void {
  if (s.kind == StateKind.LATENT) latent.writeRow(s, kvType, first, second, row);
  else keyValue.writeRow(s, kvType, first, second, row);
}

/**
 * Turns a row's keys to another position by the angles f32[2 · ropePairs] of the way: RoPE is a rotation, so a row may
 * be moved. Each turn rounds keys in Q8_0 anew. `work` has room for a row's values in f32.
 */
export function turnRow(s: StateShape, kvType: u32, row: usize, angles: usize, work: usize): void {
  if (s.ropePairs == 0) return;
  if (s.kind == StateKind.LATENT) latent.turnRow(s, kvType, row, angles, work);
  else keyValue.turnRow(s, kvType, row, angles, work);
}

/** target ← (1 − weight) · target + weight · source: two rows become one. `work` has room for two rows in f32. */
export function mergeRow(s: StateShape, kvType: u32, target: usize, source: usize, weight: f32, work: usize): void {
  if (s.kind == StateKind.LATENT) latent.mergeRow(s, kvType, target, source, weight, work);
  else keyValue.mergeRow(s, kvType, target, source, weight, work);
}
