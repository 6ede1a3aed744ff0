/**
 * smollm3: SmolLM3 (Bakouch et al. 2025, huggingface.co/blog/smollm3). As llama, but every fourth layer turns nothing
 * (NoPE: Kazemnejad et al. 2023, arXiv:2305.19466; Yang et al. 2025, arXiv:2501.18795).
 *
 *     a = RMSNorm(x)      x += Attention(a)
 *     m = RMSNorm(x)      x += Wdown · (silu(Wgate m) ⊙ Wup m)
 */
import { groupedAttention, swiglu } from "./blocks";
import { beginLayer, readDecoder } from "./hyper_parameters";
import { Builder, NOTHING, Pairs } from "../program/builder";

export function smollm3(b: Builder): void {
  const h = readDecoder(b);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    if (l % 4 == 3) h.turn = NOTHING;
    x = b.add(x, groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.NEIGHBOURS, 0));
    x = b.add(x, swiglu(b, h, b.rmsNorm(x, "ffn_norm")));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
