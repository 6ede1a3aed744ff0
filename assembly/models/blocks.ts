/**
 * Blocks that papers share. A block takes at most three flags: a fourth wish means that the paper spells itself out.
 */
import { HyperParameters } from "./hyper_parameters";
import { Bias, Builder } from "../program/builder";

/** q, k and v must have biases (qwen2). */
export const BIASES: u32 = 1;
/** Each head of q and k is normalised before RoPE (qwen3). */
export const HEAD_NORMS: u32 = 2;

/**
 * Grouped-query attention (Ainslie et al. 2023, arXiv:2305.13245) with RoPE:
 *
 *     q, k, v = Wq a, Wk a, Wv a      q, k = RoPE(q), RoPE(k)      Wo · softmax(q kᵀ · scale) v
 */
export function groupedAttention(b: Builder, h: HyperParameters, a: u32, pairs: u32, flags: u32): u32 {
  const bias = flags & BIASES ? Bias.REQUIRED : Bias.OPTIONAL;
  let q = b.linear(a, "attn_q", h.heads * h.keySize, bias);
  let k = b.linear(a, "attn_k", h.kvHeads * h.keySize, bias);
  const v = b.linear(a, "attn_v", h.kvHeads * h.valueSize, bias);
  if (flags & HEAD_NORMS) {
    q = b.rmsNorm(q, "attn_q_norm", h.heads);
    k = b.rmsNorm(k, "attn_k_norm", h.kvHeads);
  }
  q = b.rope(q, h.heads, 0, h.ropeSize, pairs);
  k = b.rope(k, h.kvHeads, 0, h.ropeSize, pairs);
  return b.linear(b.attention(q, k, v, h.heads, h.scale), "attn_output", b.hidden);
}

/** SwiGLU (Shazeer 2020, arXiv:2002.05202): Wdown · (silu(Wgate m) ⊙ Wup m). */
export function swiglu(b: Builder, h: HyperParameters, m: u32): u32 {
  const gate = b.linear(m, "ffn_gate", h.ffn);
  const up = b.linear(m, "ffn_up", h.ffn);
  return b.linear(b.swiglu(gate, up), "ffn_down", b.hidden);
}
