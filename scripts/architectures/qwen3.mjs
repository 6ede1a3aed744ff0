/** qwen3: qwen2 with norms of heads where that has biases. */
import { groupedKeys, headConfig, PEERS, QWEN, TYPES } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const qwen3 = {
  models: "Qwen3 0.6B to 32B",
  // Heads wider than hidden / heads; rows of 384 do not divide by 256, so the K formats fall back on attn_output.
  shapes: {
    "qwen3-tiny": { ...QWEN, layers: 4, hidden: 256, heads: 4, kvHeads: 1, headSize: 96, ffn: 768 },
    // As many active weights as qwen3moe-1b has.
    "qwen3-dense": {
      ...{ ...QWEN, layers: 12, hidden: 1024, heads: 16, kvHeads: 4, headSize: 64, ffn: 3072, vocabulary: 4096 },
    },
  },
  block(w) {
    groupedAttention(w, { norms: true });
    gatedFeedForward(w);
  },
  keys: groupedKeys,
  types: TYPES,
  peers: PEERS,
  checkpoint: { config: headConfig },
};
