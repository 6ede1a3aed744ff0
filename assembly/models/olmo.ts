/**
 * olmo: OLMo 1B and 7B (Groeneveld et al. 2024, arXiv:2402.00838). As llama, with LayerNorms that have neither weights
 * nor biases; q, k and v are clamped where the file says so.
 *
 *     a = LayerNorm(x)      x += Attention(a)
 *     m = LayerNorm(x)      x += Wdown · (silu(Wgate m) ⊙ Wup m)
 */
import { groupedAttention, swiglu } from "./blocks";
import { beginLayer, readClamp, readLayerNormDecoder } from "./hyper_parameters";
import { Builder, Pairs } from "../program/builder";

export function olmo(b: Builder): void {
  const h = readLayerNormDecoder(b);
  readClamp(b, h);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.plainLayerNorm(x), Pairs.NEIGHBOURS, 0));
    x = b.add(x, swiglu(b, h, b.plainLayerNorm(x)));
  }
  b.output();
  b.head(b.plainLayerNorm(x), "output", "token_embd");
}
