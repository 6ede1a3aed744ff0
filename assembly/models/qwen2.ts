/**
 * qwen2: Qwen2 and Qwen2.5 (Yang et al. 2024, arXiv:2407.10671). As llama, but RoPE turns the halves of a head, and q,
 * k and v have biases.
 *
 *     a = RMSNorm(x)      x += Attention(a)
 *     m = RMSNorm(x)      x += Wdown · (silu(Wgate m) ⊙ Wup m)
 */
import { BIASES, groupedAttention, swiglu } from "./blocks";
import { beginLayer, readDecoder } from "./hyper_parameters";
import { Builder, Pairs } from "../program/builder";

export function qwen2(b: Builder): void {
  const h = readDecoder(b);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.HALVES, BIASES));
    x = b.add(x, swiglu(b, h, b.rmsNorm(x, "ffn_norm")));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
