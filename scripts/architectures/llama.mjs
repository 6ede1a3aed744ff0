/** llama: heads in groups that turn by pairs, and SwiGLU. */
import { groupedKeys, headConfig, PEERS, TYPES } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const llama = {
  models:
    "Llama 2 and 3 to 3.3, TinyLlama, SmolLM and SmolLM2, Mistral 7B, Yi, DeepSeek Coder, DeepSeek-R1-Distill-Llama, Falcon3",
  refuses: "experts (Mixtral)",
  shapes: {
    "llama-tiny": {
      layers: 4,
      hidden: 256,
      heads: 8,
      kvHeads: 2,
      headSize: 32,
      ffn: 512,
      vocabulary: 512,
      context: 1024,
      theta: 5e5,
      epsilon: 1e-5,
      pre: "gpt-2",
      ropeFactors: true,
    },
    // No width is a multiple of sixteen rows twice, and one head has keys of twelve.
    "llama-odd": {
      layers: 3,
      hidden: 96,
      heads: 8,
      kvHeads: 1,
      headSize: 12,
      ffn: 160,
      vocabulary: 517,
      context: 1024,
      theta: 1e4,
      epsilon: 1e-5,
      pre: "gpt-2",
    },
  },
  block(w) {
    groupedAttention(w);
    gatedFeedForward(w);
  },
  keys: groupedKeys,
  types: TYPES,
  peers: PEERS,
  checkpoint: { config: headConfig, halves: true },
};
