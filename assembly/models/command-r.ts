/**
 * command-r: Command R, Command R+, Aya 23 (Cohere 2024). One LayerNorm without bias before two parallel branches; the
 * head is the embedding, and logits are multiplied. In models of 64 layers or more each head of q and k has a LayerNorm
 * with weights of its own.
 *
 *     a = LayerNorm(x)      x += Attention(a) + Wdown · (silu(Wgate a) ⊙ Wup a)
 */
import { attentionOf, groupedAttention, keys, queries, swiglu, turned, values } from "./blocks";
import { beginLayer, HyperParameters, readLayerNormDecoder, readLogitScale } from "./hyper_parameters";
import { Bias, Builder, Pairs } from "../program/builder";

/** Layers from which on heads are normalised. */
const NORMED_FROM: u32 = 64;

export function commandR(b: Builder): void {
  const h = readLayerNormDecoder(b);
  const scale = readLogitScale(b);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    const a = b.layerNorm(x, "attn_norm", Bias.OPTIONAL);
    x = b.add(x, b.add(attention(b, h, a), swiglu(b, h, a)));
  }
  b.output();
  b.tiedHead(b.layerNorm(x, "output_norm", Bias.OPTIONAL), "token_embd", scale);
}

/** Grouped-query attention whose heads may be normalised before RoPE, each by a weight of its own. */
function attention(b: Builder, h: HyperParameters, a: u32): u32 {
  if (b.layers < NORMED_FROM && !b.hasWeight("attn_q_norm")) return groupedAttention(b, h, a, Pairs.NEIGHBOURS, 0);
  const q = b.headLayerNorm(queries(b, h, a, Bias.OPTIONAL), "attn_q_norm", h.heads);
  const k = b.headLayerNorm(keys(b, h, a, Bias.OPTIONAL), "attn_k_norm", h.kvHeads);
  const v = values(b, h, a, Bias.OPTIONAL);
  const turnedKeys = turned(b, h, k, h.kvHeads, Pairs.NEIGHBOURS);
  return attentionOf(b, h, turned(b, h, q, h.heads, Pairs.NEIGHBOURS), turnedKeys, v);
}
