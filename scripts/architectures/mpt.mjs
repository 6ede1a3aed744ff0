/** mpt: ALiBi for positions, no biases, q, k and v clamped; or learned positions, biases and norms of rows. */
import { FEW_TYPES, layerNormKeys, PEERS } from "../architecture-keys.mjs";
import { biasedAttention, fusedAttention, geluFeedForward, layerNorm, outputNormBias } from "../random-parts.mjs";

const MPT = { vocabulary: 512, context: 1024, theta: 1e4, epsilon: 1e-5, pre: "gpt-2", tied: true };

/** @type {import("../architectures.mjs").Architecture} */
export const mpt = {
  models: "MPT 1B to 30B, Replit Code 3B",
  refuses: "divisors of activations (AWQ)",
  shapes: {
    "mpt-tiny": { ...MPT, layers: 3, hidden: 160, heads: 5, ffn: 640 },
    "mpt-learned": { ...MPT, layers: 2, hidden: 128, heads: 4, ffn: 384, normed: true },
  },
  block(w) {
    const { hidden, normed } = w.shape;
    if (normed) {
      biasedAttention(w);
      layerNorm(w, "attn_q_norm");
      layerNorm(w, "attn_k_norm");
      layerNorm(w, "ffn_norm");
    } else {
      fusedAttention(w);
      w.norm("ffn_norm.weight", hidden);
    }
    geluFeedForward(w, { biases: normed ?? false });
  },
  ends(w) {
    if (!w.shape.normed) return;
    w.add("position_embd.weight", [w.shape.hidden, w.shape.context], "F32", w.unit);
    outputNormBias(w);
  },
  keys: (shape) => [
    ...layerNormKeys(shape),
    ["attention.clamp_kqv", "f32", shape.normed ? 0 : 2],
    ["attention.max_alibi_bias", "f32", shape.normed ? 0 : 8],
  ],
  variants: { "mpt-learned": [] },
  unconverted: ["mpt-learned"],
  types: FEW_TYPES,
  fixed: true,
  distances: true,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      d_model: key("embedding_length"),
      n_layers: key("block_count"),
      n_heads: key("attention.head_count"),
      expansion_ratio: key("feed_forward_length") / key("embedding_length"),
      max_seq_len: key("context_length"),
      layer_norm_epsilon: key("attention.layer_norm_epsilon"),
      no_bias: true,
      attn_config: {
        alibi: true,
        alibi_bias_max: key("attention.max_alibi_bias"),
        clip_qkv: key("attention.clamp_kqv"),
      },
    }),
    names: [
      [/^token_embd/, "transformer.wte"],
      [/^output_norm/, "transformer.norm_f"],
      [/^blk\.(\d+)\.attn_norm/, "transformer.blocks.$1.norm_1"],
      [/^blk\.(\d+)\.attn_qkv/, "transformer.blocks.$1.attn.Wqkv"],
      [/^blk\.(\d+)\.attn_output/, "transformer.blocks.$1.attn.out_proj"],
      [/^blk\.(\d+)\.ffn_norm/, "transformer.blocks.$1.norm_2"],
      [/^blk\.(\d+)\.ffn_up/, "transformer.blocks.$1.ffn.up_proj"],
      [/^blk\.(\d+)\.ffn_down/, "transformer.blocks.$1.ffn.down_proj"],
    ],
  },
};
