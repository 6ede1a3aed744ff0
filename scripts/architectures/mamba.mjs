/** mamba: Mamba in every layer, and nothing else. */
import { FEW_TYPES } from "../architecture-keys.mjs";
import { mambaMixer, stateKeys, streamKeys } from "../recurrent-parts.mjs";

const TINY = {
  ...{ layers: 3, hidden: 96, heads: 0, ffn: 0, kvHeadsOf: [0, 0, 0], vocabulary: 512, context: 1024 },
  ...{ taps: 4, inner: 192, stateSize: 16, timeRank: 6, theta: 1e4, epsilon: 1e-5, pre: "gpt-2", tied: true },
};

/** @type {import("../architectures.mjs").Architecture} */
export const mamba = {
  models: "Mamba 130M to 2.8B, Falcon-Mamba-7B",
  shapes: { "mamba-tiny": TINY, "falcon-mamba-tiny": { ...TINY, plainNorms: true } },
  variants: { "falcon-mamba-tiny": ["llama.cpp"] },
  block: (w) => mambaMixer(w),
  keys: (shape) => [...streamKeys(shape), ...stateKeys(shape), ["ssm.dt_b_c_rms", "bool", shape.plainNorms ?? false]],
  types: FEW_TYPES,
  recurrent: true,
  peers: ["llama.cpp"],
};
