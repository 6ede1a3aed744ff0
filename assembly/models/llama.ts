/**
 * llama: Llama 2 and 3, TinyLlama, SmolLM2 (Touvron et al. 2023, arXiv:2302.13971; Llama 3's RoPE factors as
 * `rope_freqs`). A decoder of RMSNorm, grouped-query attention with RoPE on the pairs (2i, 2i + 1), and SwiGLU. The
 * same pass under other names: internlm2, InternLM 2 and 2.5 (Cai et al. 2024, arXiv:2403.17297); ernie4_5, ERNIE 4.5
 * 0.3B (Baidu 2025); xverse, XVERSE 7B to 65B (2023).
 *
 *     a = RMSNorm(x)      x += Attention(a)
 *     m = RMSNorm(x)      x += Wdown · (silu(Wgate m) ⊙ Wup m)
 */
import { groupedAttention, swiglu } from "./blocks";
import { beginLayer, readDecoder } from "./hyper_parameters";
import { Builder, Pairs } from "../program/builder";

export function llama(b: Builder): void {
  const h = readDecoder(b);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.NEIGHBOURS, 0));
    x = b.add(x, swiglu(b, h, b.rmsNorm(x, "ffn_norm")));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
