/**
 * Multi-head latent attention as decoders with queries of low rank have it (DeepSeek-V2, arXiv:2405.04434, 2.1):
 *
 *     q = Wq a, or Wqb RMSNorm(Wqa a): heads of [nope | rope]    [c | k] = Wkv a    c = RMSNorm(c)    RoPE on q.rope, k
 *     state: [c | k], nothing else                               Wo · MLA(q, rows)
 */
import { HyperParameters, readLatent, setScale } from "./hyper_parameters";
import { Builder, StateKind, WIDTH_LIMIT } from "../program/builder";

/**
 * What a file says of latents. Files whose W_UK and W_UV lie apart give in `key_length` and `value_length` the row of
 * state, and the sizes of heads in keys of their own.
 */
export function readLatentHeads(b: Builder, h: HyperParameters): void {
  if (b.has(".attention.key_length_mla")) {
    h.keySize = b.count(".attention.key_length_mla", 1, WIDTH_LIMIT / h.heads);
    h.valueSize = b.count(".attention.value_length_mla", 1, WIDTH_LIMIT / h.heads);
  }
  readLatent(b, h);
  h.queryRank = b.countOr(".attention.q_lora_rank", 0, 0, WIDTH_LIMIT);
  setScale(b, h, <f32>(1.0 / sqrt<f64>(h.keySize)));
  b.fullHeads = h.heads;
  b.fullKeys = h.keySize;
  b.fullValues = h.valueSize;
}

/** What the attention of the layer at work gives for a. */
export function latentAttention(b: Builder, h: HyperParameters, a: u32, pairs: u32): u32 {
  const rank = h.rank;
  const rope = h.ropeSize;
  const nope = h.keySize - rope;
  let q = queries(b, h, a);
  const ck = b.linear(a, "attn_kv_a_mqa", rank + rope);
  const c = b.rmsNorm(b.part(ck, 0, rank), "attn_kv_a_norm");
  q = b.rope(q, h.heads, nope, h.rope, pairs);
  const k = b.rope(b.part(ck, rank, rope), 1, 0, h.rope, pairs);
  const mixed = b.hasWeight("attn_k_b")
    ? b.splitLatentAttention(q, c, k, "attn_k_b", "attn_v_b", h.heads, nope, h.valueSize, h.scale)
    : b.latentAttention(q, c, k, "attn_kv_b", h.heads, nope, h.valueSize, h.scale);
  return b.linear(mixed, "attn_output", b.hidden);
}

/** Layer `l` begins, which keeps latents and rope keys. */
export function beginLatentLayer(b: Builder, h: HyperParameters, l: u32): void {
  b.layer(l, StateKind.LATENT, 1, h.rank, h.ropeSize);
}

function queries(b: Builder, h: HyperParameters, a: u32): u32 {
  const width = h.heads * h.keySize;
  if (h.queryRank == 0 || b.hasWeight("attn_q")) return b.linear(a, "attn_q", width);
  return b.linear(b.rmsNorm(b.linear(a, "attn_q_a", h.queryRank), "attn_q_a_norm"), "attn_q_b", width);
}
