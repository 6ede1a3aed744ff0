/** glm4: norms before and behind both halves, RoPE on pairs of a part of each head, gate and up in one matrix. */
import { denseKeys, FEW_TYPES, headConfig, PEERS } from "../architecture-keys.mjs";
import { fusedFeedForward, groupedAttention, normsBehind } from "../random-parts.mjs";

/** What shapes of glm4 have alike. */
const GLM = {
  ...{ hidden: 128, heads: 4, kvHeads: 1, headSize: 48, rope: 24 },
  ...{ vocabulary: 512, context: 1024, theta: 1e4, epsilon: 1e-5, pre: "gpt-2" },
};

/** @param {import("../architectures.mjs").Shape} shape @returns {import("../vocabulary.mjs").Entry[]} */
const sectionsKey = ({ sections }) => (sections ? [["rope.dimension_sections", "i32[]", sections]] : []);

/** @type {import("../architectures.mjs").Architecture} */
export const glm4 = {
  models: "GLM-4-0414 9B and 32B, GLM-Z1, the text part of GLM-4.1V",
  refuses: "images; layers that predict further tokens (GLM-OCR)",
  // Half of each head turns; the rows of `up` begin within a group of eight.
  shapes: {
    "glm4-tiny": { ...GLM, layers: 3, ffn: 164 },
    // The text part of a model that sees pictures: halves turn.
    "glm4-sections": { ...GLM, layers: 2, ffn: 160, sections: [4, 4, 4, 0] },
  },
  variants: { "glm4-sections": ["llama.cpp"] },
  onlyFiles: ["glm4-sections"],
  block(w) {
    groupedAttention(w, { biases: true });
    fusedFeedForward(w);
    normsBehind(w);
  },
  keys: (shape) => [
    ...denseKeys(shape, shape.headSize ?? 0, shape.headSize ?? 0, shape.rope ?? 0),
    ...sectionsKey(shape),
  ],
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({ ...headConfig(key), attention_bias: true, pad_token_id: null, partial_rotary_factor: 0.5 }),
    names: [
      [/^blk\.(\d+)\.post_attention_norm/, "model.layers.$1.post_self_attn_layernorm"],
      [/^blk\.(\d+)\.post_ffw_norm/, "model.layers.$1.post_mlp_layernorm"],
      [/^blk\.(\d+)\.ffn_up/, "model.layers.$1.mlp.gate_up_proj"],
    ],
  },
};
