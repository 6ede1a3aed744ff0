/**
 * qwen2moe: Qwen1.5-MoE and Qwen2-MoE (Yang et al. 2024, arXiv:2407.10671): qwen2 with experts, whose weights do not
 * add up to 1, and beside them a shared expert with a gate.
 *
 *     a = RMSNorm(x)      x += Attention(a)
 *     m = RMSNorm(x)      x += Experts(m) + sigmoid(wg · m) · SwiGLU(m)
 */
import { BIASES, groupedAttention } from "./blocks";
import { SHARES_WIDTH, experts, readExperts, sharedExpert } from "./experts";
import { beginLayer, readDecoder } from "./hyper_parameters";
import { Activation, Builder, Gating, Pairs, WIDTH_LIMIT } from "../program/builder";

export function qwen2moe(b: Builder): void {
  const h = readDecoder(b);
  readExperts(b, h, Gating.SOFTMAX, SHARES_WIDTH);
  const shared = b.countOr(".expert_shared_feed_forward_length", h.ffn, 1, WIDTH_LIMIT);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.HALVES, BIASES));
    const m = b.rmsNorm(x, "ffn_norm");
    const gate = b.linear(m, "ffn_gate_inp_shexp", 1);
    x = b.add(x, b.add(experts(b, h, m, Activation.SILU), b.gate(sharedExpert(b, m, shared), gate)));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
