/**
 * jamba: Jamba 1.5 and 1.7 Mini, AI21-Jamba-Reasoning-3B (Lieber et al. 2024, arXiv:2403.19887). Mamba with norms of Δ,
 * B and C; one layer of some attends, without positions; some have experts.
 *
 *     y = RMSNorm(x)      x += Mamba(y), or Attention(y)
 *     m = RMSNorm(x)      x += SwiGLU(m), or Experts(m)
 */
import { groupedAttention, swiglu } from "./blocks";
import { experts, readExperts } from "./experts";
import { beginAttention, keyHeadsOf, readDecoderAt, readWidths } from "./hyper_parameters";
import { NORMS, firstAttention, mambaMixer, readStateSpace } from "./recurrent";
import { Activation, Builder, Gating, LAYER_LIMIT, NOTHING, Pairs, StateKind } from "../program/builder";

export function jamba(b: Builder): void {
  b.layers = b.count(".block_count", 1, LAYER_LIMIT);
  const h = readDecoderAt(b, firstAttention(b));
  h.rope = NOTHING;
  readStateSpace(b, h);
  readWidths(b, h, 0);
  if (b.countOr(".expert_count", 0, 0, 4096) > 0) readExperts(b, h, Gating.SOFTMAX, 0);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    const attends = keyHeadsOf(b, l) > 0;
    if (attends) beginAttention(b, h, l);
    else b.layer(l, StateKind.RECURRENT);
    const y = b.rmsNorm(x, "attn_norm");
    x = b.add(x, attends ? groupedAttention(b, h, y, Pairs.HALVES, 0) : mambaMixer(b, h, y, NORMS));
    readWidths(b, h, l);
    const m = b.rmsNorm(x, "ffn_norm");
    x = b.add(x, b.hasWeight("ffn_gate_inp") ? experts(b, h, m, Activation.SILU) : swiglu(b, h, m));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
