/** granitehybrid: granite, most of whose layers are Mamba-2. */
import { expertKeys, FEW_TYPES, groupedKeys, PEERS } from "../architecture-keys.mjs";
import { gatedExperts, gatedFeedForward, groupedAttention, sharedExpert } from "../random-parts.mjs";
import {
  byLayer,
  dualConfig,
  dualMixer,
  dualStep,
  keyHeads,
  layerOf,
  layerWords,
  mixerLayout,
  mixerNames,
  stateKeys,
} from "../recurrent-parts.mjs";
import { SCALES, scaleConfig } from "./granite.mjs";
import { GRANITE_NAMES, granitemoe } from "./granitemoe.mjs";

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
  variants: { "granitehybrid-moe-tiny": PEERS },
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
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      ...{ ...scaleConfig(key), ...dualConfig(key), model_type: "granitemoehybrid" },
      num_key_value_heads: keyHeads(key),
      layer_types: layerWords(key, "attention", "mamba"),
      position_embedding_type: "nope",
      num_local_experts: key("expert_count") ?? 0,
      num_experts_per_tok: key("expert_used_count") ?? 0,
      shared_intermediate_size: key("expert_shared_feed_forward_length") ?? key("feed_forward_length"),
    }),
    negatedExp: /ssm_a$/,
    halves: true,
    layout(name, key, shape) {
      const [, part] = /ffn_(gate|up)\.weight/.exec(name) ?? [];
      if (!part) return mixerLayout(name, key, shape) ?? granitemoe.checkpoint?.layout?.(name, key, shape);
      const width = key("feed_forward_length");
      return {
        shape: [2 * width, key("embedding_length")],
        rowOf: (row) => (part === "up" ? width : 0) + row,
      };
    },
    names: [
      ...GRANITE_NAMES,
      [/^blk\.(\d+)\.ffn_(gate|up)\./, "model.layers.$1.shared_mlp.input_linear."],
      [/^blk\.(\d+)\.ffn_down\./, "model.layers.$1.shared_mlp.output_linear."],
      ...mixerNames("mamba", "model.layers"),
      dualStep("mamba", "model.layers"),
    ],
  },
};
