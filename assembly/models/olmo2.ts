/**
 * olmo2: OLMo 2 (OLMo Team 2024, arXiv:2501.00656) and OLMo 3 (arXiv:2512.13961). The norms stand behind attention and
 * the feed-forward network, none before them; whole rows of q and k are normalised before RoPE. In OLMo 3 three layers
 * with a window stand before one that sees all, and only that one turns by YaRN.
 *
 *     x += RMSNorm(Attention(x)), with RMSNorm(q), RMSNorm(k)
 *     x += RMSNorm(Wdown · (silu(Wgate x) ⊙ Wup x))
 */
import { rowNormedAttention, swiglu } from "./blocks";
import { beginLayer, readDecoder, readLocalRope, readWindows, windowOf } from "./hyper_parameters";
import { Builder, Pairs } from "../program/builder";

export function olmo2(b: Builder): void {
  const h = readDecoder(b);
  readWindows(b, h, 4, 0);
  readLocalRope(b, h, b.float(".rope.freq_base", 10000));
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l, windowOf(b, h, l));
    x = b.add(x, b.rmsNorm(rowNormedAttention(b, h, x, Pairs.HALVES), "post_attention_norm"));
    x = b.add(x, b.rmsNorm(swiglu(b, h, x), "post_ffw_norm"));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
