/**
 * falcon: Falcon 7B, 40B and 180B (Almazrouei et al. 2023, arXiv:2311.16867). Attention and the feed-forward network
 * read one LayerNorm, in the larger models each one of its own (attention's is `attn_norm_2`), and are added to the
 * stream together; no linear has a bias. GELU is by erf, as in the training; llama.cpp takes the one by tanh.
 *
 *     x += Attention(LayerNorm(x)) + Wdown · gelu(Wup · LayerNorm(x))
 */
import { groupedAttention, plainFeedForward } from "./blocks";
import { beginLayer, readLayerNormDecoder } from "./hyper_parameters";
import { Activation, Bias, Builder, Pairs } from "../program/builder";

export function falcon(b: Builder): void {
  const h = readLayerNormDecoder(b);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    const m = b.layerNorm(x, "attn_norm");
    const a = b.hasWeight("attn_norm_2") ? b.layerNorm(x, "attn_norm_2") : m;
    const mixed = groupedAttention(b, h, a, Pairs.HALVES, 0);
    x = b.add(x, b.add(mixed, plainFeedForward(b, h, m, Activation.GELU_ERF, Bias.OPTIONAL)));
  }
  b.output();
  b.head(b.layerNorm(x, "output_norm"), "output", "token_embd");
}
