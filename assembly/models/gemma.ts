/**
 * gemma: Gemma 1 (Gemma Team 2024, arXiv:2403.08295). As llama, with embeddings times √hidden, RoPE on the halves of a
 * head, and GeGLU. The head is the embedding. Files hold 1 + w of the norms.
 *
 *     x = √hidden · E[token]
 *     a = RMSNorm(x)      x += Attention(a)
 *     m = RMSNorm(x)      x += Wdown · (gelu(Wgate m) ⊙ Wup m)
 */
import { gatedFeedForward, groupedAttention } from "./blocks";
import { beginLayer, readDecoder } from "./hyper_parameters";
import { Activation, Builder, Pairs } from "../program/builder";

export function gemma(b: Builder): void {
  const h = readDecoder(b);
  let x = b.embedding("token_embd", <f32>sqrt<f64>(b.hidden));
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.HALVES, 0));
    x = b.add(x, gatedFeedForward(b, h, b.rmsNorm(x, "ffn_norm"), Activation.GELU));
  }
  b.output();
  b.tiedHead(b.rmsNorm(x, "output_norm"), "token_embd");
}
