/**
 * olmoe: OLMoE (Muennighoff et al. 2024, arXiv:2409.02060). A pre-norm decoder whose feed-forward networks are mixtures
 * of experts, with weights that do not add up to 1; whole rows of q and k are normalised before RoPE.
 *
 *     a = RMSNorm(x)      x += Attention(a), with RMSNorm(q), RMSNorm(k)
 *     m = RMSNorm(x)      x += Experts(m)
 */
import { rowNormedAttention } from "./blocks";
import { experts, readExperts } from "./experts";
import { beginLayer, readDecoder } from "./hyper_parameters";
import { Activation, Builder, Gating, Pairs } from "../program/builder";

export function olmoe(b: Builder): void {
  const h = readDecoder(b);
  readExperts(b, h, Gating.SOFTMAX, 0);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, rowNormedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.HALVES));
    x = b.add(x, experts(b, h, b.rmsNorm(x, "ffn_norm"), Activation.SILU));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
