/**
 * smallthinker: SmallThinker 4B-A0.6B and 21B-A3B (Song et al. 2025, arXiv:2507.20984). As llama, with RoPE on halves;
 * experts of ReGLU are chosen by what the layer reads, before its attention. Where the file has a window, the first of
 * every four layers sees all and turns nothing.
 *
 *     S, w = route(Wr x)      a = RMSNorm(x)      x += Attention(a)
 *     m = RMSNorm(x)          x += Σ w_e · (Wdown_e · (relu(Wgate_e m) ⊙ Wup_e m))
 */
import { groupedAttention } from "./blocks";
import { NORMALISED, expertsOf, readExperts } from "./experts";
import { beginLayer, readDecoder, readWindows, windowBehindFirst } from "./hyper_parameters";
import { Activation, Builder, Gating, NOTHING, Pairs } from "../program/builder";

export function smallthinker(b: Builder): void {
  const h = readDecoder(b);
  readWindows(b, h, 4, 0);
  // Layers with a window have `localRope`, which is the model's only one.
  if (h.window) h.rope = NOTHING;
  readExperts(b, h, Gating.SOFTMAX, NORMALISED);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l, windowBehindFirst(b, h, l));
    const chosen = b.route(x, "ffn_gate_inp", "exp_probs_b", h.experts, h.used, h.gating, h.normalised, h.expertFactor);
    x = b.add(x, groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.HALVES, 0));
    x = b.add(x, expertsOf(b, h, b.rmsNorm(x, "ffn_norm"), chosen, Activation.RELU));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
