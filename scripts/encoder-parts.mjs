/**
 * What encoders of random weights share: the tensors of their layers and of what stands behind them, and keys of their
 * files. The deviations are those of random-parts.mjs.
 */
import { geluFeedForward, groupedAttention, layerNorm } from "./random-parts.mjs";

/** @typedef {import("./random-models.mjs").Weights} Weights */
/** @typedef {import("./architectures.mjs").Shape} Shape */
/** @typedef {import("./vocabulary.mjs").Entry} Entry */

/** How rows become a vector: the numbers of `pooling_type`. */
export const POOLING = { none: 0, mean: 1, cls: 2, last: 3, rank: 4 };

/** What small encoders have alike; `small` are odd: no multiple of a block of 32, of a tile, or of a power of 2. */
export const TINY = { layers: 3, hidden: 96, heads: 6, ffn: 160, vocabulary: 512, epsilon: 1e-12, pre: "gpt-2" };
export const ODD = { ...TINY, layers: 2, hidden: 60, heads: 5, ffn: 76 };

/** An embedding and the rows that stand beside it, behind a LayerNorm (bert). @param {Weights} w */
export function embeddingTensors(w) {
  const { hidden, parts = 0 } = w.shape;
  if (parts) w.add("token_types.weight", [hidden, parts], "F32", w.unit);
  layerNorm(w, "token_embd_norm");
}

/** Attention of a layer that norms behind its sums (bert): queries, keys and values in one matrix where `fused`. @param {Weights} w */
export function attentionBehind(w, biases = true) {
  const { hidden, heads, fused } = w.shape;
  if (fused) {
    const rows = (heads + 2 * w.kvHeads) * w.headSize;
    w.matrix("attn_qkv.weight", hidden, rows, 1.5 * w.unit, w.sensitive);
    if (biases) w.add("attn_qkv.bias", [rows], "F32", 0.5);
    w.matrix("attn_output.weight", heads * w.headSize, hidden, (2 * w.added) / Math.sqrt(heads * w.headSize));
  } else groupedAttention(w, { biases, norm: false });
  if (biases) w.add("attn_output.bias", [hidden], "F32", w.added);
  layerNorm(w, "attn_output_norm");
}

/** A layer of BERT. @param {Weights} w */
export function bertLayer(w) {
  attentionBehind(w);
  geluFeedForward(w);
  layerNorm(w, "layer_output_norm");
}

/** What stands behind the pooled row: linear maps, or the classifier of a model that ranks. @param {Weights} w */
export function headTensors(w) {
  const { hidden, maps, labels, classifier = "both" } = w.shape;
  if (maps) {
    w.matrix("dense_2.weight", hidden, maps[0], w.unit);
    w.matrix("dense_3.weight", maps[0], maps[1], 1 / Math.sqrt(maps[0]));
  }
  if (!labels) return;
  if (classifier !== "output") {
    const rows = classifier === "both" ? hidden : labels;
    w.matrix("cls.weight", hidden, rows, w.unit);
    if (w.shape.architecture !== "modern-bert") w.add("cls.bias", [rows], "F32", 0.5);
  }
  if (classifier === "cls") return;
  w.matrix("cls.output.weight", hidden, labels, w.unit);
  w.add("cls.output.bias", [labels], "F32", 0.5);
}

/** What stands before the layers of BERT and its kin, and behind them. @param {Weights} w */
export function endTensors(w) {
  embeddingTensors(w);
  headTensors(w);
}

/** Keys of an encoder with LayerNorms; of one that turns heads also the base. @param {Shape} shape @returns {Entry[]} */
export function encoderKeys(shape) {
  return [["attention.layer_norm_epsilon", "f32", shape.epsilon], ...textKeys(shape)];
}

/** Keys of an encoder, without the ε. @param {Shape} shape @returns {Entry[]} */
export function textKeys({ ffn, heads, kvHeads, headSize, theta, pooling = POOLING.mean, hidden, maps, labels = 0 }) {
  const size = headSize ?? hidden / heads;
  return /** @type {Entry[]} */ ([
    ["feed_forward_length", "u32", ffn],
    ["attention.head_count", "u32", heads],
    ...(kvHeads ? [["attention.head_count_kv", "u32", kvHeads]] : []),
    ["attention.causal", "bool", false],
    ["pooling_type", "u32", pooling],
    ...(headSize
      ? [
          ["attention.key_length", "u32", headSize],
          ["attention.value_length", "u32", headSize],
        ]
      : []),
    ...(theta
      ? [
          ["rope.freq_base", "f32", theta],
          ["rope.dimension_count", "u32", size],
        ]
      : []),
    ...(labels > 1
      ? [["classifier.output_labels", "string[]", Array.from({ length: labels }, (_, i) => `LABEL_${i}`)]]
      : []),
    ...(maps
      ? [
          ["dense_2_feat_in", "u32", hidden],
          ["dense_2_feat_out", "u32", maps[0]],
          ["dense_3_feat_in", "u32", maps[0]],
          ["dense_3_feat_out", "u32", maps[1]],
        ]
      : []),
  ]);
}

/** Keys of the parts of a pair. @param {Shape} shape @returns {Entry[]} */
export function partKeys({ parts = 0, separator }) {
  return /** @type {Entry[]} */ ([
    ["tokenizer.ggml.token_type_count", "u32", parts || 1],
    ...(separator === undefined ? [] : [["tokenizer.ggml.seperator_token_id", "u32", separator]]),
  ]);
}

/** Names of checkpoints that write flash attention's own BERT (nomic-bert, jina-bert-v3). @param {string} attention */
export const flashNames = (attention) =>
  /** @type {[RegExp, string][]} */ ([
    [/^token_embd_norm/, "emb_ln"],
    [/^token_embd/, "embeddings.word_embeddings"],
    [/^token_types/, "embeddings.token_type_embeddings"],
    [/^blk\.(\d+)\.attn_qkv/, `encoder.layers.$1.${attention}.Wqkv`],
    [/^blk\.(\d+)\.attn_output_norm/, "encoder.layers.$1.norm1"],
    [/^blk\.(\d+)\.attn_output/, `encoder.layers.$1.${attention}.out_proj`],
    [/^blk\.(\d+)\.ffn_gate/, "encoder.layers.$1.mlp.fc12"],
    [/^blk\.(\d+)\.ffn_up/, attention === "attn" ? "encoder.layers.$1.mlp.fc11" : "encoder.layers.$1.mlp.fc1"],
    [/^blk\.(\d+)\.ffn_down/, "encoder.layers.$1.mlp.fc2"],
    [/^blk\.(\d+)\.layer_output_norm/, "encoder.layers.$1.norm2"],
  ]);

/** Names of a decoder's checkpoint that was saved without a head. @type {[RegExp, string][]} */
export const BASE_NAMES = [
  [/^token_embd/, "embed_tokens"],
  [/^output_norm/, "norm"],
  [/^blk\.(\d+)\.attn_norm/, "layers.$1.input_layernorm"],
  [/^blk\.(\d+)\.attn_(q|k)_norm/, "layers.$1.self_attn.$2_norm"],
  [/^blk\.(\d+)\.attn_(q|k|v)/, "layers.$1.self_attn.$2_proj"],
  [/^blk\.(\d+)\.attn_output/, "layers.$1.self_attn.o_proj"],
  [/^blk\.(\d+)\.ffn_norm/, "layers.$1.post_attention_layernorm"],
  [/^blk\.(\d+)\.ffn_(gate|up|down)/, "layers.$1.mlp.$2_proj"],
];
