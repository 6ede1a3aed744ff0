/** qwen2: llama with biases of queries, keys and values, whose heads turn by halves. */
import { groupedKeys, headConfig, PEERS, QWEN, TYPES } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const qwen2 = {
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
