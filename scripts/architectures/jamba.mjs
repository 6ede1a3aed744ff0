/** jamba: Mamba with norms, and between its layers some that attend; some have experts. */
import { expertKeys, FEW_TYPES, groupedKeys, PEERS } from "../architecture-keys.mjs";
import { gatedExperts, gatedFeedForward, groupedAttention } from "../random-parts.mjs";
import {
  byLayer,
  keyHeads,
  layerOf,
  mambaMixer,
  mixerLayout,
  mixerNames,
  plainStep,
  stateKeys,
} from "../recurrent-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const jamba = {
  models: "Jamba 1.5 and 1.7 Mini, AI21-Jamba-Reasoning-3B",
  shapes: {
    "jamba-tiny": {
      ...{ layers: 4, hidden: 128, heads: 4, headSize: 32, ffn: 160, kvHeadsOf: [0, 2, 0, 0] },
      ...{ taps: 4, inner: 256, stateSize: 16, timeRank: 8, experts: 4, used: 2, expertWidth: 160 },
      ...{ vocabulary: 512, context: 1024, theta: 1e4, epsilon: 1e-6, pre: "gpt-2", tied: false },
    },
  },
  block(w) {
    if (w.shape.kvHeadsOf?.[w.layer]) groupedAttention(layerOf(w));
    else mambaMixer(w, { norms: true });
    if (w.layer % 2) gatedExperts(w);
    else gatedFeedForward(w);
  },
  keys: (shape) => [
    ...byLayer(groupedKeys(shape), shape).filter(([name]) => !name.startsWith("rope")),
    ...stateKeys(shape),
    ...expertKeys(shape),
  ],
  types: FEW_TYPES,
  recurrent: true,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      num_key_value_heads: keyHeads(key),
      attn_layer_period: 4,
      attn_layer_offset: 1,
      expert_layer_period: 2,
      expert_layer_offset: 1,
      num_experts: key("expert_count"),
      num_experts_per_tok: key("expert_used_count"),
      mamba_d_state: key("ssm.state_size"),
      mamba_d_conv: key("ssm.conv_kernel"),
      mamba_dt_rank: key("ssm.time_step_rank"),
      mamba_expand: key("ssm.inner_size") / key("embedding_length"),
      mamba_conv_bias: true,
      mamba_proj_bias: false,
      use_mamba_kernels: false,
    }),
    negatedExp: /ssm_a$/,
    layout: mixerLayout,
    names: [
      [/^output_norm/, "model.final_layernorm"],
      [/^blk\.(\d+)\.ffn_norm/, "model.layers.$1.pre_ff_layernorm"],
      [/^blk\.(\d+)\.ffn_gate_inp/, "model.layers.$1.feed_forward.router"],
      [/^blk\.(\d+)\.ffn_(gate|up|down)_exps/, "model.layers.$1.feed_forward.experts.#.$2_proj"],
      [/^blk\.(\d+)\.ffn_(gate|up|down)/, "model.layers.$1.feed_forward.$2_proj"],
      ...mixerNames("mamba", "model.layers"),
      plainStep("mamba", "model.layers"),
    ],
  },
};
