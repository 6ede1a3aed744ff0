/** qwen3next: qwen35 with experts, and a shared one behind a gate. */
import { expertKeys, FEW_TYPES, PEERS } from "../architecture-keys.mjs";
import { gatedExperts, sharedExpert } from "../random-parts.mjs";
import { qwen2moe, SHARED_NAMES } from "./qwen2moe.mjs";
import { DELTA, deltaConfig, deltaNames, keys, mixer, PLUS_ONE, renameNorm } from "./qwen35.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const qwen3next = {
  models: "Qwen3-Next-80B-A3B, Qwen3-Coder-Next",
  refuses: "heads that predict more tokens (`nextn_predict_layers`)",
  shapes: {
    "qwen3next-tiny": { ...DELTA, tied: false, experts: 6, used: 2, expertWidth: 96, sharedWidth: 64 },
  },
  block(w) {
    mixer(w, { grouped: true });
    gatedExperts(w);
    renameNorm(w);
    w.add("ffn_gate_inp_shexp.weight", [w.shape.hidden], "F32", w.unit);
    sharedExpert(w);
  },
  keys: (shape) => [
    ...keys(shape),
    ...expertKeys(shape),
    ["expert_shared_feed_forward_length", "u32", shape.sharedWidth ?? 0],
  ],
  types: FEW_TYPES,
  recurrent: true,
  peers: PEERS,
  checkpoint: {
    config: (key, shape) => ({
      ...{ ...qwen2moe.checkpoint?.config(key, shape), ...deltaConfig(key), model_type: "qwen3_next" },
      norm_topk_prob: true,
    }),
    negatedExp: /ssm_a$/,
    plusOne: PLUS_ONE,
    // For each head of keys: its query, its key, the values and the gates of those that have it in common.
    layout(name, key, shape) {
      const size = key("ssm.state_size");
      const keys = key("ssm.group_count");
      const each = (key("ssm.time_step_rank") / keys) * size;
      const one = 2 * size + 2 * each;
      const [hidden, first] = [key("embedding_length"), 2 * keys * size];
      const block = (/** @type {number} */ place, /** @type {number} */ width, /** @type {number} */ from) =>
        Math.floor(place / width) * one + from + (place % width);
      if (/attn_gate/.test(name)) {
        return { shape: [keys * one, hidden], rowOf: (row) => block(row, each, 2 * size + each) };
      }
      if (/attn_qkv/.test(name)) {
        return {
          shape: [keys * one, hidden],
          rowOf: (row) =>
            row >= first
              ? block(row - first, each, 2 * size)
              : block(row % (keys * size), size, row < keys * size ? 0 : size),
        };
      }
      if (/ssm_conv1d/.test(name)) {
        return { shape: [first + keys * each, 1, key("ssm.conv_kernel")], rowOf: (row) => row };
      }
      return qwen2moe.checkpoint?.layout?.(name, key, shape);
    },
    names: [
      [/^blk\.(\d+)\.attn_(qkv|gate)/, "model.layers.$1.linear_attn.in_proj_qkvz"],
      [/^blk\.(\d+)\.ssm_ba/, "model.layers.$1.linear_attn.in_proj_ba"],
      ...deltaNames("model.layers"),
      ...SHARED_NAMES,
    ],
  },
};
