/**
 * qwen3moe: Qwen3 with experts (Yang et al. 2025, arXiv:2505.09388): qwen3 whose feed-forward networks are mixtures of
 * experts. The weights of the chosen ones add up to 1.
 *
 *     a = RMSNorm(x)      x += Attention(a), with RMSNorm(q), RMSNorm(k) head by head
 *     m = RMSNorm(x)      x += Experts(m)
 */
import { HEAD_NORMS, groupedAttention } from "./blocks";
import { NORMALISED, SHARES_WIDTH, experts, readExperts } from "./experts";
import { beginLayer, readDecoder } from "./hyper_parameters";
import { Activation, Builder, Gating, Pairs } from "../program/builder";

export function qwen3moe(b: Builder): void {
  const h = readDecoder(b);
  readExperts(b, h, Gating.SOFTMAX, NORMALISED | SHARES_WIDTH);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.HALVES, HEAD_NORMS));
    x = b.add(x, experts(b, h, b.rmsNorm(x, "ffn_norm"), Activation.SILU));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
