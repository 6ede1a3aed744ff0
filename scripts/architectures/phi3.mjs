/** phi3: fused matrices, a part of each head turned, and two lists of factors. */
import { denseKeys, FEW_TYPES, headConfig, PEERS } from "../architecture-keys.mjs";
import { fusedAttention, fusedFeedForward } from "../random-parts.mjs";

/** @typedef {import("../architectures.mjs").Shape} Shape */

/** LongRoPE's factors, one a pair. @param {Shape} shape */
export const factorsOf = ({ rope = 0 }) => ({
  long: Array.from({ length: rope / 2 }, (_, i) => 1 + i / 2),
  short: Array.from({ length: rope / 2 }, (_, i) => 1 + i / 16),
});

/** Cosines and sines are multiplied by it. @param {number} context @param {number} original */
const magnitude = (context, original) => Math.sqrt(1 + Math.log(context / original) / Math.log(original));

const SHAPE = {
  ...{ layers: 3, hidden: 128, heads: 4, kvHeads: 1, rope: 24, ffn: 160, vocabulary: 512 },
  ...{ context: 1024, original: 32, theta: 1e4, epsilon: 1e-5, pre: "gpt-2" },
};

/** @type {import("../architectures.mjs").Architecture} */
export const phi3 = {
  models: "Phi-3 and Phi-3.5 mini, Phi-3 medium, Phi-4, Phi-4-mini; their window is left out, as llama.cpp does",
  // Three quarters of each head turn. Its peers know no heads of another width than hidden / heads.
  shapes: { "phi3-tiny": SHAPE },
  block(w) {
    fusedAttention(w);
    fusedFeedForward(w);
  },
  ends(w) {
    const { long, short } = factorsOf(w.shape);
    w.values("rope_factors_long.weight", long);
    w.values("rope_factors_short.weight", short);
  },
  keys: (shape) => {
    const { hidden, heads, rope = 0, context, original = context } = shape;
    return [
      ...denseKeys(shape, hidden / heads, hidden / heads, rope),
      ["rope.scaling.attn_factor", "f32", magnitude(context, original)],
      ["rope.scaling.original_context_length", "u32", original],
      ["attention.sliding_window", "u32", 0],
    ];
  },
  // llama.cpp asks models with phi3 in their name for certain tokens.
  title: "phi 3",
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      ...headConfig(key),
      partial_rotary_factor: (key("rope.dimension_count") * key("attention.head_count")) / key("embedding_length"),
      original_max_position_embeddings: key("rope.scaling.original_context_length"),
      rope_scaling: {
        type: "longrope",
        long_factor: factorsOf({ ...SHAPE, architecture: "phi3" }).long,
        short_factor: factorsOf({ ...SHAPE, architecture: "phi3" }).short,
      },
      pad_token_id: 0,
    }),
    names: [
      [/^blk\.(\d+)\.attn_qkv/, "model.layers.$1.self_attn.qkv_proj"],
      [/^blk\.(\d+)\.ffn_up/, "model.layers.$1.mlp.gate_up_proj"],
    ],
  },
};
