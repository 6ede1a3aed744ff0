/**
 * granitehybrid: Granite 4.0 H (IBM Granite Team 2025), Bamba: granite, most of whose layers mix tokens by Mamba-2,
 * with experts and one for every token, or a feed-forward network.
 *
 *     y = RMSNorm(x)      x += r · Mamba-2(y), or r · Attention(y)
 *     m = RMSNorm(x)      x += r · SwiGLU(m), or r · (Experts(m) + Shared(m))
 */
import { groupedAttention, swiglu } from "./blocks";
import { NORMALISED, experts, readExperts, sharedExpert } from "./experts";
import { readGraniteScales } from "./granite";
import { beginAttention, keyHeadsOf, readDecoderAt, readWidths } from "./hyper_parameters";
import { dualMixer, firstAttention, readDualHeads } from "./recurrent";
import { Activation, Builder, Gating, LAYER_LIMIT, Pairs, StateKind, WIDTH_LIMIT } from "../program/builder";

export function granitehybrid(b: Builder): void {
  b.layers = b.count(".block_count", 1, LAYER_LIMIT);
  const h = readDecoderAt(b, firstAttention(b));
  readGraniteScales(b, h);
  readDualHeads(b, h);
  readWidths(b, h, 0);
  if (b.countOr(".expert_count", 0, 0, 4096) > 0) readExperts(b, h, Gating.SOFTMAX, NORMALISED);
  const shared = b.countOr(".expert_shared_feed_forward_length", 0, 0, WIDTH_LIMIT);
  let x = b.embedding("token_embd", h.embeddingScale);
  for (let l: u32 = 0; l < b.layers; l++) {
    const attends = keyHeadsOf(b, l) > 0;
    if (attends) beginAttention(b, h, l);
    else b.layer(l, StateKind.RECURRENT);
    const y = b.rmsNorm(x, "attn_norm");
    const mixed = attends ? groupedAttention(b, h, y, Pairs.NEIGHBOURS, 0) : dualMixer(b, h, y);
    x = b.add(x, b.scale(mixed, h.branchScale));
    readWidths(b, h, l);
    const m = b.rmsNorm(x, "ffn_norm");
    let out = h.experts ? experts(b, h, m, Activation.SILU) : swiglu(b, h, m);
    if (h.experts && shared) out = b.add(out, sharedExpert(b, m, shared));
    x = b.add(x, b.scale(out, h.branchScale));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd", <f32>1.0 / h.logitDivisor);
}
