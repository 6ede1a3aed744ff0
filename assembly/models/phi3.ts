/**
 * phi3: Phi-3 and Phi-3.5 mini, Phi-4 and Phi-4-mini (Abdin et al. 2024, arXiv:2404.14219). As llama, but q, k and v
 * lie in one matrix, Wgate and Wup in another, and part of each head turns. Contexts above the original length divide
 * the angles by LongRoPE's long list of factors (arXiv:2402.13753), others by the short one. The window that files
 * speak of is left out, as llama.cpp does.
 *
 *     a = RMSNorm(x)      x += Attention(a)
 *     m = RMSNorm(x)      x += Wdown · (silu(Wgate m) ⊙ Wup m)
 */
import { fusedSwiglu, groupedAttention } from "./blocks";
import { beginLayer, readDecoder } from "./hyper_parameters";
import { Builder, Pairs } from "../program/builder";

export function phi3(b: Builder): void {
  const h = readDecoder(b);
  b.leaveOutKey(".attention.sliding_window");
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.HALVES, 0));
    x = b.add(x, fusedSwiglu(b, h, b.rmsNorm(x, "ffn_norm")));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
