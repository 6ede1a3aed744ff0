/**
 * nomic-bert: Nomic Embed (Nussbaum et al. 2024, arXiv:2402.01613), CodeRankEmbed. As bert, with RoPE for positions and
 * SwiGLU.
 *
 *     x = LayerNorm(token + part)
 *     m = LayerNorm(Attention(x) + x)      x = LayerNorm(Wdown · (silu(Wgate m) ⊙ Wup m) + m)
 */
import {
  beginEncoder, beginNormed, encoderFeedForward, readEncoder, textAttention, textVectors, tokensAndParts,
} from "./encoders";
import { Activation, Builder, Pooling } from "../program/builder";

export function nomicBert(b: Builder): void {
  const h = readEncoder(b);
  let x = beginNormed(b, tokensAndParts(b));
  for (let l: u32 = 0; l < b.layers; l++) {
    beginEncoder(b, h, l);
    const m = b.layerNorm(b.add(textAttention(b, h, x), x), "attn_output_norm");
    x = b.layerNorm(b.add(encoderFeedForward(b, h, m, Activation.SILU), m), "layer_output_norm");
  }
  b.output();
  textVectors(b, x, Pooling.MEAN, Pooling.CLS);
}
