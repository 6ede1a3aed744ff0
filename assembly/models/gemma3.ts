/**
 * gemma3: Gemma 3 (Gemma Team 2025, arXiv:2503.19786), the text part. As gemma2 without the cap of scores; each head of
 * q and k is normalised before RoPE; five layers with a window and a rope of base 10,000 of their own stand before one
 * that sees all.
 *
 *     a = RMSNorm(x)      x += RMSNorm(Attention(a)), with RMSNorm(q), RMSNorm(k) head by head
 *     m = RMSNorm(x)      x += RMSNorm(Wdown · (gelu(Wgate m) ⊙ Wup m))
 */
import { HEAD_NORMS, gatedFeedForward, groupedAttention } from "./blocks";
import { beginLayer, readDecoder, readLocalRope, readWindows, windowOf } from "./hyper_parameters";
import { Activation, Builder, Pairs } from "../program/builder";

/** Layers of the 27B model, whose scores are multiplied with another number. */
const LARGEST: u32 = 62;

export function gemma3(b: Builder): void {
  const h = readDecoder(b);
  readWindows(b, h, 6, 0);
  readLocalRope(b, h, 10000);
  if (b.layers == LARGEST) h.scale = <f32>(1.0 / sqrt<f64>(b.hidden / h.heads));
  let x = b.embedding("token_embd", <f32>sqrt<f64>(b.hidden));
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l, windowOf(b, h, l));
    const mixed = groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.HALVES, HEAD_NORMS);
    x = b.add(x, b.rmsNorm(mixed, "post_attention_norm"));
    const up = gatedFeedForward(b, h, b.rmsNorm(x, "ffn_norm"), Activation.GELU);
    x = b.add(x, b.rmsNorm(up, "post_ffw_norm"));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd", 1, b.float(".final_logit_softcapping", 0));
}
