/**
 * jais: Jais 590M to 30B (Sengupta et al. 2023, arXiv:2308.16149). As bloom, whose embeddings nothing norms, with
 * SwiGLU, biases in all its matrices, and scores that are divided by the size of a head, not by its root.
 *
 *     a = LayerNorm(x)      x += Wo · softmax(q kᵀ / d − slope · distance) v
 *     m = LayerNorm(x)      x += Wdown · (silu(Wgate m + bgate) ⊙ (Wup m + bup)) + bdown
 */
import { BIASES, groupedAttention, swiglu } from "./blocks";
import { beginLayer, readLayerNormDecoder, replaceRopeByAlibi, setScale } from "./hyper_parameters";
import { Builder, Pairs } from "../program/builder";

export function jais(b: Builder): void {
  const h = readLayerNormDecoder(b);
  replaceRopeByAlibi(b, h, b.float(".attention.max_alibi_bias", 0));
  setScale(b, h, <f32>1.0 / <f32>h.keySize);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.layerNorm(x, "attn_norm"), Pairs.HALVES, BIASES));
    x = b.add(x, swiglu(b, h, b.layerNorm(x, "ffn_norm")));
  }
  b.output();
  b.head(b.layerNorm(x, "output_norm"), "output", "token_embd");
}
