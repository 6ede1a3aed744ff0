/**
 * What makes most activations behind ReLU² zero in a model of random weights, whose pre-activations are else as often
 * above zero as below. The first block of every embedding is one constant, which no layer changes, and the first block of
 * every row of `up` is a negative one: their product shifts all pre-activations of a layer by as many of their deviations
 * as the share of zeros asks for.
 *
 * Like random-blocks.mjs it uses the exact float operations alone, so that the same files come out everywhere.
 */
import { TENSOR_TYPES, toHalf } from "./gguf-writer.mjs";

/** @typedef {import("./gguf-writer.mjs").TensorType} TensorType */
/** @typedef {import("./gguf-writer.mjs").Tensor} Tensor */

/** Columns of the constant block at the beginning of a row. @param {TensorType} type */
export function constantColumns(type) {
  return Math.max(32, TENSOR_TYPES[type].elements);
}

/** The bytes of a block whose weights are all `value`, nearly. @param {TensorType} type @param {number} value */
function constantBlock(type, value) {
  const { bytes, elements } = TENSOR_TYPES[type];
  const block = new Uint8Array(bytes * (constantColumns(type) / elements));
  const view = new DataView(block.buffer);
  switch (type) {
    case "F32":
      for (let at = 0; at < block.length; at += 4) view.setFloat32(at, value, true);
      return block;
    case "F16":
      for (let at = 0; at < block.length; at += 2) view.setUint16(at, toHalf(value), true);
      return block;
    case "Q4_0": // nibbles of 0 are -8
      view.setUint16(0, toHalf(value / -8), true);
      return block;
    case "Q8_0":
      view.setUint16(0, toHalf(value / 127), true);
      return block.fill(127, 2);
    case "Q4_K": // codes of 0, minima of 63
      view.setUint16(2, toHalf(value / -63), true);
      return block.fill(255, 4, 16);
    case "Q6_K": // codes of 63 are 31, sub-scales of 16
      view.setUint16(208, toHalf(value / (31 * 16)), true);
      return block.fill(255, 0, 192).fill(16, 192, 208);
    default:
      throw new Error(`a share of zeros is for Q4_0, Q8_0, Q4_K, Q6_K, F16 and F32, not ${type}`);
  }
}

/**
 * A tensor whose rows begin with a constant block. @param {Tensor} tensor @param {number} value @returns {Tensor}
 */
export function withConstantColumns(tensor, value) {
  const { type, shape } = tensor;
  const block = constantBlock(type, value);
  const row = (shape[0] / TENSOR_TYPES[type].elements) * TENSOR_TYPES[type].bytes;
  return patched(tensor, (chunk, at) => {
    for (let begin = at - (at % row); begin < at + chunk.length; begin += row) {
      for (let i = Math.max(0, at - begin); i < block.length && begin + i < at + chunk.length; i++) {
        chunk[begin + i - at] = block[i];
      }
    }
  });
}

/** A tensor whose first rows are zero. @param {Tensor} tensor @param {number} rows @returns {Tensor} */
export function withZeroRows(tensor, rows) {
  const { bytes, elements } = TENSOR_TYPES[tensor.type];
  const end = rows * (tensor.shape[0] / elements) * bytes;
  return patched(tensor, (chunk, at) => {
    if (at < end) chunk.fill(0, 0, Math.min(chunk.length, end - at));
  });
}

/** @param {Tensor} tensor @param {(chunk: Uint8Array, at: number) => void} patch @returns {Tensor} */
function patched(tensor, patch) {
  let at = 0;
  const fill = (/** @type {Uint8Array} */ chunk) => {
    tensor.fill(chunk);
    patch(chunk, at);
    at += chunk.length;
  };
  return { ...tensor, fill };
}

/** Below how many deviations that share of a normal variable lies. @param {number} share */
export function deviationsBelow(share) {
  let low = -4;
  let high = 4;
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (below(middle) < share) low = middle;
    else high = middle;
  }
  return low;
}

/** The root mean square of relu(z - t)^2, z normal. @param {number} t */
export function reluSquareRms(t) {
  const density = 0.3989422804014327 * exponential((-t * t) / 2);
  return Math.sqrt((t ** 4 + 6 * t * t + 3) * (1 - below(t)) - (t ** 3 + 5 * t) * density);
}

/** The share of a normal variable below x, by its series. @param {number} x */
function below(x) {
  let term = x;
  let sum = x;
  for (let n = 1; n < 80; n++) {
    term *= (-x * x) / (2 * n);
    sum += term / (2 * n + 1);
  }
  return 0.5 + 0.3989422804014327 * sum;
}

/** @param {number} x */
function exponential(x) {
  let term = 1;
  let sum = 1;
  for (let n = 1; n < 80; n++) {
    term *= x / n;
    sum += term;
  }
  return sum;
}
