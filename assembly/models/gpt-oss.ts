/**
 * gpt-oss: gpt-oss 20B and 120B (OpenAI 2025, arXiv:2508.10925). Grouped-query attention whose softmax has one more
 * score a head, without a value (a sink); a window in every other layer; experts whose gate and up are clamped; biases
 * everywhere.
 *
 *     a = RMSNorm(x)      x += Wo · softmax([q kᵀ / √d | sink]) v + bo
 *     m = RMSNorm(x)      S = the largest of Wr m + br, w their softmax
 *     x += Σ w_e · (Wdown_e · (min(g, 7) · sigmoid(1.702 g) ⊙ (clamp(u, −7, 7) + 1)) + bdown_e)    g, u = Wgate_e m + …
 */
import { projection, turned } from "./blocks";
import { experts, readExperts } from "./experts";
import { HyperParameters, beginLayer, readDecoder, readWindows, windowOf } from "./hyper_parameters";
import { Activation, Bias, Builder, Gating, Pairs } from "../program/builder";

export function gptOss(b: Builder): void {
  const h = readDecoder(b);
  readWindows(b, h, 2, 0);
  if (h.window == 0)
    b.broken(
      "attention.sliding_window must be above 0: every other layer has a window; convert the \
model anew",
    );
  readExperts(b, h, Gating.CHOSEN, 0);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l, windowOf(b, h, l));
    x = b.add(x, attention(b, h, b.rmsNorm(x, "attn_norm")));
    const m = b.rmsNorm(x, "post_attention_norm");
    x = b.add(x, experts(b, h, m, Activation.CLAMPED_SILU, Bias.REQUIRED));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}

function attention(b: Builder, h: HyperParameters, a: u32): u32 {
  const keys = h.kvHeads * h.keySize;
  const q = projection(b, h, a, "attn_q", 0, h.heads * h.keySize, Bias.REQUIRED);
  const k = projection(b, h, a, "attn_k", h.heads * h.keySize, keys, Bias.REQUIRED);
  const v = projection(b, h, a, "attn_v", h.heads * h.keySize + keys, h.kvHeads * h.valueSize, Bias.REQUIRED);
  const mixed = b.attention(
    turned(b, h, q, h.heads, Pairs.HALVES), turned(b, h, k, h.kvHeads, Pairs.HALVES), v, h.heads, h.scale,
  );
  b.sinks("attn_sinks");
  return b.linear(mixed, "attn_output", b.hidden, Bias.REQUIRED);
}
