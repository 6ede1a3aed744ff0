/**
 * hunyuan-moe: Hunyuan-A13B (Tencent 2025). As hunyuan-dense, with experts, whose weights add up to 1, and one beside
 * them that every token goes to.
 *
 *     a = RMSNorm(x)      x += Attention(a), with RMSNorm(RoPE(q)), RMSNorm(RoPE(k)) head by head
 *     m = RMSNorm(x)      x += Experts(m) + SwiGLU(m)
 */
import { HEAD_NORMS_BEHIND, groupedAttention } from "./blocks";
import { NORMALISED, denseOrExperts, readExperts } from "./experts";
import { beginLayer, readDecoder } from "./hyper_parameters";
import { Builder, Gating, Pairs, WIDTH_LIMIT } from "../program/builder";

export function hunyuanMoe(b: Builder): void {
  const h = readDecoder(b);
  readExperts(b, h, Gating.SOFTMAX, NORMALISED);
  const shared = b.countOr(".expert_shared_feed_forward_length", h.ffn, 1, WIDTH_LIMIT);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.HALVES, HEAD_NORMS_BEHIND));
    x = b.add(x, denseOrExperts(b, h, b.rmsNorm(x, "ffn_norm"), false, shared));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
