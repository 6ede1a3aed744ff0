/**
 * eurobert: EuroBERT (Boizard et al. 2025, arXiv:2503.05500): llama's layer, over whole texts.
 *
 *     x += Attention(RMSNorm(x))      x += Wdown · (silu(Wgate m) ⊙ Wup m), m = RMSNorm(x)
 */
import { beginEncoder, encoderFeedForward, readRmsEncoder, textAttention, textVectors } from "./encoders";
import { Activation, Builder, Pooling } from "../program/builder";

export function eurobert(b: Builder): void {
  const h = readRmsEncoder(b);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginEncoder(b, h, l);
    x = b.add(x, textAttention(b, h, b.rmsNorm(x, "attn_norm")));
    x = b.add(x, encoderFeedForward(b, h, b.rmsNorm(x, "ffn_norm"), Activation.SILU));
  }
  b.output();
  textVectors(b, b.rmsNorm(x, "output_norm"), Pooling.MEAN, Pooling.CLS);
}
