/** gpt-oss: sinks in attention, a window in every other layer, clamped experts, and biases everywhere. */
import { expertKeys, groupedKeys, headConfig, PEERS, yarnKeys } from "../architecture-keys.mjs";
import { groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const gptOss = {
  models: "gpt-oss 20B, 120B",
  // Prompts of tests are longer than the window and than the original context.
  shapes: {
    "gpt-oss-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, kvHeads: 1, headSize: 48, ffn: 96, experts: 6, used: 3, expertWidth: 96 },
      ...{ window: 6, context: 1024, original: 32, theta: 150000, epsilon: 1e-5, pre: "qwen2", vocabulary: 512 },
    },
  },
  block(w) {
    const { hidden, heads, expertWidth = 0, experts = 0 } = w.shape;
    // Files keep the checkpoint's own blocks of four bits.
    const type = w.type === "F32" ? "F32" : "MXFP4";
    groupedAttention(w, { biases: true });
    w.add("attn_output.bias", [hidden], "F32", w.added);
    w.add("attn_sinks.weight", [heads], "F32", 1);
    w.norm("post_attention_norm.weight", hidden);
    w.add("ffn_gate_inp.weight", [hidden, experts], "F32", 2 * w.unit);
    w.add("ffn_gate_inp.bias", [experts], "F32", 0.5);
    // Wide enough for some values to be clamped.
    for (const name of ["ffn_gate_exps", "ffn_up_exps"]) {
      w.add(`${name}.weight`, [hidden, expertWidth, experts], type, 4 * w.unit);
      w.add(`${name}.bias`, [expertWidth, experts], "F32", 0.5);
    }
    w.add("ffn_down_exps.weight", [expertWidth, hidden, experts], type, w.added / (6 * Math.sqrt(expertWidth)));
    w.add("ffn_down_exps.bias", [hidden, experts], "F32", w.added);
  },
  keys: (shape) => [
    ...groupedKeys(shape),
    ...expertKeys(shape),
    ...yarnKeys(shape),
    ["attention.sliding_window", "u32", shape.window ?? 0],
  ],
  types: ["F32", "Q8_0"],
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      ...headConfig(key),
      model_type: "gpt_oss",
      sliding_window: key("attention.sliding_window"),
      num_local_experts: key("expert_count"),
      num_experts_per_tok: key("expert_used_count"),
      intermediate_size: key("expert_feed_forward_length"),
      attention_bias: true,
      hidden_act: "silu",
      rope_scaling: {
        rope_type: "yarn",
        factor: key("rope.scaling.factor"),
        original_max_position_embeddings: key("rope.scaling.original_context_length"),
        beta_fast: 32,
        beta_slow: 1,
        truncate: true,
      },
    }),
    names: [
      [/^blk\.(\d+)\.attn_sinks\.weight/, "model.layers.$1.self_attn.sinks"],
      [/^blk\.(\d+)\.post_attention_norm/, "model.layers.$1.post_attention_layernorm"],
      [/^blk\.(\d+)\.ffn_gate_inp/, "model.layers.$1.mlp.router"],
      [/^blk\.(\d+)\.ffn_(?:gate|up)_exps\.weight/, "model.layers.$1.mlp.experts.gate_up_proj"],
      [/^blk\.(\d+)\.ffn_(?:gate|up)_exps\.bias/, "model.layers.$1.mlp.experts.gate_up_proj_bias"],
      [/^blk\.(\d+)\.ffn_down_exps\.weight/, "model.layers.$1.mlp.experts.down_proj"],
      [/^blk\.(\d+)\.ffn_down_exps\.bias/, "model.layers.$1.mlp.experts.down_proj_bias"],
    ],
    // A row of the checkpoint is an input, and in it gate and up take turns.
    layout(name, key) {
      const [hidden, experts] = [key("embedding_length"), key("expert_count")];
      const width = key("expert_feed_forward_length");
      const place = name.includes("up_exps") ? 1 : 0;
      const expertOf = (/** @type {number} */ value, /** @type {number} */ size) => Math.floor(value / size);
      if (/(gate|up)_exps\.bias/.test(name)) return { shape: [experts, 2 * width], placeOf: (i) => 2 * i + place };
      if (/(gate|up)_exps\.weight/.test(name)) {
        const placeOf = (/** @type {number} */ i) => {
          const [expert, inside] = [expertOf(i, width * hidden), i % (width * hidden)];
          return (expert * hidden + (inside % hidden)) * 2 * width + 2 * Math.floor(inside / hidden) + place;
        };
        return { shape: [experts, hidden, 2 * width], placeOf };
      }
      if (!/down_exps\.weight/.test(name)) return undefined;
      const placeOf = (/** @type {number} */ i) => {
        const [expert, inside] = [expertOf(i, width * hidden), i % (width * hidden)];
        return (expert * width + (inside % width)) * hidden + Math.floor(inside / width);
      };
      return { shape: [experts, width, hidden], placeOf };
    },
  },
};
