/**
 * chatglm: ChatGLM 3, GLM-4 9B, GLM-Edge (GLM Team 2024, arXiv:2406.12793). As llama, with RoPE on a part of each head,
 * and Wgate and Wup in one matrix.
 *
 *     a = RMSNorm(x)      x += Attention(a)
 *     m = RMSNorm(x)      x += Wdown · (silu(Wgate m) ⊙ Wup m)
 */
import { fusedSwiglu, groupedAttention } from "./blocks";
import { beginLayer, readDecoder } from "./hyper_parameters";
import { Builder, Pairs } from "../program/builder";

export function chatglm(b: Builder): void {
  const h = readDecoder(b);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.NEIGHBOURS, 0));
    x = b.add(x, fusedSwiglu(b, h, b.rmsNorm(x, "ffn_norm")));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
