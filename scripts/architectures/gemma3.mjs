/** gemma3: as gemma2 without the cap of scores, with norms of heads, and a rope of its own for layers with a window. */
import { FEW_TYPES, groupedKeys, PEERS } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention, normsBehind } from "../random-parts.mjs";
import { GEMMA, gemmaConfig } from "./gemma.mjs";
import { GEMMA_NAMES } from "./gemma2.mjs";

/** Gemma 3 1B's. */
const GEMMA_1B = {
  ...{ ...GEMMA, context: 32768, theta: 1e6, layers: 26, hidden: 1152, heads: 4, kvHeads: 1, headSize: 256 },
  ...{ ffn: 6912, vocabulary: 262144 },
};

/** @type {import("../architectures.mjs").Architecture} */
export const gemma3 = {
  models: "Gemma 3 270M to 27B, text",
  refuses: "images",
  // The sixth layer sees all, and a seventh does not.
  shapes: {
    "gemma3-tiny": {
      ...{ ...GEMMA, theta: 1e6, layers: 7, hidden: 128, heads: 4, kvHeads: 1, headSize: 48 },
      ...{ ffn: 160, window: 6 },
    },
    "gemma3-1b": { ...GEMMA_1B, window: 512 },
    // The same without windows, for what they gain.
    "gemma3-1b-whole": GEMMA_1B,
  },
  block(w) {
    groupedAttention(w, { norms: true });
    gatedFeedForward(w);
    normsBehind(w);
  },
  keys: (shape) => [
    ...groupedKeys(shape),
    .../** @type {import("../vocabulary.mjs").Entry[]} */ (
      shape.window ? [["attention.sliding_window", "u32", shape.window]] : []
    ),
  ],
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      ...gemmaConfig(key),
      model_type: "gemma3_text",
      query_pre_attn_scalar: key("attention.key_length"),
      sliding_window: key("attention.sliding_window"),
      rope_local_base_freq: 1e4,
    }),
    names: GEMMA_NAMES,
    plusOne: /norm\.weight$/,
  },
};
