/**
 * The architectures, once for all that tests, benches and scripts do with each: shapes of made models, the tensors and
 * keys of their files, what a checkpoint calls them, and what is asked of the oracle.
 *
 * A new architecture is one entry here and its forward in test/oracle/forward.py; test/architectures.test.ts says what is
 * missing for one that the core runs.
 */
import { memoryTensors } from "./memory-layers.mjs";
import {
  gatedFeedForward,
  geluFeedForward,
  groupedAttention,
  latentAttention,
  reluSquaredFeedForward,
} from "./random-parts.mjs";

/** @typedef {import("./gguf-writer.mjs").TensorType} TensorType */
/** @typedef {import("./vocabulary.mjs").Entry} Entry */
/** @typedef {import("./random-models.mjs").Weights} Weights */

/**
 * @typedef {object} Shape
 * @property {string} architecture
 * @property {number} layers @property {number} hidden @property {number} heads
 * @property {number} ffn of a memoryformer: between its two tables
 * @property {number} vocabulary @property {number} context @property {number} theta @property {number} epsilon
 * @property {string} pre the pre-tokenizer's name
 * @property {number} [nope] @property {number} [rope] @property {number} [value] @property {number} [rank] of plm
 * @property {number} [chunks] @property {number} [bits] of a memoryformer: tables, and bits of a code; rope: as of plm and phi2
 * @property {number} [kvHeads] @property {number} [headSize] of the others
 * @property {boolean} [tied] no output matrix of its own
 * @property {boolean} [ropeFactors] Llama 3.1's rope_freqs tensor
 */

/**
 * @typedef {object} Architecture
 * @property {Record<string, Omit<Shape, "architecture">>} shapes of made models by name; the first one is small, and tests run it
 * @property {(w: Weights) => void} block adds the tensors of a layer
 * @property {(w: Weights) => void} [ends] adds tensors of no layer, beside embedding, last norm and head
 * @property {(shape: Shape) => Entry[]} keys of the metadata behind those that all decoders have, without the prefix
 * @property {readonly TensorType[]} types for which the oracle's logits are stored
 * @property {readonly ("llama.cpp" | "transformers")[]} [peers] engines that run it too, and whose logits are stored
 * @property {boolean} [latent] attention has an absorbed and an expanded form
 * @property {boolean} [hashes] rounding a cache may turn a sign, and so look up another row: the oracle is met in F32
 * @property {Checkpoint} checkpoint what a checkpoint in Hugging Face's layout has
 */

/**
 * @typedef {object} Checkpoint
 * @property {(key: (name: string) => any) => Record<string, unknown>} config keys of config.json, of the file's
 * @property {readonly (readonly [from: RegExp, to: string])[]} [names] of tensors, before those of all decoders
 * @property {boolean} [halves] q and k turn values i and i + n/2 where GGUF has 2i and 2i + 1
 */

const TYPES = /** @type {const} */ (["F32", "Q4_0", "Q8_0", "Q4_K"]);
const PEERS = /** @type {const} */ (["llama.cpp", "transformers"]);

const QWEN = { context: 1024, theta: 1e6, epsilon: 1e-6, pre: "qwen2", vocabulary: 512, tied: true };
const PLM = { theta: 1e5, epsilon: 1e-6, pre: "qwen2", tied: true };
/** A quarter of each head turns, and a code between the two tables of the FFN has two bits more. */
const MEMORYFORMER = { theta: 1e4, epsilon: 1e-8, pre: "gpt-2" };

/** Keys of a dense decoder with heads in groups. @param {Shape} shape @returns {Entry[]} */
function groupedKeys(shape) {
  const { heads, hidden, headSize = hidden / heads } = shape;
  return denseKeys(shape, headSize, headSize, headSize);
}

/**
 * @param {Shape} shape @param {number} keySize @param {number} valueSize @param {number} turned
 * @returns {Entry[]}
 */
function denseKeys(shape, keySize, valueSize, turned) {
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

/** @type {Checkpoint["config"]} */
const headConfig = (key) => ({ head_dim: key("attention.key_length") });

/** @type {Record<string, Architecture>} */
export const ARCHITECTURES = {
  llama: {
    shapes: {
      "llama-tiny": {
        layers: 4,
        hidden: 256,
        heads: 8,
        kvHeads: 2,
        headSize: 32,
        ffn: 512,
        vocabulary: 512,
        context: 1024,
        theta: 5e5,
        epsilon: 1e-5,
        pre: "gpt-2",
        ropeFactors: true,
      },
      // No width is a multiple of sixteen rows twice, and one head has keys of twelve.
      "llama-odd": {
        layers: 3,
        hidden: 96,
        heads: 8,
        kvHeads: 1,
        headSize: 12,
        ffn: 160,
        vocabulary: 517,
        context: 1024,
        theta: 1e4,
        epsilon: 1e-5,
        pre: "gpt-2",
      },
    },
    block(w) {
      groupedAttention(w);
      gatedFeedForward(w);
    },
    keys: groupedKeys,
    types: TYPES,
    peers: PEERS,
    checkpoint: { config: headConfig, halves: true },
  },

  qwen2: {
    shapes: { "qwen2-tiny": { ...QWEN, layers: 4, hidden: 256, heads: 4, kvHeads: 2, headSize: 64, ffn: 768 } },
    block(w) {
      groupedAttention(w, { biases: true });
      gatedFeedForward(w);
    },
    keys: groupedKeys,
    types: TYPES,
    peers: PEERS,
    checkpoint: { config: headConfig },
  },

  qwen3: {
    // Heads wider than hidden / heads; rows of 384 do not divide by 256, so the K formats fall back on attn_output.
    shapes: { "qwen3-tiny": { ...QWEN, layers: 4, hidden: 256, heads: 4, kvHeads: 1, headSize: 96, ffn: 768 } },
    block(w) {
      groupedAttention(w, { norms: true });
      gatedFeedForward(w);
    },
    keys: groupedKeys,
    types: TYPES,
    peers: PEERS,
    checkpoint: { config: headConfig },
  },

  plm: {
    shapes: {
      "plm-1m": {
        ...PLM,
        layers: 4,
        hidden: 256,
        heads: 4,
        nope: 64,
        rope: 32,
        value: 64,
        rank: 256,
        ffn: 512,
        vocabulary: 512,
        context: 1024,
      },
      "plm-100m": {
        ...PLM,
        layers: 12,
        hidden: 768,
        heads: 12,
        nope: 64,
        rope: 32,
        value: 64,
        rank: 256,
        ffn: 3072,
        vocabulary: 49152,
        context: 2048,
      },
      "plm-1.8b": {
        ...PLM,
        layers: 32,
        hidden: 2048,
        heads: 16,
        nope: 128,
        rope: 64,
        value: 128,
        rank: 512,
        ffn: 8192,
        vocabulary: 151936,
        context: 4096,
      },
    },
    block(w) {
      latentAttention(w);
      reluSquaredFeedForward(w);
    },
    keys: (shape) => {
      const { nope = 0, rope = 0, value = 0, rank = 0 } = shape;
      return [...denseKeys(shape, nope + rope, value, rope), ["attention.kv_lora_rank", "u32", rank]];
    },
    types: TYPES,
    latent: true,
    checkpoint: {
      config: (key) => ({
        qk_rope_head_dim: key("rope.dimension_count"),
        qk_nope_head_dim: key("attention.key_length") - key("rope.dimension_count"),
        v_head_dim: key("attention.value_length"),
        kv_lora_rank: key("attention.kv_lora_rank"),
        hidden_act: "relu2",
      }),
    },
  },

  memoryformer: {
    shapes: {
      "memoryformer-tiny": {
        ...MEMORYFORMER,
        layers: 4,
        hidden: 128,
        heads: 4,
        rope: 8,
        chunks: 32,
        bits: 4,
        ffn: 32 * 6,
        vocabulary: 512,
        context: 1024,
      },
      // The published code's smallest, memoryformer_tiny.
      "memoryformer-467m": {
        ...MEMORYFORMER,
        layers: 6,
        hidden: 512,
        heads: 8,
        rope: 16,
        chunks: 64,
        bits: 8,
        ffn: 64 * 10,
        vocabulary: 50304,
        context: 2048,
      },
    },
    block(w) {
      w.tensors.push(...memoryTensors(w.shape, w.type, w.seed, w.layer, w.added));
    },
    keys: ({ heads, epsilon, theta, vocabulary, rope = 0, chunks = 0, bits = 0 }) => [
      ["attention.head_count", "u32", heads],
      ["attention.layer_norm_rms_epsilon", "f32", epsilon],
      ["attention.layer_norm_epsilon", "f32", 1e-5],
      ["rope.dimension_count", "u32", rope],
      ["rope.freq_base", "f32", theta],
      ["memory.table_count", "u32", chunks],
      ["memory.code_length", "u32", bits],
      ["memory.ffn_code_length", "u32", bits + 2],
      ["memory.weight_rule", "string", "score"],
      ["vocab_size", "u32", vocabulary],
    ],
    // Tables of each of their kinds of rows.
    types: ["F32", "F16", "Q8_0", "Q4_0"],
    hashes: true,
    checkpoint: {
      config: (key) => ({
        num_tables: key("memory.table_count"),
        code_length: key("memory.code_length"),
        weight_rule: key("memory.weight_rule"),
        rotary_pct: (key("rope.dimension_count") * key("attention.head_count")) / key("embedding_length"),
      }),
      names: [
        [/^blk\.(\d+)\.attn_q\.(table|bias)/, "model.layers.$1.attention.query.$2"],
        [/^blk\.(\d+)\.attn_k\.(table|bias)/, "model.layers.$1.attention.key.$2"],
        [/^blk\.(\d+)\.attn_v\.(table|bias)/, "model.layers.$1.attention.value.$2"],
        [/^blk\.(\d+)\.ffn_up\.(table|bias)/, "model.layers.$1.mlp.first.$2"],
        [/^blk\.(\d+)\.ffn_down\.(table|bias)/, "model.layers.$1.mlp.second.$2"],
        [/^blk\.(\d+)\.ffn_mid_norm/, "model.layers.$1.mlp.norm"],
      ],
    },
  },

  phi2: {
    shapes: {
      // Three eighths of each head turn. Its peers know no heads of another width than hidden / heads.
      "phi2-tiny": {
        layers: 4,
        hidden: 256,
        heads: 4,
        kvHeads: 2,
        rope: 24,
        ffn: 768,
        vocabulary: 512,
        context: 1024,
        theta: 5e4,
        epsilon: 1e-5,
        pre: "gpt-2",
      },
    },
    block(w) {
      groupedAttention(w, { biases: true });
      w.add("attn_norm.bias", [w.shape.hidden], "F32", 0.5);
      w.add("attn_output.bias", [w.shape.hidden], "F32", w.added);
      geluFeedForward(w);
    },
    ends(w) {
      w.add("output_norm.bias", [w.shape.hidden], "F32", 0.5);
      w.add("output.bias", [w.shape.vocabulary], "F32", 0.5);
    },
    keys: ({ heads, kvHeads = heads, ffn, epsilon, theta, rope = 0, vocabulary }) => [
      ["feed_forward_length", "u32", ffn],
      ["attention.head_count", "u32", heads],
      ["attention.head_count_kv", "u32", kvHeads],
      ["attention.layer_norm_epsilon", "f32", epsilon],
      ["rope.dimension_count", "u32", rope],
      ["rope.freq_base", "f32", theta],
      ["vocab_size", "u32", vocabulary],
    ],
    types: TYPES,
    peers: PEERS,
    checkpoint: {
      config: (key) => ({
        model_type: "phi",
        layer_norm_eps: key("attention.layer_norm_epsilon"),
        partial_rotary_factor: (key("rope.dimension_count") * key("attention.head_count")) / key("embedding_length"),
        hidden_act: "gelu_new",
      }),
      names: [
        [/^output_norm/, "model.final_layernorm"],
        [/^blk\.(\d+)\.attn_output/, "model.layers.$1.self_attn.dense"],
        [/^blk\.(\d+)\.ffn_up/, "model.layers.$1.mlp.fc1"],
        [/^blk\.(\d+)\.ffn_down/, "model.layers.$1.mlp.fc2"],
      ],
    },
  },
};

/** The names that GGUF gives them, in the order of the core's registry. */
export const NAMES = Object.keys(ARCHITECTURES);

/** The shapes of all made models. @type {Record<string, Shape>} */
export const SHAPES = Object.fromEntries(
  Object.entries(ARCHITECTURES).flatMap(([architecture, { shapes }]) =>
    Object.entries(shapes).map(([kind, shape]) => [kind, { architecture, ...shape }]),
  ),
);

/** The kind of made model that tests run of an architecture. @param {string} architecture */
export const tinyOf = (architecture) => Object.keys(ARCHITECTURES[architecture].shapes)[0];

/** The small model of each architecture, in the order of the list. */
export const TINY = NAMES.map(tinyOf);

/** The architecture of a made model. @param {string} kind */
export const architectureOf = (kind) => ARCHITECTURES[SHAPES[kind].architecture];
