/** cohere2: command-r with windows, whose layers alone turn. */
import { FEW_TYPES, PEERS } from "../architecture-keys.mjs";
import { commandBlock, commandConfig, commandKeys } from "./command-r.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const cohere2 = {
  models: "Command R7B, Command A, Tiny Aya",
  // The fourth layer sees all, and a fifth does not. Its peers know no heads of another width than hidden / heads.
  shapes: {
    "cohere2-tiny": {
      ...{ layers: 5, hidden: 128, heads: 4, kvHeads: 1, ffn: 160, window: 6 },
      ...{ vocabulary: 512, context: 1024, theta: 5e4, epsilon: 1e-5, pre: "gpt-2", tied: true },
    },
  },
  block: commandBlock,
  keys: (shape) => [...commandKeys(shape), ["attention.sliding_window", "u32", shape.window ?? 0]],
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({ ...commandConfig(key), rotary_pct: 1, sliding_window: key("attention.sliding_window") }),
  },
};
