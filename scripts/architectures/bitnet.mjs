/** bitnet: llama with a norm before the last matrix of each half, and a scale of each matrix. */
import { FEW_TYPES, groupedKeys } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

const MATRICES = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"];

/** @param {import("../random-models.mjs").Weights} w */
export function bitnetBlock(w) {
  groupedAttention(w);
  w.norm("attn_sub_norm.weight", w.shape.hidden);
  gatedFeedForward(w);
  w.norm("ffn_sub_norm.weight", w.shape.ffn);
}

/** @type {import("../architectures.mjs").Architecture} */
export const bitnet = {
  models:
    "BitNet b1.58 0.7B to 3B (1bitLLM), Falcon-E; a file of Microsoft's 2B-4T that says this name has silu, as in llama.cpp, which the model was not trained with",
  // llama.cpp knows no heads of another width than hidden / heads.
  shapes: {
    "bitnet-tiny": {
      ...{ layers: 3, hidden: 160, heads: 5, kvHeads: 1, ffn: 320, vocabulary: 512, context: 1024 },
      ...{ theta: 1e4, epsilon: 1e-5, pre: "gpt-2", tied: true },
    },
  },
  block(w) {
    bitnetBlock(w);
    for (const name of MATRICES) w.add(`${name}.scale`, [1], "F32", 0.2, 1);
  },
  keys: groupedKeys,
  types: FEW_TYPES,
  peers: ["llama.cpp"],
};
