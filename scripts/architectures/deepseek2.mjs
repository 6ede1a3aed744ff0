/** deepseek2: latent attention, and behind the first layers experts with shared ones beside them. */
import { denseKeys, expertKeys, FEW_TYPES, PEERS, yarnKeys } from "../architecture-keys.mjs";
import { gatedExperts, gatedFeedForward, latentAttention, sharedExpert } from "../random-parts.mjs";

/** @typedef {import("../architectures.mjs").Shape} Shape */
/** @typedef {import("../vocabulary.mjs").Entry} Entry */

const TINY = {
  ...{ layers: 3, hidden: 128, heads: 4, nope: 32, rope: 16, value: 40, rank: 96, ffn: 160 },
  ...{ experts: 8, used: 3, expertWidth: 64, sharedWidth: 128, dense: 1 },
  ...{ context: 1024, original: 32, theta: 1e4, epsilon: 1e-6, pre: "qwen2", vocabulary: 512 },
};

/** Whether a shape is of V3's kind: queries of low rank, W_UK and W_UV apart, sigmoids, groups. @param {Shape} shape */
const isThird = ({ queryRank }) => queryRank !== undefined;

/** @type {import("../architectures.mjs").Architecture} */
export const deepseek2 = {
  models: "DeepSeek-V2-Lite, DeepSeek-V3, Moonlight-16B-A3B, GLM-4.7-Flash, Youtu-LLM-2B",
  refuses: "temperatures of attention; heads that predict more tokens (`nextn_predict_layers`)",
  // The first is of V3's kind, the second of V2-Lite's.
  shapes: {
    "deepseek2-tiny": { ...TINY, queryRank: 64 },
    "deepseek2-lite-tiny": { ...TINY, layers: 26 },
  },
  block(w) {
    const { dense = 0, experts = 0 } = w.shape;
    latentAttention(w, { split: isThird(w.shape) });
    if (w.layer < dense) return gatedFeedForward(w);
    gatedExperts(w);
    sharedExpert(w);
    // Above 0 together with any gate: what transformers leaves out counts as 0 there.
    if (isThird(w.shape)) w.add("exp_probs_b.bias", [experts], "F32", 0.1, 0.3);
  },
  keys: (shape) => {
    const { nope = 0, rope = 0, value = 0, rank = 0, dense = 0, expertWidth = 1, sharedWidth = 0 } = shape;
    const third = /** @type {Entry[]} */ ([
      ["attention.q_lora_rank", "u32", shape.queryRank ?? 0],
      ["attention.key_length_mla", "u32", nope + rope],
      ["attention.value_length_mla", "u32", value],
      ["expert_group_count", "u32", 4],
      ["expert_group_used_count", "u32", 2],
      ["expert_weights_scale", "f32", 1.5],
      ["expert_weights_norm", "bool", true],
      ["expert_gating_func", "u32", 2],
    ]);
    return [
      ...(isThird(shape)
        ? denseKeys({ ...shape, kvHeads: 1 }, rank + rope, rank, rope)
        : denseKeys(shape, nope + rope, value, rope)),
      ...expertKeys(shape),
      ...(isThird(shape) ? third : []),
      ...yarnKeys(shape),
      ["rope.scaling.yarn_log_multiplier", "f32", Math.fround(0.08)],
      ["attention.kv_lora_rank", "u32", rank],
      ["leading_dense_block_count", "u32", dense],
      ["expert_shared_count", "u32", sharedWidth / expertWidth],
    ];
  },
  types: FEW_TYPES,
  latent: true,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      model_type: "deepseek_v3",
      num_key_value_heads: key("attention.head_count"),
      q_lora_rank: key("attention.q_lora_rank"),
      kv_lora_rank: key("attention.kv_lora_rank"),
      qk_rope_head_dim: key("rope.dimension_count"),
      qk_nope_head_dim: key("attention.key_length_mla") - key("rope.dimension_count"),
      v_head_dim: key("attention.value_length_mla"),
      first_k_dense_replace: key("leading_dense_block_count"),
      n_routed_experts: key("expert_count"),
      num_experts_per_tok: key("expert_used_count"),
      n_shared_experts: key("expert_shared_count"),
      moe_intermediate_size: key("expert_feed_forward_length"),
      n_group: key("expert_group_count"),
      topk_group: key("expert_group_used_count"),
      topk_method: "noaux_tc",
      scoring_func: "sigmoid",
      norm_topk_prob: true,
      routed_scaling_factor: key("expert_weights_scale"),
      rope_scaling: {
        rope_type: "yarn",
        factor: key("rope.scaling.factor"),
        original_max_position_embeddings: key("rope.scaling.original_context_length"),
        beta_fast: 32,
        beta_slow: 1,
        mscale: 0.8,
        mscale_all_dim: 0.8,
      },
    }),
    names: [
      [/^blk\.(\d+)\.attn_(q_a|q_b)\./, "model.layers.$1.self_attn.$2_proj."],
      [/^blk\.(\d+)\.attn_q_a_norm/, "model.layers.$1.self_attn.q_a_layernorm"],
      [/^blk\.(\d+)\.attn_[kv]_b\./, "model.layers.$1.self_attn.kv_b_proj."],
      [/^blk\.(\d+)\.ffn_gate_inp\./, "model.layers.$1.mlp.gate."],
      [/^blk\.(\d+)\.exp_probs_b\.bias/, "model.layers.$1.mlp.gate.e_score_correction_bias"],
      [/^blk\.(\d+)\.ffn_(gate|up|down)_exps/, "model.layers.$1.mlp.experts.#.$2_proj"],
      [/^blk\.(\d+)\.ffn_(gate|up|down)_shexp/, "model.layers.$1.mlp.shared_experts.$2_proj"],
    ],
    // One matrix has of each head first what makes keys, then what makes values; keys lie there the other way round.
    layout(name, key) {
      if (!/attn_[kv]_b/.test(name)) return undefined;
      const [heads, rank, value] = ["attention.head_count", "attention.kv_lora_rank", "attention.value_length_mla"].map(
        key,
      );
      const nope = key("attention.key_length_mla") - key("rope.dimension_count");
      const placeOf = (/** @type {number} */ i) => {
        const [head, inside] = [Math.floor(i / (rank * nope)), i % (rank * nope)];
        return (head * (nope + value) + (inside % nope)) * rank + Math.floor(inside / nope);
      };
      const rowOf = (/** @type {number} */ row) => Math.floor(row / value) * (nope + value) + nope + (row % value);
      return { shape: [heads * (nope + value), rank], ...(name.includes("attn_k_b") ? { placeOf } : { rowOf }) };
    },
  },
};
