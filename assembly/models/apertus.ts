/**
 * apertus: Apertus (Hernández-Cano et al. 2025, arXiv:2509.14233). As llama, with norms of heads before RoPE, and xIELU
 * (Huang and Schlag 2024, arXiv:2411.13010) without a gate, whose numbers each layer has learned for itself.
 *
 *     a = RMSNorm(x)      x += Attention(a), with RMSNorm(q), RMSNorm(k) head by head
 *     m = RMSNorm(x)      x += Wdown · xIELU(Wup m)
 */
import { HEAD_NORMS, groupedAttention } from "./blocks";
import { HyperParameters, beginLayer, readDecoder } from "./hyper_parameters";
import { Builder, Pairs } from "../program/builder";

export function apertus(b: Builder): void {
  const h = readDecoder(b);
  // Keys of no architecture: they have no prefix.
  b.need("xielu.alpha_p");
  b.need("xielu.alpha_n");
  b.need("xielu.beta");
  b.need("xielu.eps");
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.HALVES, HEAD_NORMS));
    x = b.add(x, feedForward(b, h, l, b.rmsNorm(x, "ffn_norm")));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}

/** Wdown · xIELU(Wup m) */
function feedForward(b: Builder, h: HyperParameters, l: u32, m: u32): u32 {
  const positive = b.floatIn("xielu.alpha_p", l, 0);
  const negative = b.floatIn("xielu.alpha_n", l, 0);
  const up = b.linear(m, "ffn_up", h.ffn);
  const bent = b.xielu(up, positive, negative, b.floatIn("xielu.beta", l, 0), b.floatIn("xielu.eps", l, 0));
  return b.linear(bent, "ffn_down", b.hidden);
}
