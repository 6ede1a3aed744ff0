/** smallthinker: experts of ReGLU, chosen by what the layer reads; with windows the first of four layers turns nothing. */
import { expertKeys, FEW_TYPES, groupedKeys } from "../architecture-keys.mjs";
import { gatedExperts, groupedAttention } from "../random-parts.mjs";

const SMALLTHINKER = {
  ...{ hidden: 128, heads: 4, kvHeads: 1, headSize: 48, ffn: 64, experts: 8, used: 3, expertWidth: 64 },
  ...{ vocabulary: 512, context: 1024, theta: 1.5e6, epsilon: 1e-6, pre: "gpt-2", tied: true },
};

/** @type {import("../architectures.mjs").Architecture} */
export const smallthinker = {
  models: "SmallThinker 4B-A0.6B and 21B-A3B",
  shapes: {
    // llama.cpp knows no window but 4096.
    "smallthinker-tiny": { ...SMALLTHINKER, layers: 5, window: 4096 },
    "smallthinker-turned": { ...SMALLTHINKER, layers: 2 },
  },
  block(w) {
    const { hidden, experts = 0 } = w.shape;
    groupedAttention(w);
    gatedExperts(w, { router: false });
    // What layers read grows; sigmoids of large scores are alike.
    w.add("ffn_gate_inp.weight", [hidden, experts], "F32", 0.25);
  },
  keys: (shape) => [
    ...groupedKeys(shape),
    ...expertKeys(shape),
    ...(shape.window ? [/** @type {const} */ (["attention.sliding_window", "u32", shape.window])] : []),
    ["expert_gating_func", "u32", shape.window ? 2 : 1],
  ],
  variants: { "smallthinker-turned": ["llama.cpp"] },
  types: FEW_TYPES,
  peers: ["llama.cpp"],
};
