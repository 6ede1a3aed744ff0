/**
 * phi2: Phi-1, Phi-1.5 and Phi-2 (Li et al. 2023, arXiv:2309.05463). Attention and the feed-forward network read one
 * LayerNorm and are added to the stream together; the first dimensions of a head turn, by halves; every linear has a
 * bias, the head too.
 *
 *     a = LayerNorm(x)      x += Attention(a) + (Wdown · gelu(Wup a + bup) + bdown)
 */
import { BIASES, groupedAttention, plainFeedForward } from "./blocks";
import { beginLayer, readLayerNormDecoder } from "./hyper_parameters";
import { Activation, Bias, Builder, Pairs } from "../program/builder";

export function phi2(b: Builder): void {
  const h = readLayerNormDecoder(b);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    const a = b.layerNorm(x, "attn_norm");
    const mixed = groupedAttention(b, h, a, Pairs.HALVES, BIASES);
    x = b.add(x, b.add(mixed, plainFeedForward(b, h, a, Activation.GELU, Bias.REQUIRED)));
  }
  b.output();
  b.head(b.layerNorm(x, "output_norm"), "output", "token_embd");
}
