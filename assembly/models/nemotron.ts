/**
 * nemotron: Minitron 4B and 8B, Nemotron-4, Nemotron-Mini (Parmar et al. 2024, arXiv:2402.16819), and jais2: Jais 2
 * (Anwar et al. 2025), with biases. As llama, with LayerNorms, and a squared ReLU without a gate; of Nemotron's heads
 * the first half turns.
 *
 *     a = LayerNorm(x)      x += Attention(a)
 *     m = LayerNorm(x)      x += Wdown · relu(Wup m)²
 */
import { groupedAttention, reluSquaredFeedForward } from "./blocks";
import { beginLayer, readLayerNormDecoder } from "./hyper_parameters";
import { Builder, Pairs } from "../program/builder";

export function nemotron(b: Builder): void {
  const h = readLayerNormDecoder(b);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.layerNorm(x, "attn_norm"), Pairs.HALVES, 0));
    x = b.add(x, reluSquaredFeedForward(b, h, b.layerNorm(x, "ffn_norm")));
  }
  b.output();
  b.head(b.layerNorm(x, "output_norm"), "output", "token_embd");
}
