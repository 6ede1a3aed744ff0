/** nemotron_h: each layer is one of Mamba-2, attention, and a feed-forward network of relu². */
import { FEW_TYPES, groupedKeys, PEERS } from "../architecture-keys.mjs";
import { groupedAttention, reluSquaredFeedForward } from "../random-parts.mjs";
import {
  byLayer,
  dualMixer,
  dualStep,
  keyHeads,
  layerOf,
  mixerLayout,
  mixerNames,
  stateKeys,
} from "../recurrent-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const nemotronH = {
  models: "Nemotron-H 4B and 8B, Nemotron Nano 2 9B, Nemotron 3 Nano 4B",
  refuses: "experts (Nemotron 3 Nano 30B-A3B)",
  shapes: {
    "nemotron_h-tiny": {
      ...{ layers: 6, hidden: 128, heads: 4, headSize: 32, ffn: 256 },
      ...{ kvHeadsOf: [0, 0, 2, 0, 0, 0], ffnOf: [0, 256, 0, 256, 0, 256] },
      ...{ taps: 4, inner: 256, stateSize: 16, timeRank: 8, groups: 2 },
      ...{ vocabulary: 512, context: 1024, theta: 1e4, epsilon: 1e-5, pre: "gpt-2", tied: false },
    },
  },
  block(w) {
    if (w.shape.ffnOf?.[w.layer]) {
      reluSquaredFeedForward(w);
      const norm = w.tensors.find(({ name }) => name === `blk.${w.layer}.ffn_norm.weight`);
      if (norm) norm.name = `blk.${w.layer}.attn_norm.weight`;
    } else if (w.shape.kvHeadsOf?.[w.layer]) groupedAttention(layerOf(w));
    else dualMixer(w);
  },
  keys: (shape) => [
    ...byLayer(groupedKeys(shape), shape)
      .filter(([name]) => !name.startsWith("rope"))
      .map((entry) =>
        entry[0] === "feed_forward_length"
          ? /** @type {import("../vocabulary.mjs").Entry} */ ([entry[0], "i32[]", shape.ffnOf ?? []])
          : entry,
      ),
    ...stateKeys(shape),
    ["attention.layer_norm_epsilon", "f32", 1e-3],
  ],
  types: FEW_TYPES,
  recurrent: true,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      hybrid_override_pattern: key("attention.head_count_kv")
        .map((/** @type {number} */ count, /** @type {number} */ i) =>
          count > 0 ? "*" : key("feed_forward_length")[i] > 0 ? "-" : "M",
        )
        .join(""),
      num_key_value_heads: keyHeads(key),
      intermediate_size: Math.max(...key("feed_forward_length")),
      head_dim: key("attention.key_length"),
      mlp_hidden_act: "relu2",
      mamba_num_heads: key("ssm.time_step_rank"),
      mamba_head_dim: key("ssm.inner_size") / key("ssm.time_step_rank"),
      ssm_state_size: key("ssm.state_size"),
      n_groups: key("ssm.group_count"),
      conv_kernel: key("ssm.conv_kernel"),
      expand: key("ssm.inner_size") / key("embedding_length"),
      use_conv_bias: true,
      layer_norm_epsilon: key("attention.layer_norm_rms_epsilon"),
    }),
    negatedExp: /ssm_a$/,
    layout: mixerLayout,
    names: [
      [/^token_embd/, "backbone.embeddings"],
      [/^output_norm/, "backbone.norm_f"],
      [/^blk\.(\d+)\.attn_norm/, "backbone.layers.$1.norm"],
      [/^blk\.(\d+)\.attn_(q|k|v)/, "backbone.layers.$1.mixer.$2_proj"],
      [/^blk\.(\d+)\.attn_output/, "backbone.layers.$1.mixer.o_proj"],
      [/^blk\.(\d+)\.ffn_(up|down)/, "backbone.layers.$1.mixer.$2_proj"],
      ...mixerNames("mixer", "backbone.layers"),
      dualStep("mixer", "backbone.layers"),
    ],
  },
};
