/**
 * jina-bert-v3: Jina Embeddings 3 (Sturua et al. 2024, arXiv:2409.10173), without the adapters of its tasks. XLM-R with
 * RoPE.
 *
 *     x = LayerNorm(token + part)
 *     m = LayerNorm(Attention(x) + x)      x = LayerNorm(Wdown · gelu(Wup m + bup) + bdown + m)
 */
import {
  beginEncoder, beginNormed, encoderFeedForward, readEncoder, textAttention, textVectors, tokensAndParts,
} from "./encoders";
import { Activation, Builder, Pooling } from "../program/builder";

export function jinaBertV3(b: Builder): void {
  const h = readEncoder(b);
  let x = beginNormed(b, tokensAndParts(b));
  for (let l: u32 = 0; l < b.layers; l++) {
    beginEncoder(b, h, l);
    const m = b.layerNorm(b.add(textAttention(b, h, x), x), "attn_output_norm");
    x = b.layerNorm(b.add(encoderFeedForward(b, h, m, Activation.GELU_ERF), m), "layer_output_norm");
  }
  b.output();
  textVectors(b, x, Pooling.MEAN, Pooling.CLS);
}
