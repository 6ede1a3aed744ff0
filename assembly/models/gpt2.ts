/**
 * gpt2: GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"), and starcoder: SantaCoder
 * and StarCoder (Li et al. 2023, arXiv:2305.06161), whose heads share one head of keys. Learned positions are added to
 * the embeddings, nothing turns; every linear but the head has a bias; q, k and v lie in one matrix.
 *
 *     x = E[token] + P[position]
 *     a = LayerNorm(x)      x += Attention(a)
 *     m = LayerNorm(x)      x += Wdown · gelu(Wup m + bup) + bdown
 */
import { BIASES, groupedAttention, plainFeedForward } from "./blocks";
import { beginLayer, readLayerNormDecoder } from "./hyper_parameters";
import { Activation, Bias, Builder, NOTHING, Pairs } from "../program/builder";

export function gpt2(b: Builder): void {
  const h = readLayerNormDecoder(b);
  h.rope = NOTHING;
  const token = b.rowsOf("token_embd", b.hidden);
  let x = b.begin(b.add(token, b.positions("position_embd", b.hidden)));
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.layerNorm(x, "attn_norm"), Pairs.HALVES, BIASES));
    x = b.add(x, plainFeedForward(b, h, b.layerNorm(x, "ffn_norm"), Activation.GELU, Bias.REQUIRED));
  }
  b.output();
  b.head(b.layerNorm(x, "output_norm"), "output", "token_embd");
}
