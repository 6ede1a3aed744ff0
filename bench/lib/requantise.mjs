/**
 * Writes a model file anew with its matrices in another block format, a slice at a time:
 * `requantise(FROM, TO, TYPE)`. Metadata is copied, norms stay as they are. As llama-quantize does it, a token embedding
 * that is the output matrix too keeps more bits than the rest: Q8_0 in a file of a smaller type (its Q6_K wants rows of
 * 256). Values that were quantised before lose a little twice, which matters to no figure of speed.
 */
import { closeSync, mkdirSync, openSync, readSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { TENSOR_TYPES } from "../../scripts/gguf-writer.mjs";

const HEAD_BYTES = 1 << 24;
const ALIGNMENT = 32;
/** Rows that are held as floats at a time. */
const SLICE_VALUES = 1 << 20;
const SCALAR_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
const STRING = 8;
const ARRAY = 9;

const NAMES = new Map(Object.entries(TENSOR_TYPES).map(([name, { id }]) => [id, name]));

/** Reads a GGUF head word by word. */
class Head {
  at = 8;

  /** @param {Buffer} bytes */
  constructor(bytes) {
    this.bytes = bytes;
  }

  u32() {
    this.at += 4;
    return this.bytes.readUInt32LE(this.at - 4);
  }

  u64() {
    this.at += 8;
    return Number(this.bytes.readBigUInt64LE(this.at - 8));
  }

  string() {
    const length = this.u64();
    this.at += length;
    return this.bytes.toString("utf8", this.at - length, this.at);
  }

  /** @param {number} type */
  skip(type) {
    if (type === STRING) this.string();
    else if (type === ARRAY) {
      const element = this.u32();
      for (let count = this.u64(); count > 0; count--) this.skip(element);
    } else this.at += SCALAR_BYTES[type];
  }
}

/** @param {number} value @param {number} step */
const padded = (value, step) => Math.ceil(value / step) * step;

/** @param {string} type @param {number} values */
function bytesOf(type, values) {
  const { elements, bytes } = TENSOR_TYPES[/** @type {keyof typeof TENSOR_TYPES} */ (type)];
  return (values / elements) * bytes;
}

/** @param {string} from @param {string} to @param {string} type */
export async function requantise(from, to, type) {
  const { kernels } = await import("../../build/js/kernels.js");
  const k = await kernels();
  const input = openSync(from, "r");
  const bytes = Buffer.alloc(HEAD_BYTES);
  const head = new Head(bytes.subarray(0, readSync(input, bytes, 0, HEAD_BYTES, 0)));
  const count = head.u64();
  for (let entries = head.u64(); entries > 0; entries--) {
    const key = head.string();
    const valueType = head.u32();
    if (key === "general.alignment") throw new Error(`${from} has an alignment of its own`);
    if (key === "general.file_type")
      bytes.writeUInt32LE(TENSOR_TYPES[/** @type {keyof typeof TENSOR_TYPES} */ (type)].fileType, head.at);
    head.skip(valueType);
  }
  const metadataEnd = head.at;
  const tensors = Array.from({ length: count }, () => {
    const name = head.string();
    const shape = Array.from({ length: head.u32() }, () => head.u64());
    const values = shape.reduce((product, size) => product * size, 1);
    const old = NAMES.get(head.u32());
    if (old === undefined) throw new Error(`${name} of ${from} has a type that is not known`);
    return { name, shape, values, old, offset: head.u64(), type: old };
  });
  const data = padded(head.at, ALIGNMENT);
  const tied = !tensors.some(({ name }) => name === "output.weight");
  for (const tensor of tensors) {
    if (tensor.shape.length < 2) continue;
    tensor.type = tied && tensor.name === "token_embd.weight" ? "Q8_0" : type;
  }
  mkdirSync(dirname(to), { recursive: true });
  const output = openSync(`${to}.part`, "w");
  writeSync(output, bytes, 0, metadataEnd);
  let written = metadataEnd + writeSync(output, encodeTable(tensors));
  written += writeSync(output, new Uint8Array(padded(written, ALIGNMENT) - written));
  for (const tensor of tensors) {
    const row = tensor.shape[0];
    const step = Math.max(1, Math.floor(SLICE_VALUES / row)) * row;
    for (let done = 0; done < tensor.values; done += step) {
      const values = Math.min(step, tensor.values - done);
      let slice = new Uint8Array(bytesOf(tensor.old, values));
      readSync(input, slice, 0, slice.length, data + tensor.offset + bytesOf(tensor.old, done));
      if (tensor.old !== tensor.type) slice = k.quantize(tensor.type, k.dequantize(tensor.old, slice));
      written += writeSync(output, slice);
    }
    written += writeSync(output, new Uint8Array(padded(written, ALIGNMENT) - written));
  }
  closeSync(input);
  closeSync(output);
  renameSync(`${to}.part`, to); // a file under the final name is always whole
}

/** @param {{ name: string, shape: number[], values: number, type: string }[]} tensors */
function encodeTable(tensors) {
  const parts = [];
  let offset = 0;
  for (const { name, shape, values, type } of tensors) {
    const text = Buffer.from(name);
    const entry = Buffer.alloc(8 + text.length + 4 + shape.length * 8 + 12);
    entry.writeBigUInt64LE(BigInt(text.length), 0);
    text.copy(entry, 8);
    let at = entry.writeUInt32LE(shape.length, 8 + text.length);
    for (const size of shape) at = entry.writeBigUInt64LE(BigInt(size), at);
    at = entry.writeUInt32LE(TENSOR_TYPES[/** @type {keyof typeof TENSOR_TYPES} */ (type)].id, at);
    entry.writeBigUInt64LE(BigInt(offset), at);
    parts.push(entry);
    offset = padded(offset + bytesOf(type, values), ALIGNMENT);
  }
  return Buffer.concat(parts);
}
