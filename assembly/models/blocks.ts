/**
 * Blocks that papers share. A block takes at most three flags: a fourth wish means that the paper spells itself out.
 */
import { HyperParameters, beginLayer } from "./hyper_parameters";
import { HAS_CLAMP, HAS_DISTANCE_BIAS } from "../parts";
import { Activation, Bias, Builder, NOTHING } from "../program/builder";

/** q, k and v must have biases (qwen2). */
export const BIASES: u32 = 1;
/** Each head of q and k is normalised before RoPE (qwen3), or behind it (hunyuan-dense). */
export const HEAD_NORMS: u32 = 2;
export const HEAD_NORMS_BEHIND: u32 = 4;

/**
 * Grouped-query attention (Ainslie et al. 2023, arXiv:2305.13245) with RoPE, as the layer at work turns positions:
 *
 *     q, k, v = Wq a, Wk a, Wv a      q, k = RoPE(q), RoPE(k)      Wo · softmax(q kᵀ · scale) v
 *
 * Wq, Wk and Wv may lie in one matrix, `attn_qkv`.
 */
export function groupedAttention(b: Builder, h: HyperParameters, a: u32, pairs: u32, flags: u32): u32 {
  const bias = flags & BIASES ? Bias.REQUIRED : Bias.OPTIONAL;
  let q = queries(b, h, a, bias);
  let k = keys(b, h, a, bias);
  const v = values(b, h, a, bias);
  if (flags & HEAD_NORMS) {
    q = b.rmsNorm(q, "attn_q_norm", h.heads);
    k = b.rmsNorm(k, "attn_k_norm", h.kvHeads);
  }
  q = turned(b, h, q, h.heads, pairs);
  k = turned(b, h, k, h.kvHeads, pairs);
  if (flags & HEAD_NORMS_BEHIND) {
    q = b.rmsNorm(q, "attn_q_norm", h.heads);
    k = b.rmsNorm(k, "attn_k_norm", h.kvHeads);
  }
  return attentionOf(b, h, q, k, v);
}

/** As `groupedAttention`, with RMSNorm over the whole rows of q and k before RoPE (olmo2, olmoe). */
export function rowNormedAttention(b: Builder, h: HyperParameters, a: u32, pairs: u32): u32 {
  const q = b.rmsNorm(queries(b, h, a, Bias.OPTIONAL), "attn_q_norm");
  const k = b.rmsNorm(keys(b, h, a, Bias.OPTIONAL), "attn_k_norm");
  const v = values(b, h, a, Bias.OPTIONAL);
  return attentionOf(b, h, turned(b, h, q, h.heads, pairs), turned(b, h, k, h.kvHeads, pairs), v);
}

/** Wq a */
export function queries(b: Builder, h: HyperParameters, a: u32, bias: u32): u32 {
  return projection(b, h, a, "attn_q", 0, h.heads * h.keySize, bias);
}

/** Wk a */
export function keys(b: Builder, h: HyperParameters, a: u32, bias: u32): u32 {
  return projection(b, h, a, "attn_k", h.heads * h.keySize, h.kvHeads * h.keySize, bias);
}

/** Wv a */
export function values(b: Builder, h: HyperParameters, a: u32, bias: u32): u32 {
  return projection(b, h, a, "attn_v", (h.heads + h.kvHeads) * h.keySize, h.kvHeads * h.valueSize, bias);
}

/** Wq a, Wk a or Wv a: a matrix of its own, or rows `from` … of the one that holds all three. */
export function projection(
  b: Builder, h: HyperParameters, a: u32, name: string, from: u32, width: u32, bias: u32,
): u32 {
  if (!b.hasWeight("attn_qkv")) return clamped(b, h, b.linear(a, name, width, bias));
  const whole = (h.heads + h.kvHeads) * h.keySize + h.kvHeads * h.valueSize;
  return clamped(b, h, b.linearRows(a, "attn_qkv", from, width, whole, bias));
}

/** q, k or v, held between ± `h.clamp`, where the model says so. */
function clamped(b: Builder, h: HyperParameters, x: u32): u32 {
  return HAS_CLAMP ? b.clamp(x, h.clamp) : x;
}

/** RoPE as the layer at work turns positions; x itself where it does not. */
export function turned(b: Builder, h: HyperParameters, x: u32, heads: u32, pairs: u32): u32 {
  return h.turn == NOTHING ? x : b.rope(x, heads, 0, h.turn, pairs);
}

/**
 * Wo · softmax(q kᵀ · scale) v; scores are capped or biased by distance, and queries grow with their position, where
 * the model says so.
 */
export function attentionOf(b: Builder, h: HyperParameters, q: u32, k: u32, v: u32): u32 {
  const mixed = b.attention(b.scaleByPosition(q, h.growth, h.growthLength), k, v, h.heads, h.scale);
  b.capScores(h.cap);
  if (HAS_DISTANCE_BIAS) b.biasScores(h.bias);
  return b.linear(mixed, "attn_output", b.hidden);
}

/** SwiGLU (Shazeer 2020, arXiv:2002.05202): Wdown · (silu(Wgate m) ⊙ Wup m). */
export function swiglu(b: Builder, h: HyperParameters, m: u32): u32 {
  return gatedFeedForward(b, h, m, Activation.SILU);
}

/** Wdown · (f(Wgate m) ⊙ Wup m) */
export function gatedFeedForward(b: Builder, h: HyperParameters, m: u32, activation: u32): u32 {
  const gate = b.linear(m, "ffn_gate", h.ffn);
  const up = b.linear(m, "ffn_up", h.ffn);
  return b.linear(b.activation(activation, gate, up), "ffn_down", b.hidden);
}

/** Wdown · relu(Wup m)² */
export function reluSquaredFeedForward(b: Builder, h: HyperParameters, m: u32): u32 {
  return b.linear(b.squaredRelu(b.linear(m, "ffn_up", h.ffn)), "ffn_down", b.hidden);
}

/** SwiGLU whose Wgate and Wup lie in one matrix, `ffn_up`: Wgate first (phi3, glm4). */
export function fusedSwiglu(b: Builder, h: HyperParameters, m: u32): u32 {
  const gate = b.linearRows(m, "ffn_up", 0, h.ffn, 2 * h.ffn);
  const up = b.linearRows(m, "ffn_up", h.ffn, h.ffn, 2 * h.ffn);
  return b.linear(b.swiglu(gate, up), "ffn_down", b.hidden);
}

/** Wdown · f(Wup m + bup) + bdown: biases that the file has, or must have. */
export function plainFeedForward(b: Builder, h: HyperParameters, m: u32, activation: u32, bias: u32): u32 {
  const up = b.linear(m, "ffn_up", h.ffn, bias);
  return b.linear(b.activation(activation, up), "ffn_down", b.hidden, bias);
}

/**
 * The layers and the head of the decoder that most are, llama's:
 *
 *     a = RMSNorm(x)      x += Attention(a)
 *     m = RMSNorm(x)      x += Wdown · (silu(Wgate m) ⊙ Wup m)
 */
export function commonDecoder(b: Builder, h: HyperParameters, pairs: u32, flags: u32): void {
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), pairs, flags));
    x = b.add(x, swiglu(b, h, b.rmsNorm(x, "ffn_norm")));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
