/**
 * lfm2moe: LFM2-8B-A1B (Liquid AI 2025, arXiv:2511.23404): lfm2, with experts behind its first layers, whose gates are
 * sigmoids and whose weights add up to 1.
 *
 *     y = RMSNorm(x)      x += Convolution(y), or Attention(y)
 *     m = RMSNorm(x)      x += SwiGLU(m), or Experts(m)
 */
import { NORMALISED, denseOrExperts, readExperts } from "./experts";
import { readWidths } from "./hyper_parameters";
import { mixer, readLfm2 } from "./lfm2";
import { readTaps } from "./recurrent";
import { Builder, Gating, LAYER_LIMIT } from "../program/builder";

export function lfm2moe(b: Builder): void {
  const h = readLfm2(b);
  const taps = readTaps(b);
  const dense = b.countOr(".leading_dense_block_count", 0, 0, LAYER_LIMIT);
  readExperts(b, h, Gating.SIGMOID, NORMALISED);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    x = b.add(x, mixer(b, h, l, x, taps));
    readWidths(b, h, l);
    const m = b.rmsNorm(x, "ffn_norm");
    x = b.add(x, denseOrExperts(b, h, m, l < dense, 0));
  }
  b.output();
  b.head(b.rmsNorm(x, "token_embd_norm"), "output", "token_embd");
}
