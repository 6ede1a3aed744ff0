/** mamba: Mamba in every layer, and nothing else. */
import { FEW_TYPES, PEERS } from "../architecture-keys.mjs";
import { mambaMixer, mixerLayout, mixerNames, plainStep, stateKeys, streamKeys } from "../recurrent-parts.mjs";

const TINY = {
  ...{ layers: 3, hidden: 96, heads: 0, ffn: 0, kvHeadsOf: [0, 0, 0], vocabulary: 512, context: 1024 },
  ...{ taps: 4, inner: 192, stateSize: 16, timeRank: 6, theta: 1e4, epsilon: 1e-5, pre: "gpt-2", tied: true },
};

/** @type {import("../architectures.mjs").Architecture} */
export const mamba = {
  models: "Mamba 130M to 2.8B, Falcon-Mamba-7B",
  shapes: { "mamba-tiny": TINY, "falcon-mamba-tiny": { ...TINY, plainNorms: true } },
  variants: { "falcon-mamba-tiny": PEERS },
  block: (w) => mambaMixer(w),
  keys: (shape) => [...streamKeys(shape), ...stateKeys(shape), ["ssm.dt_b_c_rms", "bool", shape.plainNorms ?? false]],
  types: FEW_TYPES,
  recurrent: true,
  peers: PEERS,
  checkpoint: {
    config: (key, { plainNorms }) => ({
      model_type: plainNorms ? "falcon_mamba" : "mamba",
      intermediate_size: key("ssm.inner_size"),
      state_size: key("ssm.state_size"),
      conv_kernel: key("ssm.conv_kernel"),
      time_step_rank: key("ssm.time_step_rank"),
      expand: key("ssm.inner_size") / key("embedding_length"),
      layer_norm_epsilon: key("attention.layer_norm_rms_epsilon"),
      // A file has one ε.
      ...(plainNorms ? { mixer_rms_eps: key("attention.layer_norm_rms_epsilon") } : {}),
      use_bias: false,
      use_conv_bias: true,
    }),
    negatedExp: /ssm_a$/,
    layout: mixerLayout,
    names: [
      [/^token_embd/, "backbone.embeddings"],
      [/^output_norm/, "backbone.norm_f"],
      [/^blk\.(\d+)\.attn_norm/, "backbone.layers.$1.norm"],
      ...mixerNames("mixer", "backbone.layers"),
      plainStep("mixer", "backbone.layers"),
    ],
  },
};
