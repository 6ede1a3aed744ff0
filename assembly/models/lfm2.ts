/**
 * lfm2: LFM2 350M to 2.6B and LFM2.5 (Liquid AI 2025, arXiv:2511.23404). Most layers mix tokens by a gated convolution
 * over three of them; the others attend, with norms of the heads of q and k.
 *
 *     y = RMSNorm(x)      x += Convolution(y), or Attention(y)
 *     m = RMSNorm(x)      x += SwiGLU(m)
 */
import { HEAD_NORMS, groupedAttention, swiglu } from "./blocks";
import { HyperParameters, beginAttention, keyHeadsOf, readDecoderAt, readWidths } from "./hyper_parameters";
import { firstAttention, readTaps, shortConvolution } from "./recurrent";
import { Builder, LAYER_LIMIT, Pairs, StateKind } from "../program/builder";

export function lfm2(b: Builder): void {
  const h = readLfm2(b);
  const taps = readTaps(b);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    x = b.add(x, mixer(b, h, l, x, taps));
    readWidths(b, h, l);
    x = b.add(x, swiglu(b, h, b.rmsNorm(x, "ffn_norm")));
  }
  b.output();
  b.head(b.rmsNorm(x, "token_embd_norm"), "output", "token_embd");
}

/** What lfm2 and lfm2moe say of themselves. */
export function readLfm2(b: Builder): HyperParameters {
  b.layers = b.count(".block_count", 1, LAYER_LIMIT);
  const h = readDecoderAt(b, firstAttention(b));
  h.window = b.countOr(".attention.sliding_window", 0, 0, 1 << 30);
  return h;
}

/** Layer `l` begins: a convolution where it has no heads of keys, else attention. */
export function mixer(b: Builder, h: HyperParameters, l: u32, x: u32, taps: u32): u32 {
  if (keyHeadsOf(b, l) == 0) {
    b.layer(l, StateKind.RECURRENT);
    return shortConvolution(b, b.rmsNorm(x, "attn_norm"), taps);
  }
  beginAttention(b, h, l, h.window);
  return groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.HALVES, HEAD_NORMS);
}
