/**
 * Models of random weights in the exact shapes, names, metadata and block formats of real ones. What a layer of each
 * architecture holds is said by its file of architectures/.
 */
import { entryOf } from "./architectures.mjs";
import { ENCODERS } from "./encoders.mjs";
import { TENSOR_TYPES } from "./gguf-writer.mjs";
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
/** @typedef {import("./architectures.mjs").Shape} Shape */

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

/** The tensors of a model as they come, and what their deviations are counted in. */
export class Weights {
  /** The layer that tensors are added to, or -1 for those of the whole model. */
  layer = -1;
  /** @type {Tensor[]} */
  tensors = [];

  /**
   * @param {Shape} shape @param {TensorType} type @param {number} seed
   * @param {number | undefined} zeros the share of activations that are zero behind ReLU²
   */
  constructor(shape, type, seed, zeros) {
    this.shape = shape;
    this.type = type;
    this.seed = seed;
    this.headSize = shape.headSize ?? shape.hidden / shape.heads;
    this.kvHeads = shape.kvHeads ?? shape.heads;
    /** Keeps a unit-RMS vector of `hidden` values at unit RMS. */
    this.unit = 1 / Math.sqrt(shape.hidden);
    /** Deviation of what an FFN adds to the residual stream, whose embedding has `unit`. */
    this.added = 8 * this.unit;
    this.shift = zeros === undefined ? undefined : shiftOf(shape, type, zeros, this.unit, this.added);
    /** Root mean square of relu(x)². */
    this.reluSquareRms = this.shift ? this.shift.rms : 1.22;
  }

  /** Whether the layer is one to which mixes give more bits. */
  get sensitive() {
    return moreBits(this.layer, this.shape.layers);
  }

  /**
   * Adds a tensor of this layer. @param {string} name @param {number[]} dimensions @param {TensorType} format
   * @param {number} deviation
   */
  add(name, dimensions, format, deviation, mean = 0) {
    const full = this.layer < 0 ? name : `blk.${this.layer}.${name}`;
    const fill = randomBlocks(format, `${this.seed}/${this.shape.architecture}/${full}`, deviation, mean);
    this.tensors.push({ name: full, type: format, shape: dimensions, fill });
  }

  /** Adds a vector of no layer. @param {string} name @param {number[]} values */
  values(name, values) {
    const bytes = new Uint8Array(Float32Array.from(values).buffer);
    const fill = (/** @type {Uint8Array} */ chunk) => chunk.set(bytes);
    this.tensors.push({ name, type: "F32", shape: [values.length], fill });
  }

  /** @param {string} name @param {number} size */
  norm(name, size) {
    this.add(name, [size], "F32", 0.1, 1);
  }

  /** @param {string} name @param {number} columns @param {number} rows @param {number} deviation */
  matrix(name, columns, rows, deviation, sensitive = false) {
    this.add(name, [columns, rows], matrixType(this.type, columns, sensitive), deviation);
  }

  /** A matrix for each expert. @param {string} name @param {number} columns @param {number} rows @param {number} deviation */
  experts(name, columns, rows, deviation, sensitive = false) {
    this.slabs(name, columns, rows, this.shape.experts ?? 0, deviation, sensitive);
  }

  /**
   * Matrices one behind the other. @param {string} name @param {number} columns @param {number} rows
   * @param {number} count @param {number} deviation
   */
  slabs(name, columns, rows, count, deviation, sensitive = false) {
    this.add(name, [columns, rows, count], matrixType(this.type, columns, sensitive), deviation);
  }

  /** The tensor that was added last leaves the constant of the embeddings as it is. */
  keepConstant() {
    const { shift } = this;
    if (shift) this.#change((tensor) => withZeroRows(tensor, shift.columns));
  }

  /** The tensor that was added last meets that constant with its own. */
  meetConstant() {
    const { shift } = this;
    if (shift) this.#change((tensor) => withConstantColumns(tensor, shift.up(this.layer)));
  }

  /** The same tensors, seen by parts that ask for other numbers of the shape: those of a layer. @param {Partial<Shape>} numbers */
  of(numbers) {
    const layer = /** @type {Weights} */ (Object.create(this));
    layer.shape = { ...this.shape, ...numbers };
    if (numbers.kvHeads) layer.kvHeads = numbers.kvHeads;
    return layer;
  }

  embedding() {
    const { shift } = this;
    this.matrix("token_embd.weight", this.shape.hidden, this.shape.vocabulary, this.unit, true);
    if (shift) this.#change((tensor) => withConstantColumns(tensor, shift.constant));
  }

  /** @param {(tensor: Tensor) => Tensor} how */
  #change(how) {
    this.tensors.push(how(/** @type {Tensor} */ (this.tensors.pop())));
  }
}

/**
 * A model of random weights.
 * @param {Shape} shape @param {TensorType} type @param {number} [seed]
 * @param {Entry[]} [tokenizer] metadata of a vocabulary of the right size; by default a made-up one
 * @param {number} [zeros] of a plm: the share of activations that are zero behind ReLU², in about; by default a half
 * @returns {GgufFile}
 */
export function randomModel(shape, type, seed = 1, tokenizer = undefined, zeros = undefined) {
  const w = new Weights(shape, type, seed, zeros);
  w.embedding();
  const isEncoder = shape.architecture in ENCODERS;
  if (!isEncoder && !entryOf(shape.architecture).plainOutput) w.norm("output_norm.weight", shape.hidden);
  if (!shape.tied && !isEncoder) w.matrix("output.weight", shape.hidden, shape.vocabulary, w.unit, true);
  if (shape.ropeFactors) {
    w.values(
      "rope_freqs.weight",
      Array.from({ length: w.headSize / 2 }, (_, i) => (i < w.headSize / 4 ? 1 : 8)),
    );
  }
  const { ends, block, plainKeys } = entryOf(shape.architecture);
  ends?.(w);
  for (w.layer = 0; w.layer < shape.layers; w.layer++) block(w);
  tokenizer ??= tokenizerMetadata(buildVocabulary(shape.vocabulary, WORDS), shape.pre);
  const plain = plainKeys?.(shape) ?? [];
  return { metadata: [...modelMetadata(shape, type), ...plain, ...tokenizer], tensors: w.tensors };
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
  const { architecture } = shape;
  const own = /** @type {Entry[]} */ ([
    ["block_count", "u32", shape.layers],
    ["context_length", "u32", shape.context],
    ["embedding_length", "u32", shape.hidden],
    ...entryOf(architecture).keys(shape),
  ]);
  return [
    ["general.architecture", "string", architecture],
    ["general.name", "string", `random ${entryOf(architecture).title ?? architecture}, ${type}`],
    ["general.file_type", "u32", TENSOR_TYPES[type].fileType],
    ...own.map(([name, kind, value]) => /** @type {Entry} */ ([`${architecture}.${name}`, kind, value])),
  ];
}
