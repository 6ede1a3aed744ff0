/** bitnet-b1.58: bitnet, whose gate is a squared ReLU. */
import { FEW_TYPES, groupedKeys } from "../architecture-keys.mjs";
import { bitnetBlock } from "./bitnet.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const bitnetB158 = {
  models: "BitNet b1.58 2B-4T (Microsoft)",
  refuses: "its own format of blocks, I2_S",
  shapes: {
    "bitnet-b1.58-tiny": {
      ...{ layers: 3, hidden: 160, heads: 5, kvHeads: 1, ffn: 320, vocabulary: 512, context: 1024 },
      ...{ theta: 5e5, epsilon: 1e-5, pre: "gpt-2", tied: true },
    },
  },
  block: bitnetBlock,
  keys: groupedKeys,
  types: FEW_TYPES,
};
