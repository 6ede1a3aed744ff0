/**
 * A streaming writer of GGUF version 3, for the files that our scripts and tests make themselves.
 *
 * The head (metadata and tensor table) is built in memory; tensor data is drawn from the caller chunk by chunk, so
 * that a file of any size is written with bounded memory. Layout: header, metadata, tensor table, zeros up to the
 * alignment, then the tensors in order, each padded to the alignment.
 */
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { blockFormats, numbersOf } from "./boundary.mjs";

const ALIGNMENT = 32;
const CHUNK_BYTES = 1 << 20;

/** llama.cpp's number for "a file mostly of it". */
const FILE_TYPES = {
  F32: 0,
  F16: 1,
  BF16: 32,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 8,
  Q5_1: 9,
  Q8_0: 7,
  Q2_K: 10,
  Q3_K: 11,
  Q4_K: 15,
  Q5_K: 17,
  Q6_K: 18,
  IQ4_NL: 25,
  IQ4_XS: 30,
  TQ1_0: 36,
  TQ2_0: 37,
  MXFP4: 38,
  NVFP4: 39,
  Q1_0: 40,
  Q2_0: 41,
  IQ1_S: 24,
  IQ1_M: 31,
  IQ2_XXS: 19,
  IQ2_XS: 20,
  IQ2_S: 28,
  IQ3_XXS: 23,
  IQ3_S: 26,
};

const FORMATS = blockFormats();
const formatTypes = Object.entries(FILE_TYPES).map(([name, fileType]) => [name, { ...FORMATS[name], fileType }]);

/** @typedef {{ id: number, elements: number, bytes: number, fileType: number }} Layout */
/** The types of tensors: id in the file, elements and bytes of a block. I8 is no block format: rows of look-up tables. */
export const TENSOR_TYPES = /** @type {Record<keyof typeof FILE_TYPES | "I8", Layout>} */ ({
  ...Object.fromEntries(formatTypes),
  I8: { id: numbersOf("RowType").Q8, elements: 1, bytes: 1, fileType: FILE_TYPES.Q8_0 },
});

/** @typedef {keyof typeof TENSOR_TYPES} TensorType */
/** @typedef {"u32" | "i32" | "f32" | "bool" | "string" | "u64" | "u32[]" | "i32[]" | "u64[]" | "f32[]" | "f64[]" | "bool[]" | "string[]"} ValueType */
/** @typedef {number | bigint | boolean | string | readonly number[] | readonly boolean[] | readonly string[]} Value */
/**
 * `fill` is called with consecutive chunks of the tensor, each a whole number of blocks, and writes every byte.
 * @typedef {{ name: string, type: TensorType, shape: readonly number[], fill: (chunk: Uint8Array) => void }} Tensor
 */
/** @typedef {{ metadata: readonly (readonly [string, ValueType, Value])[], tensors: readonly Tensor[] }} GgufFile */

const VALUE_TYPES = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, u64: 10, f64: 12 };
const ARRAY_TYPE = 9;

/** Little-endian bytes, growing as they come. */
class ByteBuilder {
  #bytes = new Uint8Array(1 << 16);
  #view = new DataView(this.#bytes.buffer);
  length = 0;

  /** @param {number} count */
  #room(count) {
    const at = this.length;
    if (at + count > this.#bytes.length) {
      const grown = new Uint8Array(2 ** Math.ceil(Math.log2(at + count)));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.length += count;
    return at;
  }

  /** @param {number} value */
  u32(value) {
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
  }

  /** @param {number | bigint} value */
  u64(value) {
    const at = this.#room(8);
    this.#view.setBigUint64(at, BigInt(value), true);
  }

  /** @param {string} text */
  string(text) {
    const bytes = new TextEncoder().encode(text);
    this.u64(bytes.length);
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** @param {string} type @param {Value} value */
  scalar(type, value) {
    if (type === "string") this.string(String(value));
    else if (type === "u64") this.u64(/** @type {number | bigint} */ (value));
    else if (type === "bool") {
      const at = this.#room(1);
      this.#bytes[at] = value ? 1 : 0;
    } else {
      const at = this.#room(type === "f64" ? 8 : 4);
      if (type === "f64") this.#view.setFloat64(at, Number(value), true);
      else if (type === "f32") this.#view.setFloat32(at, Number(value), true);
      else this.#view.setUint32(at, Number(value) >>> 0, true);
    }
  }

  pad() {
    this.#room(padded(this.length) - this.length);
  }

  finish() {
    return this.#bytes.subarray(0, this.length);
  }
}

/** @param {number} length */
function padded(length) {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT;
}

/** Bytes of a tensor's data. @param {TensorType} type @param {readonly number[]} shape */
export function tensorBytes(type, shape) {
  const { elements, bytes } = TENSOR_TYPES[type];
  if (shape[0] % elements !== 0) throw new Error(`a row of ${shape[0]} values does not divide into blocks of ${type}`);
  return (shape.reduce((product, dimension) => product * dimension, 1) / elements) * bytes;
}

/** @param {GgufFile} file */
function encodeHead(file) {
  const head = new ByteBuilder();
  head.u32(0x46554747); // "GGUF"
  head.u32(3);
  head.u64(file.tensors.length);
  head.u64(file.metadata.length);
  for (const [key, type, value] of file.metadata) {
    head.string(key);
    if (type.endsWith("[]")) {
      const element = type.slice(0, -2);
      const values = /** @type {readonly (number | string)[]} */ (value);
      head.u32(ARRAY_TYPE);
      head.u32(VALUE_TYPES[/** @type {keyof typeof VALUE_TYPES} */ (element)]);
      head.u64(values.length);
      for (const item of values) head.scalar(element, item);
    } else {
      head.u32(VALUE_TYPES[/** @type {keyof typeof VALUE_TYPES} */ (type)]);
      head.scalar(type, value);
    }
  }
  let offset = 0;
  for (const { name, type, shape } of file.tensors) {
    head.string(name);
    head.u32(shape.length);
    for (const dimension of shape) head.u64(dimension);
    head.u32(TENSOR_TYPES[type].id);
    head.u64(offset);
    offset = padded(offset + tensorBytes(type, shape));
  }
  head.pad();
  return head.finish();
}

/** Hands the bytes of a file to `sink` in order; a chunk is only valid during the call. */
export function streamGguf(/** @type {GgufFile} */ file, /** @type {(bytes: Uint8Array) => void} */ sink) {
  sink(encodeHead(file));
  for (const { type, shape, fill } of file.tensors) {
    const total = tensorBytes(type, shape);
    const blockBytes = TENSOR_TYPES[type].bytes;
    // Four blocks at a time keep chunks aligned to words; the last chunk may be shorter.
    const step = Math.max(1, Math.floor(CHUNK_BYTES / (4 * blockBytes))) * 4 * blockBytes;
    const chunk = new Uint8Array(Math.min(step, padded(total)));
    for (let done = 0; done < total; done += step) {
      const part = chunk.subarray(0, Math.min(step, total - done));
      fill(part);
      sink(part);
    }
    sink(new Uint8Array(padded(total) - total));
  }
}

/** Writes a file to disk; returns its size. */
export function writeGguf(/** @type {string} */ path, /** @type {GgufFile} */ file) {
  mkdirSync(dirname(path), { recursive: true });
  const handle = openSync(path, "w");
  let size = 0;
  try {
    streamGguf(file, (bytes) => {
      for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done);
      size += bytes.length;
    });
  } finally {
    closeSync(handle);
  }
  return size;
}

/** A small file as bytes. */
export function encodeGguf(/** @type {GgufFile} */ file) {
  const parts = /** @type {Uint8Array[]} */ ([]);
  streamGguf(file, (bytes) => parts.push(bytes.slice()));
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A tensor of given float32 values, stored as F32 or F16. */
export function floatTensor(
  /** @type {string} */ name,
  /** @type {readonly number[]} */ shape,
  /** @type {Float32Array} */ values,
  /** @type {"F32" | "F16"} */ type = "F32",
) {
  let at = 0;
  return /** @type {Tensor} */ ({
    name,
    type,
    shape,
    fill(chunk) {
      const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      const bytes = TENSOR_TYPES[type].bytes;
      for (let i = 0; i < chunk.length; i += bytes) {
        if (type === "F32") view.setFloat32(i, values[at++], true);
        else view.setUint16(i, toHalf(values[at++]), true);
      }
    },
  });
}

const floatCell = new Float32Array(1);
const bitsCell = new Uint32Array(floatCell.buffer);

/** The IEEE half nearest to a number (ties to even), as its 16 bits. */
export function toHalf(/** @type {number} */ value) {
  floatCell[0] = value;
  const bits = bitsCell[0];
  const sign = (bits >>> 16) & 0x8000;
  const exponent = (bits >>> 23) & 255;
  const mantissa = bits & 0x7fffff;
  if (exponent === 255) return sign | 0x7c00 | (mantissa ? 0x200 : 0);
  if (exponent < 102) return sign; // below half of the smallest subnormal
  const shift = exponent < 113 ? 126 - exponent : 13;
  const full = exponent < 113 ? mantissa | 0x800000 : mantissa;
  const base = exponent < 113 ? 0 : (exponent - 112) << 10;
  const rest = full & ((1 << shift) - 1);
  const middle = 1 << (shift - 1);
  const kept = base + (full >>> shift);
  const rounded = rest > middle || (rest === middle && (kept & 1) === 1) ? kept + 1 : kept;
  return sign | Math.min(rounded, 0x7c00);
}
