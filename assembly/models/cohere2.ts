/**
 * cohere2: Command R7B, Command A, Aya (Cohere 2025, arXiv:2504.00698). As command-r, but three layers with a window
 * stand before one that sees all and turns nothing.
 *
 *     a = LayerNorm(x)      x += Attention(a) + Wdown · (silu(Wgate a) ⊙ Wup a)
 */
import { groupedAttention, swiglu } from "./blocks";
import { beginLayer, readLayerNormDecoder, readLogitScale, readWindows, windowOf } from "./hyper_parameters";
import { Bias, Builder, NOTHING, Pairs } from "../program/builder";

export function cohere2(b: Builder): void {
  const h = readLayerNormDecoder(b);
  readWindows(b, h, 4, b.count(".attention.sliding_window", 1, 1 << 30));
  b.need(".logit_scale");
  const scale = readLogitScale(b);
  // Layers with a window have `localRope`, which is the model's only one.
  h.rope = NOTHING;
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l, windowOf(b, h, l));
    const a = b.layerNorm(x, "attn_norm", Bias.OPTIONAL);
    x = b.add(x, b.add(groupedAttention(b, h, a, Pairs.NEIGHBOURS, 0), swiglu(b, h, a)));
  }
  b.output();
  b.tiedHead(b.layerNorm(x, "output_norm", Bias.OPTIONAL), "token_embd", scale);
}
