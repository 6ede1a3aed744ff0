/**
 * mpt: MPT 7B and 30B (MosaicML 2023), Replit Code. Positions are distances (ALiBi), or rows that are added to the
 * embeddings; biases stand where the file has them; q, k and v lie in one matrix, may be clamped, and whole rows of q
 * and k normed. GELU is by erf, as in the training; llama.cpp takes the one by tanh.
 *
 *     a = LayerNorm(x)      x += Wo · softmax(q kᵀ / √d − slope · distance) v
 *     m = LayerNorm(x)      x += Wdown · gelu(Wup m)
 */
import { attentionOf, keys, plainFeedForward, queries, values } from "./blocks";
import { HyperParameters, beginLayer, readClamp, readLayerNormDecoder, replaceRopeByAlibi } from "./hyper_parameters";
import { Activation, Bias, Builder } from "../program/builder";

export function mpt(b: Builder): void {
  const h = readLayerNormDecoder(b);
  readClamp(b, h);
  replaceRopeByAlibi(b, h, b.float(".attention.max_alibi_bias", 0));
  let x = b.rowsOf("token_embd", b.hidden);
  if (b.hasWeight("position_embd")) x = b.add(x, b.positions("position_embd", b.hidden));
  x = b.begin(x);
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, attention(b, h, b.layerNorm(x, "attn_norm", Bias.OPTIONAL)));
    const m = b.layerNorm(x, "ffn_norm", Bias.OPTIONAL);
    x = b.add(x, plainFeedForward(b, h, m, Activation.GELU_ERF, Bias.OPTIONAL));
  }
  b.output();
  b.head(b.layerNorm(x, "output_norm", Bias.OPTIONAL), "output", "token_embd");
}

function attention(b: Builder, h: HyperParameters, a: u32): u32 {
  let q = queries(b, h, a, Bias.OPTIONAL);
  let k = keys(b, h, a, Bias.OPTIONAL);
  const v = values(b, h, a, Bias.OPTIONAL);
  if (b.hasWeight("attn_q_norm")) {
    q = b.layerNorm(q, "attn_q_norm", Bias.OPTIONAL);
    k = b.layerNorm(k, "attn_k_norm", Bias.OPTIONAL);
  }
  return attentionOf(b, h, q, k, v);
}
