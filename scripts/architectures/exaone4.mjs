/** exaone4: norms behind both halves and of heads; without windows every layer turns (EXAONE 4.0 1.2B). */
import { FEW_TYPES, groupedKeys, headConfig, LLAMA3, PEERS } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention, normsBehind } from "../random-parts.mjs";
import { NAMES_BEHIND } from "./olmo2.mjs";

/** What shapes of exaone4 have alike. */
const EXAONE = {
  ...{ vocabulary: 512, context: 1024, theta: 1e6, epsilon: 1e-5, pre: "gpt-2", tied: true, ropeFactors: true },
};

/** @param {import("../architectures.mjs").Shape} shape @returns {import("../vocabulary.mjs").Entry[]} */
const windowKey = ({ window }) => (window ? [["attention.sliding_window", "u32", window]] : []);

/** @type {import("../architectures.mjs").Architecture} */
export const exaone4 = {
  models: "EXAONE 4.0 1.2B and 32B",
  refuses: "layers that predict further tokens (EXAONE 4.5)",
  // Its peers know no heads of another width than hidden / heads.
  shapes: {
    "exaone4-tiny": { ...EXAONE, layers: 3, hidden: 128, heads: 4, kvHeads: 1, ffn: 320 },
    // The 32B model's layers: those with a window turn, and every fourth sees all and does not.
    "exaone4-windows": { ...EXAONE, layers: 64, hidden: 64, heads: 4, kvHeads: 2, ffn: 96, window: 6 },
  },
  variants: { "exaone4-windows": PEERS },
  block(w) {
    groupedAttention(w, { norms: true, norm: false });
    gatedFeedForward(w, { norm: false });
    normsBehind(w);
  },
  keys: (shape) => [...groupedKeys(shape), ...windowKey(shape)],
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      ...headConfig(key),
      sliding_window: key("attention.sliding_window") ?? null,
      layer_types: Array.from({ length: key("block_count") }, (_, layer) =>
        key("attention.sliding_window") && layer % 4 < 3 ? "sliding_attention" : "full_attention",
      ),
      rope_scaling: LLAMA3,
    }),
    names: NAMES_BEHIND,
  },
};
