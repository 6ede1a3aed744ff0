/** mistral3: llama with YaRN by its own numbers, and queries that grow with their position. */
import { FEW_TYPES, groupedKeys, headConfig, yarnConfig, yarnKeys } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const mistral3 = {
  models: "Ministral 3 3B to 14B, Mistral Small 3.1 and 3.2, text",
  refuses: "experts",
  // Prompts of tests are three times as long as what YaRN makes longer, so that queries grow twice.
  shapes: {
    "mistral3-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, kvHeads: 1, headSize: 48, ffn: 160, vocabulary: 512 },
      ...{ context: 1024, original: 16, theta: 1e4, epsilon: 1e-5, pre: "gpt-2", tied: true },
    },
  },
  block(w) {
    groupedAttention(w);
    gatedFeedForward(w);
  },
  keys: (shape) => [
    ...groupedKeys(shape),
    ...yarnKeys(shape),
    ["rope.scaling.yarn_beta_fast", "f32", 4],
    ["rope.scaling.yarn_beta_slow", "f32", 0.25],
    ["rope.scaling.yarn_log_multiplier", "f32", 1],
    ["attention.temperature_scale", "f32", 0.5],
  ],
  absolute: true,
  types: FEW_TYPES,
  peers: ["llama.cpp"],
  checkpoint: {
    config: (key) => ({
      ...headConfig(key),
      model_type: "ministral3",
      rope_theta: undefined,
      rope_parameters: {
        ...yarnConfig(key),
        rope_theta: key("rope.freq_base"),
        beta_fast: key("rope.scaling.yarn_beta_fast"),
        beta_slow: key("rope.scaling.yarn_beta_slow"),
        mscale: 1,
        mscale_all_dim: key("rope.scaling.yarn_log_multiplier"),
        llama_4_scaling_beta: key("attention.temperature_scale"),
      },
    }),
    halves: true,
  },
};
