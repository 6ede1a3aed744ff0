/** mellum: qwen3moe with windows, whose layers turn without YaRN. */
import { expertKeys, FEW_TYPES, groupedKeys, yarnKeys } from "../architecture-keys.mjs";
import { gatedExperts, groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const mellum = {
  models: "Mellum 2 12B-A2.5B",
  shapes: {
    // The fourth layer sees all, and a fifth does not.
    "mellum-tiny": {
      ...{ layers: 5, hidden: 128, heads: 4, kvHeads: 1, headSize: 48, ffn: 160, window: 6, original: 32 },
      ...{ experts: 8, used: 3, expertWidth: 64 },
      ...{ vocabulary: 512, context: 1024, theta: 1e4, epsilon: 1e-6, pre: "gpt-2" },
    },
  },
  block(w) {
    groupedAttention(w, { norms: true });
    gatedExperts(w);
  },
  keys: (shape) => [
    ...groupedKeys(shape),
    ...expertKeys(shape),
    ...yarnKeys(shape),
    ["attention.sliding_window", "u32", shape.window ?? 0],
  ],
  types: FEW_TYPES,
  peers: ["llama.cpp"],
};
