/**
 * Models of random weights in the exact shapes, names, metadata and block formats of real ones.
 *
 * Standard deviations are chosen so that the numbers inside behave as in a trained model: matrices keep a unit-RMS input
 * at unit RMS, queries are twice as large (attention is not flat), each layer's contribution is larger than the
 * embedding (so that a tied head does not merely repeat its input), and the logits have a deviation near 1.
 */
import { TENSOR_TYPES } from "./gguf-writer.mjs";
import { memoryTensors } from "./memory-layers.mjs";
import { randomBlocks } from "./random-blocks.mjs";
import {
  constantColumns,
  deviationsBelow,
  reluSquareRms,
  withConstantColumns,
  withZeroRows,
} from "./sparse-weights.mjs";
import { buildVocabulary, tokenizerMetadata } from "./vocabulary.mjs";

/** @typedef {import("./gguf-writer.mjs").TensorType} TensorType */
/** @typedef {import("./gguf-writer.mjs").Tensor} Tensor */
/** @typedef {import("./gguf-writer.mjs").GgufFile} GgufFile */
/** @typedef {import("./vocabulary.mjs").Entry} Entry */

/**
 * @typedef {object} Shape
 * @property {"plm" | "llama" | "qwen2" | "qwen3" | "memoryformer"} architecture
 * @property {number} layers @property {number} hidden @property {number} heads
 * @property {number} ffn of a memoryformer: between its two tables
 * @property {number} vocabulary @property {number} context @property {number} theta @property {number} epsilon
 * @property {string} pre the pre-tokenizer's name
 * @property {number} [nope] @property {number} [rope] @property {number} [value] @property {number} [rank] of plm
 * @property {number} [chunks] @property {number} [bits] of a memoryformer: tables, and bits of a code; rope: as of plm
 * @property {number} [kvHeads] @property {number} [headSize] of the others
 * @property {boolean} [tied] no output matrix of its own
 * @property {boolean} [ropeFactors] Llama 3.1's rope_freqs tensor
 */

const QWEN = { theta: 1e6, epsilon: 1e-6, pre: "qwen2" };
const PLM = /** @type {const} */ ({ architecture: "plm", theta: 1e5, epsilon: 1e-6, pre: "qwen2", tied: true });

/** A quarter of each head turns, and a code between the two tables of the FFN has two bits more. */
const MEMORYFORMER = /** @type {const} */ ({ architecture: "memoryformer", theta: 1e4, epsilon: 1e-8, pre: "gpt-2" });

/** @type {Record<string, Shape>} */
export const SHAPES = {
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
  "llama-tiny": {
    architecture: "llama",
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
    architecture: "llama",
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
  "qwen2-tiny": {
    ...QWEN,
    architecture: "qwen2",
    layers: 4,
    hidden: 256,
    heads: 4,
    kvHeads: 2,
    headSize: 64,
    ffn: 768,
    vocabulary: 512,
    context: 1024,
    tied: true,
  },
  // Heads wider than hidden / heads; rows of 384 do not divide by 256, so the K formats fall back on attn_output.
  "qwen3-tiny": {
    ...QWEN,
    architecture: "qwen3",
    layers: 4,
    hidden: 256,
    heads: 4,
    kvHeads: 1,
    headSize: 96,
    ffn: 768,
    vocabulary: 512,
    context: 1024,
    tied: true,
  },
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
};

const WORDS = [" the", " and", " of", " to", " a", " in", " is", " it", " that", " was", "Once", " upon", " time"];

/**
 * The format of one matrix in a file "mostly of" a type, after llama-quantize: mixes of Q4_K and Q5_K keep the head and
 * the more sensitive layers in Q6_K, and a row that does not divide into blocks of 256 falls back.
 * @param {TensorType} type @param {number} row @param {boolean} sensitive @returns {TensorType}
 */
function matrixType(type, row, sensitive) {
  const wanted = (type === "Q4_K" || type === "Q5_K") && sensitive ? "Q6_K" : type;
  if (row % TENSOR_TYPES[wanted].elements === 0) return wanted;
  if (row % 32 !== 0) return "F16";
  if (wanted === "Q4_K") return "Q5_0";
  if (wanted === "Q5_K") return "Q5_1";
  return wanted === "Q6_K" ? "Q8_0" : "IQ4_NL";
}

/** llama-quantize's "more bits" layers. @param {number} layer @param {number} layers */
function moreBits(layer, layers) {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
}

/**
 * A model of random weights.
 * @param {Shape} shape @param {TensorType} type @param {number} [seed]
 * @param {Entry[]} [tokenizer] metadata of a vocabulary of the right size; by default a made-up one
 * @param {number} [zeros] of a plm: the share of activations that are zero behind ReLU², in about; by default a half
 * @returns {GgufFile}
 */
export function randomModel(shape, type, seed = 1, tokenizer = undefined, zeros = undefined) {
  const tensors = /** @type {Tensor[]} */ ([]);
  const { hidden, heads, ffn, layers, vocabulary } = shape;
  const headSize = shape.headSize ?? hidden / heads;
  const kvHeads = shape.kvHeads ?? heads;
  const unit = 1 / Math.sqrt(hidden); // keeps a unit-RMS vector of `hidden` values at unit RMS
  const added = 8 * unit; // deviation of what an FFN adds to the residual stream, whose embedding has `unit`

  const add = (
    /** @type {string} */ name,
    /** @type {number[]} */ dimensions,
    /** @type {TensorType} */ format,
    /** @type {number} */ deviation,
    /** @type {number} */ mean = 0,
  ) => {
    const fill = randomBlocks(format, `${seed}/${shape.architecture}/${name}`, deviation, mean);
    tensors.push({ name, type: format, shape: dimensions, fill });
  };
  const norm = (/** @type {string} */ name, /** @type {number} */ size) => add(name, [size], "F32", 0.1, 1);
  const matrix = (
    /** @type {string} */ name,
    /** @type {number} */ columns,
    /** @type {number} */ rows,
    /** @type {number} */ deviation,
    sensitive = false,
  ) => add(name, [columns, rows], matrixType(type, columns, sensitive), deviation);

  /** Changes the tensor that was added last. */
  const change = (/** @type {(tensor: Tensor) => Tensor} */ how) =>
    tensors.push(how(/** @type {Tensor} */ (tensors.pop())));
  const shift = zeros === undefined ? undefined : shiftOf(shape, type, zeros, unit, added);

  matrix("token_embd.weight", hidden, vocabulary, unit, true);
  if (shift) change((tensor) => withConstantColumns(tensor, shift.constant));
  norm("output_norm.weight", hidden);
  if (!shape.tied) matrix("output.weight", hidden, vocabulary, unit, true);
  if (shape.ropeFactors) {
    const factors = Float32Array.from({ length: headSize / 2 }, (_, i) => (i < headSize / 4 ? 1 : 8));
    const fill = (/** @type {Uint8Array} */ chunk) => chunk.set(new Uint8Array(factors.buffer));
    tensors.push({ name: "rope_freqs.weight", type: "F32", shape: [factors.length], fill });
  }
  for (let layer = 0; layer < layers; layer++) {
    if (shape.architecture === "memoryformer") {
      tensors.push(...memoryTensors(shape, type, seed, layer, added));
      continue;
    }
    const block = `blk.${layer}.`;
    const sensitive = moreBits(layer, layers);
    norm(`${block}attn_norm.weight`, hidden);
    if (shape.architecture === "plm") {
      const { nope = 0, rope = 0, value = 0, rank = 0 } = shape;
      matrix(`${block}attn_q.weight`, hidden, heads * (nope + rope), 2 * unit);
      matrix(`${block}attn_kv_a_mqa.weight`, hidden, rank + rope, unit);
      norm(`${block}attn_kv_a_norm.weight`, rank);
      matrix(`${block}attn_kv_b.weight`, rank, heads * (nope + value), 1 / Math.sqrt(rank));
      matrix(`${block}attn_output.weight`, heads * value, hidden, (2 * added) / Math.sqrt(heads * value));
      if (shift) change((tensor) => withZeroRows(tensor, shift.columns));
    } else {
      const bias = (/** @type {string} */ name, /** @type {number} */ size) => {
        if (shape.architecture === "qwen2") add(`${block}${name}.bias`, [size], "F32", 0.5);
      };
      matrix(`${block}attn_q.weight`, hidden, heads * headSize, 2 * unit);
      bias("attn_q", heads * headSize);
      matrix(`${block}attn_k.weight`, hidden, kvHeads * headSize, unit);
      bias("attn_k", kvHeads * headSize);
      matrix(`${block}attn_v.weight`, hidden, kvHeads * headSize, unit, sensitive);
      bias("attn_v", kvHeads * headSize);
      if (shape.architecture === "qwen3") {
        norm(`${block}attn_q_norm.weight`, headSize);
        norm(`${block}attn_k_norm.weight`, headSize);
      }
      matrix(`${block}attn_output.weight`, heads * headSize, hidden, (2 * added) / Math.sqrt(heads * headSize));
    }
    norm(`${block}ffn_norm.weight`, hidden);
    if (shape.architecture === "plm") {
      matrix(`${block}ffn_up.weight`, hidden, ffn, unit);
      if (shift) change((tensor) => withConstantColumns(tensor, shift.up(layer)));
      const rms = shift ? shift.rms : 1.22; // of relu(x)^2
      matrix(`${block}ffn_down.weight`, ffn, hidden, added / (rms * Math.sqrt(ffn)), sensitive);
      if (shift) change((tensor) => withZeroRows(tensor, shift.columns));
    } else {
      matrix(`${block}ffn_gate.weight`, hidden, ffn, unit);
      matrix(`${block}ffn_up.weight`, hidden, ffn, unit);
      matrix(`${block}ffn_down.weight`, ffn, hidden, added / (0.6 * Math.sqrt(ffn)), sensitive); // RMS of silu(x)·y
    }
  }
  tokenizer ??= tokenizerMetadata(buildVocabulary(shape.vocabulary, WORDS), shape.pre);
  return { metadata: [...modelMetadata(shape, type), ...tokenizer], tensors };
}

/**
 * What shifts the pre-activations of a PLM (sparse-weights.mjs): the constant of the embeddings, over how many columns,
 * and the constant of each layer's `up` that meets it.
 * @param {Shape} shape @param {TensorType} type @param {number} zeros @param {number} unit @param {number} added
 */
function shiftOf(shape, type, zeros, unit, added) {
  if (shape.architecture !== "plm") throw new Error("a share of zeros is for plm: the others have no ReLU²");
  if (!(zeros >= 0.1 && zeros <= 0.99)) throw new Error("a share of zeros lies between 0.1 and 0.99");
  const columns = constantColumns(type);
  if (2 * columns > shape.hidden)
    throw new Error(`rows of ${shape.hidden} are too short for a share of zeros in ${type}`);
  const deviations = deviationsBelow(zeros);
  const constant = added * Math.sqrt(32 / columns);
  const spread = unit * Math.sqrt(shape.hidden - columns);
  return {
    constant,
    columns,
    rms: reluSquareRms(deviations),
    /** The other values of the residual stream deviate by so much before a layer's FFN. */
    up: (/** @type {number} */ layer) => {
      const stream = Math.sqrt(unit * unit + ATTENTION_SQUARE * added * added * (layer + 1) + added * added * layer);
      return (-deviations * spread * stream) / (columns * constant);
    },
  };
}

/** What attention adds to the residual stream, squared and in units of what an FFN adds: measured over 64 tokens. */
const ATTENTION_SQUARE = 3.3;

/** @param {Shape} shape @param {TensorType} type @returns {Entry[]} */
function modelMetadata(shape, type) {
  const { architecture, heads } = shape;
  const key = (/** @type {string} */ name) => `${architecture}.${name}`;
  const entries = /** @type {Entry[]} */ ([
    ["general.architecture", "string", architecture],
    ["general.name", "string", `random ${architecture}, ${type}`],
    ["general.file_type", "u32", TENSOR_TYPES[type].fileType],
    [key("block_count"), "u32", shape.layers],
    [key("context_length"), "u32", shape.context],
    [key("embedding_length"), "u32", shape.hidden],
  ]);
  if (architecture === "memoryformer") {
    return [
      ...entries,
      [key("attention.head_count"), "u32", heads],
      [key("attention.layer_norm_rms_epsilon"), "f32", shape.epsilon],
      [key("attention.layer_norm_epsilon"), "f32", 1e-5],
      [key("rope.dimension_count"), "u32", shape.rope ?? 0],
      [key("rope.freq_base"), "f32", shape.theta],
      [key("memory.table_count"), "u32", shape.chunks ?? 0],
      [key("memory.code_length"), "u32", shape.bits ?? 0],
      [key("memory.ffn_code_length"), "u32", (shape.bits ?? 0) + 2],
      [key("memory.weight_rule"), "string", "score"],
      [key("vocab_size"), "u32", shape.vocabulary],
    ];
  }
  const isPlm = architecture === "plm";
  const headSize = isPlm ? (shape.nope ?? 0) + (shape.rope ?? 0) : (shape.headSize ?? shape.hidden / heads);
  entries.push(
    [key("feed_forward_length"), "u32", shape.ffn],
    [key("attention.head_count"), "u32", heads],
    [key("attention.head_count_kv"), "u32", shape.kvHeads ?? heads],
    [key("attention.layer_norm_rms_epsilon"), "f32", shape.epsilon],
    [key("attention.key_length"), "u32", headSize],
    [key("attention.value_length"), "u32", (isPlm ? shape.value : undefined) ?? headSize],
    [key("rope.freq_base"), "f32", shape.theta],
    [key("rope.dimension_count"), "u32", (isPlm ? shape.rope : undefined) ?? headSize],
    [key("vocab_size"), "u32", shape.vocabulary],
  );
  if (isPlm) entries.push([key("attention.kv_lora_rank"), "u32", shape.rank ?? 0]);
  return entries;
}
