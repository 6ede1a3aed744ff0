/** gemma-embedding: gemma3's layer over whole texts, windows to both sides, and two linear maps behind the mean. */
import { FEW_TYPES, PEERS } from "../architecture-keys.mjs";
import { gemmaConfig } from "../architectures/gemma.mjs";
import { GEMMA_NAMES } from "../architectures/gemma2.mjs";
import { BASE_NAMES, headTensors, POOLING, TINY, textKeys } from "../encoder-parts.mjs";
import { gatedFeedForward, groupedAttention, normsBehind } from "../random-parts.mjs";

const GEMMA = { ...TINY, layers: 7, heads: 3, kvHeads: 1, headSize: 40, context: 600, theta: 1e6, epsilon: 1e-6 };

/** @type {import("../encoders.mjs").Encoder} */
export const gemmaEmbedding = {
  models: "EmbeddingGemma 300M",
  // The sixth layer sees all, and a seventh does not.
  shapes: {
    "gemma-embedding-tiny": { ...GEMMA, window: 8, maps: [192, 96] },
    "gemma-embedding-plain": { ...GEMMA, layers: 2, window: 7, pooling: POOLING.none },
  },
  variants: { "gemma-embedding-plain": [] },
  block(w) {
    groupedAttention(w, { norms: true });
    gatedFeedForward(w);
    normsBehind(w);
  },
  ends(w) {
    w.norm("output_norm.weight", w.shape.hidden);
    headTensors(w);
  },
  keys: (shape) => [
    ["attention.layer_norm_rms_epsilon", "f32", shape.epsilon],
    ...textKeys(shape),
    ["attention.sliding_window", "u32", shape.window ?? 0],
  ],
  types: FEW_TYPES,
  peers: PEERS,
  unconverted: ["gemma-embedding-plain"],
  checkpoint: {
    config: (key) => ({
      ...gemmaConfig(key),
      model_type: "gemma3_text",
      architectures: ["Gemma3TextModel"],
      use_bidirectional_attention: true,
      query_pre_attn_scalar: key("attention.key_length"),
      sliding_window: key("attention.sliding_window"),
      rope_local_base_freq: 1e4,
    }),
    names: [...GEMMA_NAMES, ...BASE_NAMES].map(([from, to]) => [from, to.replace(/^model\./, "")]),
    plusOne: /norm\.weight$/,
  },
};
