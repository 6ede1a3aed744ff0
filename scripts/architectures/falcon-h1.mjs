/** falcon-h1: attention and Mamba-2 side by side in every layer. */
import { FEW_TYPES, groupedKeys } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";
import { dualMixer, stateKeys } from "../recurrent-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const falconH1 = {
  models: "Falcon-H1 0.5B to 34B, Falcon-H1-Tiny",
  shapes: {
    "falcon-h1-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, kvHeads: 2, headSize: 32, ffn: 160 },
      ...{ taps: 4, inner: 192, stateSize: 16, timeRank: 6, groups: 1 },
      ...{ vocabulary: 512, context: 1024, theta: 1e6, epsilon: 1e-5, pre: "falcon-h1", tied: false },
    },
  },
  block(w) {
    groupedAttention(w);
    dualMixer(w, { norm: false });
    gatedFeedForward(w);
    // llama.cpp's converter gives this norm no suffix.
    const norm = w.tensors.find(({ name }) => name === `blk.${w.layer}.ffn_norm.weight`);
    if (norm) norm.name = `blk.${w.layer}.ffn_norm`;
  },
  keys: (shape) => [...groupedKeys(shape), ...stateKeys(shape)],
  types: FEW_TYPES,
  recurrent: true,
  peers: ["llama.cpp"],
};
