/** arcee: llama with a squared ReLU, and YaRN. */
import { FEW_TYPES, groupedKeys, headConfig, PEERS, yarnConfig, yarnKeys } from "../architecture-keys.mjs";
import { groupedAttention, reluSquaredFeedForward } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const arcee = {
  models: "AFM-4.5B",
  shapes: {
    "arcee-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, kvHeads: 1, headSize: 48, ffn: 320, vocabulary: 512 },
      ...{ context: 1024, original: 32, theta: 1e4, epsilon: 1e-5, pre: "gpt-2" },
    },
  },
  block(w) {
    groupedAttention(w);
    reluSquaredFeedForward(w);
  },
  keys: (shape) => [...groupedKeys(shape), ...yarnKeys(shape)],
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({ ...headConfig(key), hidden_act: "relu2", rope_scaling: yarnConfig(key) }),
    halves: true,
  },
};
