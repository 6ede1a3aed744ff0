/** hunyuan-moe: hunyuan-dense with experts, and one that every token goes to. */
import { expertKeys, FEW_TYPES, groupedKeys, headConfig, PEERS } from "../architecture-keys.mjs";
import { gatedExperts, groupedAttention, sharedExpert } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const hunyuanMoe = {
  models: "Hunyuan-A13B",
  shapes: {
    // llama.cpp knows no experts of another width than ffn, transformers no shared one.
    "hunyuan-moe-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, kvHeads: 1, headSize: 48, ffn: 96 },
      ...{ experts: 8, used: 3, expertWidth: 96, sharedWidth: 96 },
      ...{ vocabulary: 512, context: 1024, theta: 1e4, epsilon: 1e-5, pre: "gpt-2", tied: true },
    },
  },
  block(w) {
    groupedAttention(w, { norms: true });
    gatedExperts(w);
    sharedExpert(w);
  },
  keys: (shape) => [
    ...groupedKeys(shape),
    ...expertKeys(shape),
    ["expert_shared_feed_forward_length", "u32", shape.sharedWidth ?? 0],
  ],
  fixed: true,
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      ...headConfig(key),
      model_type: "hunyuan_v1_moe",
      use_qk_norm: true,
      num_experts: key("expert_count"),
      moe_topk: key("expert_used_count"),
    }),
    names: [
      [/^blk\.(\d+)\.attn_q_norm/, "model.layers.$1.self_attn.query_layernorm"],
      [/^blk\.(\d+)\.attn_k_norm/, "model.layers.$1.self_attn.key_layernorm"],
      [/^blk\.(\d+)\.ffn_gate_inp\./, "model.layers.$1.mlp.gate.wg."],
      [/^blk\.(\d+)\.ffn_(gate|up|down)_exps/, "model.layers.$1.mlp.experts.#.$2_proj"],
      [/^blk\.(\d+)\.ffn_(gate|up|down)_shexp/, "model.layers.$1.mlp.shared_mlp.$2_proj"],
    ],
  },
};
