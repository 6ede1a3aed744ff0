/**
 * bloom: BLOOM and BLOOMZ (BigScience 2022, arXiv:2211.05100). Positions are distances (ALiBi: Press et al. 2021,
 * arXiv:2108.12409); the embeddings are normed; every linear but the head has a bias; q, k and v lie in one matrix.
 *
 *     x = LayerNorm(E[token])
 *     a = LayerNorm(x)      x += Wo · softmax(q kᵀ / √d − slope · distance) v
 *     m = LayerNorm(x)      x += Wdown · gelu(Wup m + bup) + bdown
 */
import { BIASES, groupedAttention, plainFeedForward } from "./blocks";
import { beginLayer, readLayerNormDecoder, replaceRopeByAlibi } from "./hyper_parameters";
import { Activation, Bias, Builder, Pairs } from "../program/builder";

export function bloom(b: Builder): void {
  const h = readLayerNormDecoder(b);
  replaceRopeByAlibi(b, h, 8);
  let x = b.begin(b.layerNorm(b.rowsOf("token_embd", b.hidden), "token_embd_norm"));
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.layerNorm(x, "attn_norm"), Pairs.HALVES, BIASES));
    x = b.add(x, plainFeedForward(b, h, b.layerNorm(x, "ffn_norm"), Activation.GELU, Bias.REQUIRED));
  }
  b.output();
  b.head(b.layerNorm(x, "output_norm"), "output", "token_embd");
}
