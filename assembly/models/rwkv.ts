/**
 * What RWKV-6 and RWKV-7 share: LayerNorms everywhere, one behind the embedding, and mixes of a token with the one
 * before it.
 */
import { HyperParameters, readLayerEpsilon, readStream } from "./hyper_parameters";
import { Builder, WIDTH_LIMIT } from "../program/builder";

/** ε of the norm of heads. */
export const HEAD_EPSILON: f32 = 64e-5;

export function readRwkv(b: Builder): HyperParameters {
  b.need(".attention.layer_norm_epsilon");
  const h = readStream(b);
  readLayerEpsilon(b);
  h.keySize = b.count(".wkv.head_size", 1, 4096);
  b.leaveOutKey(".token_shift_count");
  if (b.hidden % h.keySize != 0) {
    b.broken("wkv.head_size {} does not divide embedding_length {}; convert the model anew", h.keySize, b.hidden);
  }
  b.within(".embedding_length times six", 6 * b.hidden, 1, WIDTH_LIMIT);
  return h;
}

/** x = LayerNorm(embedding) */
export function normedEmbedding(b: Builder): u32 {
  return b.begin(b.layerNorm(b.embedding("token_embd"), "token_embd_norm"));
}

/** cur + s ⊙ the vector `name`, or of `whole` values those from `from` on: a mix with the token before. */
export function mixWithShift(b: Builder, current: u32, shift: u32, name: string, from: u32 = 0, whole: u32 = 0): u32 {
  return b.add(current, b.multiply(shift, name, ".weight", from, whole));
}
