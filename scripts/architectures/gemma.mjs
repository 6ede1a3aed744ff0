/** gemma: embeddings times √hidden, GeGLU, and a head that is the embedding. */
import { FEW_TYPES, groupedKeys, headConfig, PEERS } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** What shapes of gemma, gemma2 and gemma3 have alike. */
export const GEMMA = { vocabulary: 512, context: 1024, theta: 1e4, epsilon: 1e-6, pre: "gpt-2", tied: true };

/** @type {import("../architectures.mjs").Checkpoint["config"]} */
export const gemmaConfig = (key) => ({ ...headConfig(key), hidden_activation: "gelu_pytorch_tanh" });

/** @type {import("../architectures.mjs").Architecture} */
export const gemma = {
  models: "Gemma 2B and 7B",
  // Heads wider than hidden / heads, and one for all keys.
  shapes: { "gemma-tiny": { ...GEMMA, layers: 3, hidden: 128, heads: 4, kvHeads: 1, headSize: 48, ffn: 320 } },
  block(w) {
    groupedAttention(w);
    gatedFeedForward(w);
  },
  keys: groupedKeys,
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: { config: gemmaConfig, plusOne: /norm\.weight$/ },
};
