/** chatglm: llama, of whose heads a part turns, with gate and up in one matrix. */
import { denseKeys, FEW_TYPES, headConfig, PEERS } from "../architecture-keys.mjs";
import { fusedFeedForward, groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const chatglm = {
  models: "ChatGLM3 6B, GLM-4 9B, GLM-Edge 1.5B and 4B, CodeGeeX4",
  shapes: {
    "chatglm-tiny": {
      ...{ layers: 3, hidden: 160, heads: 5, kvHeads: 1, rope: 16, ffn: 164, vocabulary: 512, context: 1024 },
      ...{ theta: 1e4, epsilon: 1e-5, pre: "gpt-2" },
    },
  },
  block(w) {
    groupedAttention(w, { biases: true });
    fusedFeedForward(w);
  },
  keys: (shape) => {
    const head = shape.hidden / shape.heads;
    return denseKeys(shape, head, head, shape.rope ?? head);
  },
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      ...headConfig(key),
      model_type: "glm",
      attention_bias: true,
      pad_token_id: null,
      partial_rotary_factor: 0.5,
    }),
    names: [[/^blk\.(\d+)\.ffn_up/, "model.layers.$1.mlp.gate_up_proj"]],
  },
};
