/**
 * seed_oss: Seed-OSS 36B (ByteDance Seed 2025). As qwen2, whose biases may be missing; the norm before the feed-forward
 * network is called `post_attention_norm`.
 *
 *     a = RMSNorm(x)      x += Attention(a)
 *     m = RMSNorm(x)      x += Wdown · (silu(Wgate m) ⊙ Wup m)
 */
import { groupedAttention, swiglu } from "./blocks";
import { beginLayer, readDecoder } from "./hyper_parameters";
import { Builder, Pairs } from "../program/builder";

export function seedOss(b: Builder): void {
  const h = readDecoder(b);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.HALVES, 0));
    x = b.add(x, swiglu(b, h, b.rmsNorm(x, "post_attention_norm")));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
