/**
 * exaone4: EXAONE 4.0 (LG AI Research 2025, arXiv:2507.11407). The norms stand behind attention and the feed-forward
 * network, none before them; each head of q and k is normalised before RoPE. In the 32B model three layers with a
 * window stand before one that sees all and turns nothing; the 1.2B model has no windows and turns in every layer.
 *
 *     x += RMSNorm(Attention(x)), with RMSNorm(q), RMSNorm(k) head by head
 *     x += RMSNorm(Wdown · (silu(Wgate x) ⊙ Wup x))
 */
import { HEAD_NORMS, groupedAttention, swiglu } from "./blocks";
import { beginLayer, readDecoder, readWindows, windowOf } from "./hyper_parameters";
import { Builder, NOTHING, Pairs } from "../program/builder";

/** Layers of the 32B model, which has windows even where its file does not say so. */
const LARGEST: u32 = 64;

export function exaone4(b: Builder): void {
  const h = readDecoder(b);
  readWindows(b, h, 4, b.layers == LARGEST ? 4096 : 0);
  // Layers with a window have `localRope`, which is the model's only one.
  if (h.window) h.rope = NOTHING;
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l, windowOf(b, h, l));
    x = b.add(x, b.rmsNorm(groupedAttention(b, h, x, Pairs.HALVES, HEAD_NORMS), "post_attention_norm"));
    x = b.add(x, b.rmsNorm(swiglu(b, h, x), "post_ffw_norm"));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
