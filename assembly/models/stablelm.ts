/**
 * stablelm: StableLM 3B and 2 (Bellagente et al. 2024, arXiv:2402.17834), Stable Code. As llama, with LayerNorms; the
 * first quarter of a head turns. In StableLM 2 12B each head of q and k has a LayerNorm of its own, and attention and
 * the feed-forward network read one norm and are added to the stream together: there is no `ffn_norm`. orion, Orion-14B
 * (Chen et al. 2024, arXiv:2401.12246), is the same pass, with whole heads that turn.
 *
 *     a = LayerNorm(x)      x += Attention(a)
 *     m = LayerNorm(x)      x += SwiGLU(m)            12B: x += Attention(a) + SwiGLU(a)
 */
import { attentionOf, projection, swiglu, turned } from "./blocks";
import { beginLayer, HyperParameters, readLayerNormDecoder } from "./hyper_parameters";
import { Bias, Builder, Pairs } from "../program/builder";

export function stablelm(b: Builder): void {
  const h = readLayerNormDecoder(b);
  // What the key says is not what files have: the norm's absence tells.
  b.flag(".use_parallel_residual", false);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    const a = b.layerNorm(x, "attn_norm");
    const mixed = attention(b, h, a);
    if (b.hasWeight("ffn_norm")) {
      x = b.add(x, mixed);
      x = b.add(x, swiglu(b, h, b.layerNorm(x, "ffn_norm")));
    } else x = b.add(b.add(x, mixed), swiglu(b, h, a));
  }
  b.output();
  b.head(b.layerNorm(x, "output_norm"), "output", "token_embd");
}

function attention(b: Builder, h: HyperParameters, a: u32): u32 {
  const keys = h.kvHeads * h.keySize;
  let q = projection(b, h, a, "attn_q", 0, h.heads * h.keySize, Bias.OPTIONAL);
  let k = projection(b, h, a, "attn_k", h.heads * h.keySize, keys, Bias.OPTIONAL);
  const v = projection(b, h, a, "attn_v", h.heads * h.keySize + keys, h.kvHeads * h.valueSize, Bias.OPTIONAL);
  if (b.hasWeight("attn_q_norm")) q = b.headLayerNorm(q, "attn_q_norm", h.heads);
  if (b.hasWeight("attn_k_norm")) k = b.headLayerNorm(k, "attn_k_norm", h.kvHeads);
  return attentionOf(b, h, turned(b, h, q, h.heads, Pairs.HALVES), turned(b, h, k, h.kvHeads, Pairs.HALVES), v);
}
