/** granitehybrid: granite, most of whose layers are Mamba-2. */
import { expertKeys, FEW_TYPES, groupedKeys } from "../architecture-keys.mjs";
import { gatedExperts, gatedFeedForward, groupedAttention, sharedExpert } from "../random-parts.mjs";
import { byLayer, dualMixer, layerOf, stateKeys } from "../recurrent-parts.mjs";
import { SCALES } from "./granite.mjs";

const TINY = {
  ...{ layers: 4, hidden: 128, heads: 4, headSize: 32, ffn: 192, kvHeadsOf: [0, 0, 2, 0] },
  ...{ taps: 4, inner: 256, stateSize: 16, timeRank: 8, groups: 1 },
  ...{ vocabulary: 512, context: 1024, theta: 1e4, epsilon: 1e-5, pre: "gpt-2", tied: true },
};

/** @type {import("../architectures.mjs").Architecture} */
export const granitehybrid = {
  models: "Granite 4.0 H Micro, Tiny, Small, Granite 4.0 H 350M and 1B, Bamba-9B",
  shapes: {
    "granitehybrid-tiny": TINY,
    "granitehybrid-moe-tiny": { ...TINY, experts: 6, used: 2, expertWidth: 192, sharedWidth: 96 },
  },
  variants: { "granitehybrid-moe-tiny": ["llama.cpp"] },
  block(w) {
    if (w.shape.kvHeadsOf?.[w.layer]) groupedAttention(layerOf(w));
    else dualMixer(w);
    if (!w.shape.experts) return gatedFeedForward(w);
    gatedExperts(w);
    sharedExpert(w);
  },
  keys: (shape) => [
    ...byLayer(groupedKeys(shape), shape),
    ...SCALES,
    ["rope.scaling.finetuned", "bool", false],
    ...stateKeys(shape),
    ...(shape.experts
      ? /** @type {import("../vocabulary.mjs").Entry[]} */ ([
          ...expertKeys(shape),
          ["expert_shared_feed_forward_length", "u32", shape.sharedWidth],
        ])
      : []),
  ],
  types: FEW_TYPES,
  recurrent: true,
  peers: ["llama.cpp"],
};
