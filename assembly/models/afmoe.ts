/**
 * afmoe: Arcee Trinity Nano and Mini (Arcee AI 2025). Norms before and behind both halves; each head of q and k is
 * normalised; what attention gives is gated value by value; three layers with a window, which alone turn, stand before
 * one that sees all. The first layers are dense, the others have experts and shared ones beside them.
 *
 *     x = √n · E[token]
 *     a = RMSNorm(x)      x += RMSNorm(Wo (softmax(q kᵀ / √d) v ⊙ sigmoid(Wgate a)))
 *     m = RMSNorm(x)      x += RMSNorm(SwiGLU(m)), or RMSNorm(Experts(m) + SwiGLU(m))
 */
import { keys, queries, turned, values } from "./blocks";
import { denseOrExperts, readExperts, readSharedWidth } from "./experts";
import { HyperParameters, beginLayer, readDecoder, readWindows, windowOf } from "./hyper_parameters";
import { Bias, Builder, Gating, LAYER_LIMIT, NOTHING, Pairs } from "../program/builder";

export function afmoe(b: Builder): void {
  const h = readDecoder(b);
  readWindows(b, h, 4, 0);
  // Layers with a window have `localRope`, which is the model's only one.
  if (h.window) h.rope = NOTHING;
  readExperts(b, h, Gating.SIGMOID, 0);
  const shared = readSharedWidth(b, h);
  const dense = b.countOr(".leading_dense_block_count", 0, 0, LAYER_LIMIT);
  let x = b.embedding("token_embd", <f32>sqrt<f64>(b.hidden));
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l, windowOf(b, h, l));
    x = b.add(x, b.rmsNorm(attention(b, h, b.rmsNorm(x, "attn_norm")), "post_attention_norm"));
    const given = denseOrExperts(b, h, b.rmsNorm(x, "ffn_norm"), l < dense, shared);
    x = b.add(x, b.rmsNorm(given, "post_ffw_norm"));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}

function attention(b: Builder, h: HyperParameters, a: u32): u32 {
  const q = b.rmsNorm(queries(b, h, a, Bias.OPTIONAL), "attn_q_norm", h.heads);
  const k = b.rmsNorm(keys(b, h, a, Bias.OPTIONAL), "attn_k_norm", h.kvHeads);
  const v = values(b, h, a, Bias.OPTIONAL);
  const gates = b.linear(a, "attn_gate", h.heads * h.valueSize);
  const turnedKeys = turned(b, h, k, h.kvHeads, Pairs.HALVES);
  const mixed = b.attention(turned(b, h, q, h.heads, Pairs.HALVES), turnedKeys, v, h.heads, h.scale);
  return b.linear(b.gate(mixed, gates), "attn_output", b.hidden);
}
