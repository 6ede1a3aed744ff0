/**
 * starcoder2: StarCoder 2 (Lozhkov et al. 2024, arXiv:2402.19173), and codeshell: CodeShell 7B (Xie et al. 2024,
 * arXiv:2403.15747), whose file may have the head alone for both. As llama, with LayerNorms and biases, and a
 * feed-forward network of two matrices. Where the file has a window, all layers have it.
 *
 *     a = LayerNorm(x)      x += Attention(a)
 *     m = LayerNorm(x)      x += Wdown · gelu(Wup m + bup) + bdown
 */
import { groupedAttention, plainFeedForward } from "./blocks";
import { beginLayer, readLayerNormDecoder, readWindows, windowOf } from "./hyper_parameters";
import { Activation, Bias, Builder, Pairs } from "../program/builder";

export function starcoder2(b: Builder): void {
  const h = readLayerNormDecoder(b);
  readWindows(b, h, 0, 0);
  let x = b.embedding(b.hasWeight("token_embd") ? "token_embd" : "output");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l, windowOf(b, h, l));
    x = b.add(x, groupedAttention(b, h, b.layerNorm(x, "attn_norm"), Pairs.HALVES, 0));
    x = b.add(x, plainFeedForward(b, h, b.layerNorm(x, "ffn_norm"), Activation.GELU, Bias.OPTIONAL));
  }
  b.output();
  b.head(b.layerNorm(x, "output_norm"), "output", "token_embd");
}
