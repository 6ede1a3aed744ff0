/** mamba2: Mamba-2 in every layer, and nothing else. */
import { FEW_TYPES, PEERS } from "../architecture-keys.mjs";
import { dualMixer, dualStep, mixerLayout, mixerNames, stateKeys, streamKeys } from "../recurrent-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const mamba2 = {
  models: "Mamba-2 130M to 2.7B, Mamba-Codestral-7B",
  shapes: {
    "mamba2-tiny": {
      ...{ layers: 3, hidden: 128, heads: 0, ffn: 0, kvHeadsOf: [0, 0, 0], vocabulary: 512, context: 1024 },
      ...{ taps: 4, inner: 256, stateSize: 16, timeRank: 8, groups: 2 },
      ...{ theta: 1e4, epsilon: 1e-5, pre: "gpt-2", tied: true },
    },
  },
  block: (w) => dualMixer(w),
  keys: (shape) => [...streamKeys(shape), ...stateKeys(shape)],
  types: FEW_TYPES,
  recurrent: true,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      num_heads: key("ssm.time_step_rank"),
      head_dim: key("ssm.inner_size") / key("ssm.time_step_rank"),
      state_size: key("ssm.state_size"),
      conv_kernel: key("ssm.conv_kernel"),
      n_groups: key("ssm.group_count"),
      expand: key("ssm.inner_size") / key("embedding_length"),
      layer_norm_epsilon: key("attention.layer_norm_rms_epsilon"),
      use_bias: false,
      use_conv_bias: true,
      rms_norm: true,
    }),
    negatedExp: /ssm_a$/,
    layout: mixerLayout,
    names: [
      [/^token_embd/, "backbone.embeddings"],
      [/^output_norm/, "backbone.norm_f"],
      [/^blk\.(\d+)\.attn_norm/, "backbone.layers.$1.norm"],
      ...mixerNames("mixer", "backbone.layers"),
      dualStep("mixer", "backbone.layers"),
    ],
  },
};
