/**
 * bailingmoe: Ling lite and plus (Ling Team 2025, arXiv:2503.05139), and deepseek: DeepSeekMoE 16B (Dai et al. 2024,
 * arXiv:2401.06066), whose first layers are dense. As llama, with experts and shared ones beside them. bailingmoe2:
 * Ling and Ring mini and flash 2.0 (2025): each head of q and k is normalised before RoPE, which turns halves of a part
 * of it.
 *
 *     a = RMSNorm(x)      x += Attention(a)
 *     m = RMSNorm(x)      x += SwiGLU(m), or Experts(m) + SwiGLU(m)
 */
import { HEAD_NORMS, groupedAttention } from "./blocks";
import { denseOrExperts, readExperts, readSharedWidth } from "./experts";
import { beginLayer, readDecoder } from "./hyper_parameters";
import { Builder, Gating, LAYER_LIMIT, Pairs } from "../program/builder";

export function bailingmoe(b: Builder): void {
  layers(b, Pairs.NEIGHBOURS, 0);
}

export function bailingmoe2(b: Builder): void {
  layers(b, Pairs.HALVES, HEAD_NORMS);
}

function layers(b: Builder, pairs: u32, flags: u32): void {
  const h = readDecoder(b);
  readExperts(b, h, Gating.SOFTMAX, 0);
  const shared = readSharedWidth(b, h);
  const dense = b.countOr(".leading_dense_block_count", 0, 0, LAYER_LIMIT);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), pairs, flags));
    x = b.add(x, denseOrExperts(b, h, b.rmsNorm(x, "ffn_norm"), l < dense, shared));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
