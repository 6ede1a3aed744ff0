/** qwen2: llama with biases of queries, keys and values, whose heads turn by halves. */
import { groupedKeys, headConfig, PEERS, QWEN, TYPES } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const qwen2 = {
  models: "Qwen1.5, Qwen2, Qwen2.5 and their Coder models, DeepSeek-R1-Distill-Qwen",
  shapes: { "qwen2-tiny": { ...QWEN, layers: 4, hidden: 256, heads: 4, kvHeads: 2, headSize: 64, ffn: 768 } },
  block(w) {
    groupedAttention(w, { biases: true });
    gatedFeedForward(w);
  },
  keys: groupedKeys,
  types: TYPES,
  peers: PEERS,
  checkpoint: { config: headConfig },
};
