/**
 * falcon-h1: Falcon-H1 0.5B to 34B (Zuo et al. 2025, arXiv:2507.22448): attention and Mamba-2 side by side in every
 * layer. The checkpoint's multipliers are in the weights.
 *
 *     y = RMSNorm(x)      x += Attention(y) + Mamba-2(y)
 *     m = RMSNorm(x)      x += SwiGLU(m)
 */
import { groupedAttention, swiglu } from "./blocks";
import { beginLayer, readDecoder } from "./hyper_parameters";
import { dualMixer, readDualHeads } from "./recurrent";
import { Builder, Pairs } from "../program/builder";

export function falconH1(b: Builder): void {
  const h = readDecoder(b);
  readDualHeads(b, h);
  // A file may have factors of angles, which the model does not use.
  b.withoutFactors(h.rope);
  b.leaveOut("rope_freqs", ".weight");
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    const y = b.rmsNorm(x, "attn_norm");
    x = b.add(x, b.add(groupedAttention(b, h, y, Pairs.HALVES, 0), dualMixer(b, h, y)));
    // llama.cpp's converter gives this norm no suffix.
    const isNamed = b.hasWeight("ffn_norm");
    const m = isNamed ? b.rmsNorm(x, "ffn_norm") : b.multiply(b.plainRmsNorm(x), "ffn_norm", "");
    x = b.add(x, swiglu(b, h, m));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
