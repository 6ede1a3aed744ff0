/**
 * hunyuan-dense: Hunyuan 0.5B to 7B (Tencent 2025). As llama, with RoPE on the halves of a head, and each head of q and
 * k normalised behind it.
 *
 *     a = RMSNorm(x)      x += Attention(a), with RMSNorm(RoPE(q)), RMSNorm(RoPE(k)) head by head
 *     m = RMSNorm(x)      x += Wdown · (silu(Wgate m) ⊙ Wup m)
 */
import { HEAD_NORMS_BEHIND, groupedAttention, swiglu } from "./blocks";
import { beginLayer, readDecoder } from "./hyper_parameters";
import { Builder, Pairs } from "../program/builder";

export function hunyuanDense(b: Builder): void {
  const h = readDecoder(b);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.HALVES, HEAD_NORMS_BEHIND));
    x = b.add(x, swiglu(b, h, b.rmsNorm(x, "ffn_norm")));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
