/**
 * qwen3next: Qwen3-Next-80B-A3B, Qwen3-Coder-Next (Qwen Team 2025): qwen35's layers, with experts, and one for every
 * token behind a gate.
 *
 *     y = RMSNorm(x)      x += DeltaNet(y), or Wo · (Attention(q, k, v) ⊙ sigmoid(γ))
 *     m = RMSNorm(x)      x += Experts(m) + sigmoid(wg · m) · SwiGLU(m)
 */
import { NORMALISED, experts, readExperts, sharedExpert } from "./experts";
import { readWidths } from "./hyper_parameters";
import { deltaMixer, readDeltaHybrid } from "./qwen35";
import { GROUPED } from "./recurrent";
import { Activation, Builder, Gating, WIDTH_LIMIT } from "../program/builder";

export function qwen3next(b: Builder): void {
  const h = readDeltaHybrid(b);
  readWidths(b, h, 0);
  readExperts(b, h, Gating.SOFTMAX, NORMALISED);
  const shared = b.countOr(".expert_shared_feed_forward_length", h.ffn, 1, WIDTH_LIMIT);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    x = b.add(x, deltaMixer(b, h, l, x, GROUPED));
    const m = b.rmsNorm(x, "post_attention_norm");
    const gate = b.linear(m, "ffn_gate_inp_shexp", 1);
    x = b.add(x, b.add(experts(b, h, m, Activation.SILU), b.gate(sharedExpert(b, m, shared), gate)));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
