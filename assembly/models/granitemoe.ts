/**
 * granitemoe: Granite 3 with experts (IBM Granite Team 2024). As granite, with a mixture of experts in place of the
 * feed-forward network, and in newer ones an expert that every token goes to. The weights of the chosen ones add up to
 * 1.
 *
 *     a = RMSNorm(x)      x += r · Attention(a)
 *     m = RMSNorm(x)      x += r · (Experts(m) + Shared(m))
 */
import { groupedAttention } from "./blocks";
import { NORMALISED, experts, readExperts, sharedExpert } from "./experts";
import { readGranite } from "./granite";
import { beginLayer } from "./hyper_parameters";
import { Activation, Builder, Gating, Pairs, WIDTH_LIMIT } from "../program/builder";

export function granitemoe(b: Builder): void {
  const h = readGranite(b);
  readExperts(b, h, Gating.SOFTMAX, NORMALISED);
  const shared = b.countOr(".expert_shared_feed_forward_length", 0, 0, WIDTH_LIMIT);
  let x = b.embedding("token_embd", h.embeddingScale);
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    const mixed = groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.NEIGHBOURS, 0);
    x = b.add(x, b.scale(mixed, h.branchScale));
    const m = b.rmsNorm(x, "ffn_norm");
    let out = experts(b, h, m, Activation.SILU);
    if (shared) out = b.add(out, sharedExpert(b, m, shared));
    x = b.add(x, b.scale(out, h.branchScale));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd", <f32>1.0 / h.logitDivisor);
}
