/**
 * qwen3: Qwen3 dense models (Yang et al. 2025, arXiv:2505.09388). As qwen2 without biases; each head of q and k is
 * normalised before RoPE, and the size of a head is its own number. openelm, OpenELM 270M to 3B (Mehta et al. 2024,
 * arXiv:2404.14619), is the same pass; its heads and widths are lists by layer.
 *
 *     a = RMSNorm(x)      x += Attention(a), with RMSNorm(q), RMSNorm(k) head by head
 *     m = RMSNorm(x)      x += Wdown · (silu(Wgate m) ⊙ Wup m)
 */
import { HEAD_NORMS, groupedAttention, swiglu } from "./blocks";
import { beginLayer, readDecoder } from "./hyper_parameters";
import { Builder, Pairs, Pooling } from "../program/builder";

export function qwen3(b: Builder): void {
  const h = readDecoder(b);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.HALVES, HEAD_NORMS));
    x = b.add(x, swiglu(b, h, b.rmsNorm(x, "ffn_norm")));
  }
  b.output();
  x = b.rmsNorm(x, "output_norm");
  // Qwen3-Reranker: two rows are left of the head, those of "yes" and "no".
  if (b.hasWeight("cls.output")) b.vectors = b.linear(b.pool(x, Pooling.RANK, Pooling.LAST), "cls.output", 2);
  else b.head(x, "output", "token_embd");
}
