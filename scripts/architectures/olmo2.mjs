/** olmo2: norms behind both halves and of whole rows of q and k; OLMo 3's windows, whose layers turn without YaRN. */
import { FEW_TYPES, groupedKeys, headConfig, PEERS } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention, normsBehind } from "../random-parts.mjs";

/** Norms behind both halves, and none before. @type {import("../architectures.mjs").Checkpoint["names"]} */
export const NAMES_BEHIND = [
  [/^blk\.(\d+)\.post_attention_norm/, "model.layers.$1.post_attention_layernorm"],
  [/^blk\.(\d+)\.post_ffw_norm/, "model.layers.$1.post_feedforward_layernorm"],
];

/** @type {import("../architectures.mjs").Architecture} */
export const olmo2 = {
  models: "OLMo 2 1B to 32B, OLMo 3 7B and 32B",
  // The fourth layer sees all, and a fifth does not; prompts of tests are longer than the window and than what YaRN begins with.
  shapes: {
    "olmo2-tiny": {
      ...{ layers: 5, hidden: 128, heads: 4, kvHeads: 1, ffn: 160, window: 6 },
      ...{ vocabulary: 512, context: 1024, theta: 1e4, epsilon: 1e-6, pre: "gpt-2" },
    },
  },
  block(w) {
    groupedAttention(w, { rowNorms: true, norm: false });
    gatedFeedForward(w, { norm: false });
    normsBehind(w);
  },
  keys: (shape) => [
    ...groupedKeys(shape),
    ["attention.sliding_window", "u32", shape.window],
    ["rope.scaling.type", "string", "yarn"],
    ["rope.scaling.factor", "f32", 8],
    ["rope.scaling.original_context_length", "u32", 32],
  ],
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      ...headConfig(key),
      model_type: "olmo3",
      sliding_window: key("attention.sliding_window"),
      layer_types: Array.from({ length: key("block_count") }, (_, layer) =>
        layer % 4 < 3 ? "sliding_attention" : "full_attention",
      ),
      rope_scaling: {
        rope_type: "yarn",
        factor: key("rope.scaling.factor"),
        original_max_position_embeddings: key("rope.scaling.original_context_length"),
      },
    }),
    names: NAMES_BEHIND,
  },
};
