/**
 * The tensors of a MemoryFormer's block, of random weights: look-up tables, the scales of their rows, biases and norms
 * (docs/formats.md has their names).
 *
 * A memory layer sums one row of each of its chunks' tables, so rows are as small as the number of chunks and the weights
 * of their codes ask: the outputs have the deviation that is wanted when the input has deviation 1.
 */
import { Random, randomBlocks } from "./random-blocks.mjs";

/** @typedef {import("./gguf-writer.mjs").TensorType} TensorType */
/** @typedef {import("./gguf-writer.mjs").Tensor} Tensor */
/** @typedef {import("./architectures.mjs").Shape} Shape */

/** Root mean square of a code's weight (rule "score") over chunks of so many normal values: measured. */
const WEIGHT = /** @type {Record<number, number>} */ ({ 4: 1.64, 6: 1.52, 8: 1.26, 10: 0.98 });
/** … of a random byte from −128 to 127, and of a code of four bits from −8 to 7. */
const BYTE = 73.9;
const CODE = 4.64;

/**
 * @param {Shape} shape @param {TensorType} type F32 or F16: tables of it; else of bytes, or with Q4 in the name of codes
 * @param {number} seed @param {number} layer @param {number} added deviation of what a branch adds to the stream
 */
export function memoryTensors(shape, type, seed, layer, added) {
  const { hidden, chunks = 0, bits = 0 } = shape;
  const between = chunks * (bits + 2);
  const tensors = /** @type {Tensor[]} */ ([]);
  const add = (
    /** @type {string} */ name,
    /** @type {TensorType} */ format,
    /** @type {number[]} */ size,
    /** @type {number} */ deviation,
    mean = 0,
  ) => {
    const full = `blk.${layer}.${name}`;
    const fill = randomBlocks(format, `${seed}/memoryformer/${full}`, deviation, mean);
    tensors.push({ name: full, type: format, shape: size, fill });
  };
  const memory = (
    /** @type {string} */ name,
    /** @type {number} */ codeBits,
    /** @type {number} */ columns,
    /** @type {number} */ deviation,
  ) => {
    const rows = chunks << codeBits;
    const row = deviation / (WEIGHT[codeBits] * Math.sqrt(chunks));
    if (type === "F32" || type === "F16") add(`${name}.table`, type, [columns, rows], row);
    else {
      const halved = type.includes("Q4");
      const full = `blk.${layer}.${name}`;
      const random = new Random(`${seed}/memoryformer/${full}.table`);
      const fill = (/** @type {Uint8Array} */ chunk) => random.fill(chunk);
      tensors.push({ name: `${full}.table`, type: "I8", shape: [halved ? columns / 2 : columns, rows], fill });
      tensors.push({
        name: `${full}.scale`,
        type: "F32",
        shape: [rows],
        fill: scales(full, seed, row / (halved ? CODE : BYTE)),
      });
    }
    add(`${name}.bias`, "F32", [columns], 0.1 * deviation);
  };
  add("attn_norm.weight", "F32", [hidden], 0.1, 1);
  memory("attn_q", bits, hidden, 2);
  memory("attn_k", bits, hidden, 1);
  memory("attn_v", bits, hidden, 2 * added);
  add("ffn_norm.weight", "F32", [hidden], 0.1, 1);
  memory("ffn_up", bits, between, 1);
  add("ffn_mid_norm.weight", "F32", [between], 0.1, 1);
  add("ffn_mid_norm.bias", "F32", [between], 0.1);
  memory("ffn_down", bits + 2, hidden, added);
  return tensors;
}

/** Scales of 0.75 to 1.25 of `scale`, of either sign, so that codes that are not symmetric leave no mean. */
function scales(/** @type {string} */ name, /** @type {number} */ seed, /** @type {number} */ scale) {
  const random = new Random(`${seed}/memoryformer/${name}.scale`);
  return (/** @type {Uint8Array} */ chunk) => {
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let i = 0; i < chunk.length; i += 4) {
      const drawn = random.signed();
      view.setFloat32(i, Math.sign(drawn) * scale * (0.75 + 0.5 * Math.abs(drawn)), true);
    }
  };
}
