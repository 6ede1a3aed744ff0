/**
 * phimoe: Phi-3.5-MoE, Phi-mini-MoE, Phi-tiny-MoE (Abdin et al. 2024, arXiv:2404.14219; Li et al. 2025,
 * arXiv:2506.18349), after their released code: LayerNorms, and SparseMixer's weights of experts (Liu et al. 2024,
 * arXiv:2409.12136). llama.cpp norms by roots of squares alone, and weighs by a softmax.
 *
 *     a = LayerNorm(x)      x += Attention(a)
 *     m = LayerNorm(x)      x += Experts(m)
 */
import { BIASES, groupedAttention } from "./blocks";
import { experts, readExperts } from "./experts";
import { beginLayer, readDecoder } from "./hyper_parameters";
import { Activation, Builder, Gating, Pairs } from "../program/builder";

export function phimoe(b: Builder): void {
  const h = readDecoder(b);
  b.layerEpsilon = b.epsilon;
  readExperts(b, h, Gating.SOFTMAX, 0);
  h.gating = Gating.MIXER;
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.layerNorm(x, "attn_norm"), Pairs.HALVES, BIASES));
    x = b.add(x, experts(b, h, b.layerNorm(x, "ffn_norm"), Activation.SILU));
  }
  b.output();
  b.head(b.layerNorm(x, "output_norm"), "output", "token_embd");
}
