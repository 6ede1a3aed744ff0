/** minicpm: llama with three scales. */
import { FEW_TYPES, groupedKeys, headConfig } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** What a checkpoint calls them; none is the default. */
const [EMBEDDING, DEPTH, BASE] = [10, 1.5, 64];

/** @type {import("../architectures.mjs").Architecture} */
export const minicpm = {
  models: "MiniCPM 1B and 2B, MiniCPM4 0.5B and 8B",
  refuses: "experts (MiniCPM-MoE)",
  shapes: {
    "minicpm-tiny": {
      ...{ layers: 3, hidden: 128, heads: 6, kvHeads: 2, headSize: 32, ffn: 160, vocabulary: 512 },
      ...{ context: 1024, theta: 1e4, epsilon: 1e-5, pre: "gpt-2", tied: true },
    },
  },
  block(w) {
    groupedAttention(w);
    gatedFeedForward(w);
  },
  keys: (shape) => [
    ...groupedKeys(shape),
    ["embedding_scale", "f32", EMBEDDING],
    ["residual_scale", "f32", DEPTH / Math.sqrt(shape.layers)],
    ["logit_scale", "f32", shape.hidden / BASE],
  ],
  types: FEW_TYPES,
  peers: ["llama.cpp"],
  checkpoint: {
    config: (key) => ({ ...headConfig(key), scale_emb: EMBEDDING, scale_depth: DEPTH, dim_model_base: BASE }),
    halves: true,
  },
};
