/**
 * gemma2: Gemma 2 (Gemma Team 2024, arXiv:2408.00118). As gemma, with norms behind attention and the feed-forward
 * network too, a window in every other layer, and caps: 50 · tanh(s / 50) of scores, 30 · tanh(l / 30) of logits.
 *
 *     a = RMSNorm(x)      x += RMSNorm(Attention(a))
 *     m = RMSNorm(x)      x += RMSNorm(Wdown · (gelu(Wgate m) ⊙ Wup m))
 */
import { gatedFeedForward, groupedAttention } from "./blocks";
import { beginLayer, readDecoder, readWindows, windowOf } from "./hyper_parameters";
import { Activation, Builder, Pairs } from "../program/builder";

/** Layers of the 27B model, whose scores are multiplied with another number. */
const LARGEST: u32 = 46;

export function gemma2(b: Builder): void {
  const h = readDecoder(b);
  readWindows(b, h, 2, 4096);
  h.cap = b.float(".attn_logit_softcapping", 50);
  if (b.layers == LARGEST) h.scale = <f32>(1.0 / sqrt<f64>(b.hidden / h.heads));
  let x = b.embedding("token_embd", <f32>sqrt<f64>(b.hidden));
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l, windowOf(b, h, l));
    const mixed = groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.HALVES, 0);
    x = b.add(x, b.rmsNorm(mixed, "post_attention_norm"));
    const up = gatedFeedForward(b, h, b.rmsNorm(x, "ffn_norm"), Activation.GELU);
    x = b.add(x, b.rmsNorm(up, "post_ffw_norm"));
  }
  b.output();
  b.tiedHead(b.rmsNorm(x, "output_norm"), "token_embd", 1, b.float(".final_logit_softcapping", 30));
}
