/** gpt-oss: sinks in attention, a window in every other layer, clamped experts, and biases everywhere. */
import { expertKeys, groupedKeys, headConfig, PEERS, yarnKeys } from "../architecture-keys.mjs";
import { groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const gptOss = {
  // Prompts of tests are longer than the window and than the original context.
  shapes: {
    "gpt-oss-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, kvHeads: 1, headSize: 48, ffn: 96, experts: 6, used: 3, expertWidth: 96 },
      ...{ window: 6, context: 1024, original: 16, theta: 150000, epsilon: 1e-5, pre: "llama-bpe", vocabulary: 512 },
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
    ...yarnKeys(shape, 4),
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
  },
};
