/** baichuan: llama; with 40 layers ALiBi for positions. */
import { FEW_TYPES, groupedKeys } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

const BAICHUAN = { vocabulary: 512, context: 1024, theta: 1e4, epsilon: 1e-6, pre: "gpt-2" };

/** @type {import("../architectures.mjs").Architecture} */
export const baichuan = {
  models: "Baichuan and Baichuan 2, 7B and 13B",
  shapes: {
    "baichuan-tiny": { ...BAICHUAN, layers: 3, hidden: 160, heads: 5, ffn: 320 },
    // As 7B: of 32 layers alone llama.cpp knows how they turn.
    "baichuan-turned": { ...BAICHUAN, layers: 32, hidden: 64, heads: 4, ffn: 96 },
    // As 13B.
    "baichuan-distances": { ...BAICHUAN, layers: 40, hidden: 64, heads: 4, ffn: 96 },
  },
  block(w) {
    groupedAttention(w);
    gatedFeedForward(w);
  },
  keys: groupedKeys,
  variants: { "baichuan-turned": ["llama.cpp"], "baichuan-distances": ["llama.cpp"] },
  types: FEW_TYPES,
};
