/**
 * llama4: Llama 4 Scout and Maverick, text (Meta 2025). Three layers that turn, and see their chunk of 8,192 tokens,
 * stand before one that turns nothing, sees all, and whose queries grow with their position; heads that turn are normed
 * by nothing but their size, but for Maverick's. In every `interleave_moe_layer_step`-th layer a token goes to one
 * expert, whose input is weighed, and to a shared one.
 *
 *     a = RMSNorm(x)      q, k = RMSNorm(RoPE(Wq a)), RMSNorm(RoPE(Wk a)),
 *                         or Wq a · (1 + 0.1 ln(⌊(p + 1) / 8192⌋ + 1)), Wk a      x += Attention(q, k, Wv a)
 *     m = RMSNorm(x)      x += SwiGLU(m), or SwiGLU_e(sigmoid(largest of Wr m) · m) + SwiGLU(m)
 */
import { attentionOf, keys, queries, swiglu, turned, values } from "./blocks";
import { readExperts, sharedExpert } from "./experts";
import { HyperParameters, beginLayer, readDecoder, readWindows, windowOf } from "./hyper_parameters";
import { Activation, Bias, Builder, Gating, LAYER_LIMIT, NOTHING, Pairs } from "../program/builder";

const CHUNK: u32 = 8192;
/** Experts of Maverick, whose heads are not normed. */
const MAVERICK: u32 = 128;

export function llama4(b: Builder): void {
  const h = readDecoder(b);
  readWindows(b, h, 4, CHUNK);
  const hasChunks = h.window > 0;
  if (hasChunks) {
    h.window = CHUNK;
    h.rope = NOTHING;
  }
  readExperts(b, h, Gating.SIGMOID, 0);
  if (h.used != 1) b.unsupported("llama4 with expert_used_count above 1: limpet weighs the input of one expert");
  const step = b.count(".interleave_moe_layer_step", 1, LAYER_LIMIT);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l, windowOf(b, h, l));
    if (hasChunks) b.chunked();
    x = b.add(x, attention(b, h, b.rmsNorm(x, "attn_norm")));
    const m = b.rmsNorm(x, "ffn_norm");
    x = b.add(x, (l + 1) % step == 0 ? expertAndShared(b, h, m) : swiglu(b, h, m));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}

function attention(b: Builder, h: HyperParameters, a: u32): u32 {
  let q = turned(b, h, queries(b, h, a, Bias.OPTIONAL), h.heads, Pairs.NEIGHBOURS);
  let k = turned(b, h, keys(b, h, a, Bias.OPTIONAL), h.kvHeads, Pairs.NEIGHBOURS);
  const v = values(b, h, a, Bias.OPTIONAL);
  if (h.turn == NOTHING) q = b.scaleByPosition(q, 0.1, CHUNK, 1);
  else if (h.experts != MAVERICK) {
    q = b.plainRmsNorm(q, h.heads);
    k = b.plainRmsNorm(k, h.kvHeads);
  }
  return attentionOf(b, h, q, k, v);
}

/** The weight of an input is that of its products with Wgate and Wup. */
function expertAndShared(b: Builder, h: HyperParameters, m: u32): u32 {
  const width = h.expertWidth;
  const chosen = b.route(m, "ffn_gate_inp", "exp_probs_b", h.experts, 1, h.gating, false, h.expertFactor);
  const gate = b.mixExperts(b.expertLinear(m, chosen, "ffn_gate_exps", width, h.experts, false), chosen);
  const up = b.mixExperts(b.expertLinear(m, chosen, "ffn_up_exps", width, h.experts, false), chosen);
  const made = b.activation(Activation.SILU, gate, up);
  return b.add(b.expertLinear(made, chosen, "ffn_down_exps", b.hidden, h.experts, true), sharedExpert(b, m, width));
}
