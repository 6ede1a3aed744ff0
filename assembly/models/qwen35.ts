/**
 * qwen35: Qwen3.5 0.8B to 27B (Qwen Team 2026). Of four layers three are gated delta nets; the fourth attends, by heads
 * of which a quarter turns, and its answer has a gate.
 *
 *     y = RMSNorm(x)      x += DeltaNet(y), or Wo · (Attention(q, k, v) ⊙ sigmoid(γ)),  [q_j | γ_j] = Wq_j y
 *     m = RMSNorm(x)      x += SwiGLU(m)
 */
import { keys, swiglu, turned, values } from "./blocks";
import { HyperParameters, beginAttention, readDecoderAt, readWidths } from "./hyper_parameters";
import { deltaNet, readDeltaHeads } from "./recurrent";
import { Bias, Builder, LAYER_LIMIT, Pairs, StateKind } from "../program/builder";

export function qwen35(b: Builder): void {
  const h = readDeltaHybrid(b);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    x = b.add(x, deltaMixer(b, h, l, x, 0));
    readWidths(b, h, l);
    x = b.add(x, swiglu(b, h, b.rmsNorm(x, "post_attention_norm")));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}

/** What qwen35 and qwen3next say of themselves. */
export function readDeltaHybrid(b: Builder): HyperParameters {
  b.layers = b.count(".block_count", 1, LAYER_LIMIT);
  const h = readDecoderAt(b, 0);
  // Of text all sections of a position are the same number.
  b.leaveOutKey(".rope.dimension_sections");
  h.pattern = b.countOr(".full_attention_interval", 4, 1, LAYER_LIMIT);
  readDeltaHeads(b, h);
  return h;
}

/** Layer `l` begins: a delta net, or in every `pattern`-th, or where the file says so, attention. */
export function deltaMixer(b: Builder, h: HyperParameters, l: u32, x: u32, flags: u32): u32 {
  if (b.flagIn(".attention.recurrent_layers", l, (l + 1) % h.pattern != 0)) {
    b.layer(l, StateKind.RECURRENT);
    return deltaNet(b, h, b.rmsNorm(x, "attn_norm"), flags);
  }
  beginAttention(b, h, l);
  const y = b.rmsNorm(x, "attn_norm");
  const both = b.linear(y, "attn_q", 2 * h.heads * h.keySize);
  const q = turned(b, h, b.rmsNorm(b.half(both, h.heads, 0), "attn_q_norm", h.heads), h.heads, Pairs.HALVES);
  const k = b.rmsNorm(keys(b, h, y, Bias.OPTIONAL), "attn_k_norm", h.kvHeads);
  const v = values(b, h, y, Bias.OPTIONAL);
  const o = b.attention(q, turned(b, h, k, h.kvHeads, Pairs.HALVES), v, h.heads, h.scale);
  return b.linear(b.gate(o, b.half(both, h.heads, 1)), "attn_output", b.hidden);
}
