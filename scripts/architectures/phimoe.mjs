/** phimoe: LayerNorms, biases, and experts weighed by SparseMixer. */
import { expertKeys, groupedKeys } from "../architecture-keys.mjs";
import { gatedExperts, groupedAttention, outputNormBias } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const phimoe = {
  models:
    "Phi-3.5-MoE, Phi-mini-MoE and Phi-tiny-MoE, by their released code, whose norms and weights of experts are others than those in llama.cpp",
  shapes: {
    // So many experts that scores lie within 2 % of each other now and then.
    "phimoe-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, kvHeads: 2, ffn: 96, experts: 16, used: 2, expertWidth: 96 },
      ...{ vocabulary: 512, context: 1024, theta: 1e4, epsilon: 1e-5, pre: "gpt-2" },
    },
  },
  block(w) {
    const { hidden } = w.shape;
    groupedAttention(w, { biases: true });
    w.add("attn_norm.bias", [hidden], "F32", 0.5);
    w.add("attn_output.bias", [hidden], "F32", w.added);
    gatedExperts(w);
    w.add("ffn_norm.bias", [hidden], "F32", 0.5);
  },
  ends(w) {
    outputNormBias(w);
    w.add("output.bias", [w.shape.vocabulary], "F32", 0.5);
  },
  keys: (shape) => [
    // Its heads are hidden / heads wide.
    ...groupedKeys(shape).filter(([name]) => !/_length$/.test(name) || name === "feed_forward_length"),
    ...expertKeys(shape).filter(([name]) => name !== "expert_feed_forward_length"),
  ],
  // In less exact formats bytes choose another expert now and then.
  types: ["F32", "Q8_0"],
  peers: ["transformers"],
  checkpoint: {
    config: (key) => ({
      num_local_experts: key("expert_count"),
      num_experts_per_tok: key("expert_used_count"),
      attention_bias: true,
      lm_head_bias: true,
    }),
    names: [
      [/^blk\.(\d+)\.ffn_gate_inp\./, "model.layers.$1.block_sparse_moe.gate."],
      [/^blk\.(\d+)\.ffn_gate_exps/, "model.layers.$1.block_sparse_moe.experts.#.w1"],
      [/^blk\.(\d+)\.ffn_down_exps/, "model.layers.$1.block_sparse_moe.experts.#.w2"],
      [/^blk\.(\d+)\.ffn_up_exps/, "model.layers.$1.block_sparse_moe.experts.#.w3"],
    ],
  },
};
