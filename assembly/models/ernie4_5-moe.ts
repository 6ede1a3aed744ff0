/**
 * ernie4_5-moe: ERNIE 4.5 21B-A3B and 300B-A47B, text (Baidu 2025, ERNIE 4.5 Technical Report). As llama, with experts
 * behind the first layers, in each layer or in every `interleave_moe_layer_step`-th, and shared ones beside them.
 *
 *     a = RMSNorm(x)      x += Attention(a)
 *     m = RMSNorm(x)      x += SwiGLU(m), or Experts(m) + SwiGLU(m)
 */
import { groupedAttention } from "./blocks";
import { NORMALISED, denseOrExperts, readExperts } from "./experts";
import { beginLayer, readDecoder } from "./hyper_parameters";
import { Builder, Gating, LAYER_LIMIT, Pairs, WIDTH_LIMIT } from "../program/builder";

export function ernie4_5Moe(b: Builder): void {
  const h = readDecoder(b);
  readExperts(b, h, Gating.SOFTMAX, NORMALISED);
  const shared = b.countOr(".expert_shared_feed_forward_length", 0, 0, WIDTH_LIMIT);
  const dense = b.countOr(".leading_dense_block_count", 0, 0, LAYER_LIMIT);
  const step = b.countOr(".interleave_moe_layer_step", 1, 1, LAYER_LIMIT);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.NEIGHBOURS, 0));
    const isDense = l < dense || (l + 1) % step != 0;
    x = b.add(x, denseOrExperts(b, h, b.rmsNorm(x, "ffn_norm"), isDense, shared));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
