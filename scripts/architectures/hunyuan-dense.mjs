/** hunyuan-dense: qwen3 whose heads are normed behind RoPE. */
import { FEW_TYPES, groupedKeys, headConfig, PEERS } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** What shapes of hunyuan-dense have alike. */
const HUNYUAN = {
  ...{ hidden: 128, heads: 4, kvHeads: 1, headSize: 48, ffn: 320 },
  ...{ vocabulary: 512, context: 1024, epsilon: 1e-5, pre: "gpt-2", tied: true },
};

/** @param {import("../architectures.mjs").Shape} shape @returns {import("../vocabulary.mjs").Entry[]} */
const alphaKey = ({ alpha }) => (alpha ? [["rope.scaling.alpha", "f32", alpha]] : []);

/** @type {import("../architectures.mjs").Architecture} */
export const hunyuanDense = {
  models: "Hunyuan 0.5B to 7B Instruct",
  // Heads wider than hidden / heads, and one for all keys.
  shapes: {
    "hunyuan-dense-tiny": { ...HUNYUAN, layers: 3, theta: 1e6 },
    // A base that is yet to be enlarged.
    "hunyuan-dense-alpha": { ...HUNYUAN, layers: 2, theta: 1e4, alpha: 50 },
  },
  variants: { "hunyuan-dense-alpha": ["llama.cpp"] },
  onlyFiles: ["hunyuan-dense-alpha"],
  block(w) {
    groupedAttention(w, { norms: true });
    gatedFeedForward(w);
  },
  keys: (shape) => [...groupedKeys(shape), ...alphaKey(shape)],
  fixed: true,
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({ ...headConfig(key), model_type: "hunyuan_v1_dense", use_qk_norm: true }),
    names: [
      [/^blk\.(\d+)\.attn_q_norm/, "model.layers.$1.self_attn.query_layernorm"],
      [/^blk\.(\d+)\.attn_k_norm/, "model.layers.$1.self_attn.key_layernorm"],
    ],
  },
};
