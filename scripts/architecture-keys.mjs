/**
 * What entries of the list of architectures share: block formats, peers, and keys of files and of checkpoints. The tensors
 * that they share are in random-parts.mjs.
 */

/** @typedef {import("./architectures.mjs").Shape} Shape */
/** @typedef {import("./architectures.mjs").Checkpoint} Checkpoint */
/** @typedef {import("./vocabulary.mjs").Entry} Entry */

/** Block formats for which the oracle's logits are stored. */
export const TYPES = /** @type {const} */ (["F32", "Q4_0", "Q8_0", "Q4_K"]);

/** The same where other architectures of the same parts have more: a type's rounding knows no architecture. */
export const FEW_TYPES = /** @type {const} */ (["F32", "Q4_K"]);

/** Every engine that says what the same weights give. */
export const PEERS = /** @type {const} */ (["llama.cpp", "transformers"]);

/** What shapes of qwen2 and qwen3 have alike. */
export const QWEN = { context: 1024, theta: 1e6, epsilon: 1e-6, pre: "qwen2", vocabulary: 512, tied: true };

/** Keys of a dense decoder with heads in groups. @param {Shape} shape @returns {Entry[]} */
export function groupedKeys(shape) {
  const { heads, hidden, headSize = hidden / heads } = shape;
  return denseKeys(shape, headSize, headSize, headSize);
}

/**
 * Keys of a decoder with RMSNorms and RoPE, of any attention.
 * @param {Shape} shape @param {number} keySize @param {number} valueSize @param {number} turned
 * @returns {Entry[]}
 */
export function denseKeys(shape, keySize, valueSize, turned) {
  return [
    ["feed_forward_length", "u32", shape.ffn],
    ["attention.head_count", "u32", shape.heads],
    ["attention.head_count_kv", "u32", shape.kvHeads ?? shape.heads],
    ["attention.layer_norm_rms_epsilon", "f32", shape.epsilon],
    ["attention.key_length", "u32", keySize],
    ["attention.value_length", "u32", valueSize],
    ["rope.freq_base", "f32", shape.theta],
    ["rope.dimension_count", "u32", turned],
    ["vocab_size", "u32", shape.vocabulary],
  ];
}

/** Keys of a decoder with LayerNorms and heads of hidden / heads, without those of RoPE. @param {Shape} shape @returns {Entry[]} */
export function layerNormKeys({ heads, kvHeads = heads, ffn, epsilon, vocabulary }) {
  return [
    ["feed_forward_length", "u32", ffn],
    ["attention.head_count", "u32", heads],
    ["attention.head_count_kv", "u32", kvHeads],
    ["attention.layer_norm_epsilon", "f32", epsilon],
    ["vocab_size", "u32", vocabulary],
  ];
}

/** Keys of experts. @param {Shape} shape @returns {Entry[]} */
export function expertKeys({ experts = 0, used = 0, expertWidth = 0 }) {
  return [
    ["expert_count", "u32", experts],
    ["expert_used_count", "u32", used],
    ["expert_feed_forward_length", "u32", expertWidth],
  ];
}

/** Keys of YaRN, by which a context became longer. @param {Shape} shape @returns {Entry[]} */
export function yarnKeys({ context, original = context }) {
  return [
    ["rope.scaling.type", "string", "yarn"],
    ["rope.scaling.factor", "f32", context / original],
    ["rope.scaling.original_context_length", "u32", original],
  ];
}

/** What a checkpoint says of it. @type {Checkpoint["config"]} */
export const yarnConfig = (key) => ({
  rope_type: "yarn",
  factor: key("rope.scaling.factor"),
  original_max_position_embeddings: key("rope.scaling.original_context_length"),
});

/** A checkpoint says how wide its heads are. @type {Checkpoint["config"]} */
export const headConfig = (key) => ({ head_dim: key("attention.key_length") });

/** Llama 3's scaling of RoPE, so short that prompts of tests see it. */
export const LLAMA3 = {
  rope_type: "llama3",
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 32,
};

/** Queries, keys and values in one matrix: a checkpoint has of each key first its queries, then it, then its value. @type {NonNullable<Checkpoint["layout"]>} */
export function rowsByKey(name, key) {
  if (!/attn_qkv/.test(name)) return undefined;
  const [hidden, heads, kvHeads] = ["embedding_length", "attention.head_count", "attention.head_count_kv"].map(key);
  const [head, perKey] = [hidden / heads, heads / kvHeads];
  const rowOf = (/** @type {number} */ row) => {
    const [number, place] = [Math.floor(row / head), row % head];
    if (number < heads) return (number + 2 * Math.floor(number / perKey)) * head + place;
    const [part, of] = [Math.floor((number - heads) / kvHeads), (number - heads) % kvHeads];
    return (of * (perKey + 2) + perKey + part) * head + place;
  };
  const rows = (heads + 2 * kvHeads) * head;
  return { shape: name.endsWith("weight") ? [rows, hidden] : [rows], rowOf };
}
