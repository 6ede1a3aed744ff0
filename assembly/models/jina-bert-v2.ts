/**
 * jina-bert-v2: Jina Embeddings 2 (Günther et al. 2023, arXiv:2310.19923) and its code and reranking models. As bert,
 * with ALiBi to both sides for positions, and GeGLU in most; models of code have norms of q and k, and a second norm
 * behind the attention that adds the layer's input again.
 *
 *     m = LayerNorm(Attention(x) + x)      x = LayerNorm(Wdown · (gelu(Wgate m) ⊙ Wup m) + bdown + m)
 */
import {
  beginEncoder, beginNormed, encoderFeedForward, fusedFeedForward, readEncoder, textAttention, textVectors,
  tokensAndParts,
} from "./encoders";
import { Activation, Builder, NOTHING, Pooling } from "../program/builder";

export function jinaBertV2(b: Builder): void {
  const h = readEncoder(b);
  h.turn = NOTHING;
  const bias = b.alibi(h.heads, b.float(".attention.max_alibi_bias", 8));
  let x = beginNormed(b, tokensAndParts(b));
  for (let l: u32 = 0; l < b.layers; l++) {
    beginEncoder(b, h, l);
    let m = b.layerNorm(b.add(textAttention(b, h, x, 0, bias), x), "attn_output_norm");
    if (b.hasWeight("attn_norm_2")) m = b.layerNorm(b.add(m, x), "attn_norm_2");
    const isFused = b.rowsIn("ffn_up", h.ffn) == 2 * h.ffn;
    const up = isFused
      ? fusedFeedForward(b, h, m, Activation.GELU_ERF)
      : encoderFeedForward(b, h, m, Activation.GELU_ERF);
    x = b.layerNorm(b.add(up, m), "layer_output_norm");
  }
  b.output();
  textVectors(b, x, Pooling.MEAN, Pooling.CLS);
}
