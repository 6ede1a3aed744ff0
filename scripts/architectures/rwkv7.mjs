/** rwkv7: RWKV-7 in every layer. */
import { FEW_TYPES } from "../architecture-keys.mjs";
import { layerNorm } from "../random-parts.mjs";

/** @typedef {import("../random-models.mjs").Weights} Weights */
/** @typedef {import("../architectures.mjs").Shape} Shape */

/** Ranks of what is made of a token: decay, rate, way to the first values, gate. */
const RANKS = { w: 16, a: 24, v: 16, g: 32 };

export const RWKV = {
  ...{ layers: 3, hidden: 128, heads: 0, headSize: 64, ffn: 256, kvHeadsOf: [0, 0, 0], vocabulary: 512, context: 1024 },
  ...{ theta: 1e4, epsilon: 1e-5, pre: "gpt-2", tied: false },
};

/** Norms that are no layer's. @param {Weights} w */
export function ends(w) {
  layerNorm(w, "token_embd_norm");
  w.add("output_norm.bias", [w.shape.hidden], "F32", 0.5);
}

/** The norm of heads, and the half that mixes channels. @param {Weights} w */
export function channelMix(w, receptance = false) {
  const { hidden, ffn } = w.shape;
  layerNorm(w, "attn_norm_2");
  w.add("channel_mix_lerp_k.weight", [hidden, 1, 1], "F32", 0.3, 0.5);
  if (receptance) w.add("channel_mix_lerp_r.weight", [hidden, 1, 1], "F32", 0.3, 0.5);
  w.matrix("channel_mix_key.weight", hidden, ffn, w.unit);
  w.matrix("channel_mix_value.weight", ffn, hidden, w.added / Math.sqrt(ffn), w.sensitive);
  if (receptance) w.matrix("channel_mix_receptance.weight", hidden, hidden, w.unit);
}

/** @param {Shape} shape @returns {import("../vocabulary.mjs").Entry[]} */
export const keys = ({ epsilon, ffn, headSize = 0, vocabulary }) => [
  ["feed_forward_length", "u32", ffn],
  ["attention.head_count", "u32", 0],
  ["attention.layer_norm_epsilon", "f32", epsilon],
  ["wkv.head_size", "u32", headSize],
  ["token_shift_count", "u32", 2],
  ["vocab_size", "u32", vocabulary],
];

/** @type {import("../architectures.mjs").Architecture} */
export const rwkv7 = {
  models: "RWKV-7 Goose 0.1B to 2.9B",
  shapes: { "rwkv7-tiny": RWKV },
  ends,
  block(w) {
    const { hidden } = w.shape;
    layerNorm(w, "attn_norm");
    w.add("time_mix_lerp_fused.weight", [hidden, 1, 1, 6], "F32", 0.3, 0.5);
    for (const [own, rank] of Object.entries(RANKS)) {
      // The first layer does not use its v0 to v2: converters put those of a there.
      const name = own === "v" && w.layer === 0 ? "a" : own;
      const before = w.tensors.length;
      if (name !== "g") w.add(`time_mix_${name}0.weight`, [hidden], "F32", 0.5);
      const width = RANKS[/** @type {"w" | "a" | "v" | "g"} */ (name)] ?? rank;
      w.matrix(`time_mix_${name}1.weight`, hidden, width, w.unit);
      w.matrix(`time_mix_${name}2.weight`, width, hidden, (name === "g" ? 2 : 1) / Math.sqrt(width));
      for (const tensor of w.tensors.slice(before)) tensor.name = tensor.name.replace(`mix_${name}`, `mix_${own}`);
    }
    w.norm("time_mix_k_k.weight", hidden);
    w.norm("time_mix_k_a.weight", hidden);
    w.add("time_mix_r_k.weight", [hidden], "F32", 0.3);
    w.matrix("time_mix_receptance.weight", hidden, hidden, w.unit);
    w.matrix("time_mix_key.weight", hidden, hidden, w.unit);
    w.matrix("time_mix_value.weight", hidden, hidden, w.unit);
    w.matrix("time_mix_output.weight", hidden, hidden, w.added * w.unit);
    w.norm("time_mix_ln.weight", hidden);
    w.add("time_mix_ln.bias", [hidden], "F32", 0.3);
    channelMix(w);
  },
  keys: (shape) => [
    ...keys(shape),
    ["attention.decay_lora_rank", "u32", RANKS.w],
    ["attention.iclr_lora_rank", "u32", RANKS.a],
    ["attention.value_residual_mix_lora_rank", "u32", RANKS.v],
    ["attention.gate_lora_rank", "u32", RANKS.g],
  ],
  types: FEW_TYPES,
  recurrent: true,
  peers: ["llama.cpp"],
  checkpoint: {
    config: (key) => ({
      head_dim: key("wkv.head_size"),
      norm_eps: key("attention.layer_norm_epsilon"),
      decay_low_rank_dim: key("attention.decay_lora_rank"),
      a_low_rank_dim: key("attention.iclr_lora_rank"),
      v_low_rank_dim: key("attention.value_residual_mix_lora_rank"),
      gate_low_rank_dim: key("attention.gate_lora_rank"),
      hidden_act: "sqrelu",
    }),
    letters: "rwkvag",
    layout(name, key) {
      const placeOf = (/** @type {number} */ value) => value;
      const [hidden, size] = ["embedding_length", "wkv.head_size"].map(key);
      if (name.includes("time_mix_r_k")) return { shape: [hidden / size, size], placeOf };
      return name.includes("channel_mix_lerp_k") ? { shape: [hidden], placeOf } : undefined;
    },
    names: [
      [/^token_embd\./, "model.embeddings."],
      [/^token_embd_norm/, "model.layers.0.pre_norm"],
      [/^output_norm/, "model.norm"],
      [/^blk\.(\d+)\.attn_norm_2/, "model.layers.$1.ffn_norm"],
      [/^blk\.(\d+)\.attn_norm/, "model.layers.$1.attn_norm"],
      [/^blk\.(\d+)\.time_mix_lerp_fused\.weight/, "model.layers.$1.attn.x_#"],
      [/^blk\.0\.time_mix_v0\.weight/, "model.layers.0.attn.a_lora.lora.2.bias"],
      [/^blk\.0\.time_mix_v1/, "model.layers.0.attn.a_lora.lora.0"],
      [/^blk\.0\.time_mix_v2/, "model.layers.0.attn.a_lora.lora.2"],
      [/^blk\.(\d+)\.time_mix_([wav])0\.weight/, "model.layers.$1.attn.$2_lora.lora.2.bias"],
      [/^blk\.(\d+)\.time_mix_([wavg])1/, "model.layers.$1.attn.$2_lora.lora.0"],
      [/^blk\.(\d+)\.time_mix_([wavg])2/, "model.layers.$1.attn.$2_lora.lora.2"],
      [/^blk\.(\d+)\.time_mix_(k_k|k_a|r_k)\.weight/, "model.layers.$1.attn.$2"],
      [/^blk\.(\d+)\.time_mix_receptance/, "model.layers.$1.attn.r_proj"],
      [/^blk\.(\d+)\.time_mix_key/, "model.layers.$1.attn.k_proj"],
      [/^blk\.(\d+)\.time_mix_value/, "model.layers.$1.attn.v_proj"],
      [/^blk\.(\d+)\.time_mix_output/, "model.layers.$1.attn.o_proj"],
      [/^blk\.(\d+)\.time_mix_ln/, "model.layers.$1.attn.g_norm"],
      [/^blk\.(\d+)\.channel_mix_lerp_k\.weight/, "model.layers.$1.ffn.x_k"],
      [/^blk\.(\d+)\.channel_mix_(key|value)/, "model.layers.$1.ffn.$2"],
    ],
  },
};
