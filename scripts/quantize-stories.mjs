#!/usr/bin/env node
/**
 * Makes the model for microcontrollers:  node scripts/quantize-stories.mjs IN OUT [TYPE]
 *
 * Writes the GGUF file IN anew with its F32 matrices in TYPE (Q8_0 unless given), through limpet's own encoder
 * (`kernel_quantize` of build/limpet.wasm). Metadata stays byte for byte, but for general.file_type. Vectors stay F32, and
 * a matrix whose rows the blocks do not divide becomes F16, as stories260K's ffn_down of 172.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { TENSOR_TYPES, toHalf } from "./gguf-writer.mjs";

const ALIGNMENT = 32;
const WASM = new URL("../build/limpet.wasm", import.meta.url);
/** Bytes of metadata values by their type; 8 is a string, 9 an array. */
const VALUE_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];

/** The head of a GGUF file: raw metadata, and the tensor table. @param {Uint8Array} bytes */
function readHead(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 24;
  const u32 = () => view.getUint32((at += 4) - 4, true);
  const u64 = () => Number(view.getBigUint64((at += 8) - 8, true));
  const string = () => {
    const length = u64();
    return new TextDecoder().decode(bytes.subarray(at, (at += length)));
  };
  const skip = (/** @type {number} */ type) => {
    if (type === 8) string();
    else if (type === 9) {
      const element = u32();
      for (let left = u64(); left > 0; left--) skip(element);
    } else at += VALUE_BYTES[type];
  };
  if (view.getUint32(0, true) !== 0x46554747 || view.getUint32(4, true) !== 3) throw new Error("not GGUF version 3");
  const tensorCount = Number(view.getBigUint64(8, true));
  const metadataCount = Number(view.getBigUint64(16, true));
  let fileTypeAt = 0;
  for (let i = 0; i < metadataCount; i++) {
    const key = string();
    const type = u32();
    if (key === "general.file_type") fileTypeAt = at;
    skip(type);
  }
  const metadata = bytes.slice(24, at);
  const tensors = Array.from({ length: tensorCount }, () => {
    const name = string();
    const shape = Array.from({ length: u32() }, u64);
    return { name, shape, type: u32(), offset: u64() };
  });
  const dataStart = Math.ceil(at / ALIGNMENT) * ALIGNMENT;
  return { metadata, metadataCount, fileTypeAt: fileTypeAt - 24, tensors, dataStart };
}

/** Values → blocks, by the core. */
function makeEncoder() {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(WASM)));
  const core = /** @type {Record<string, Function> & { memory: WebAssembly.Memory }} */ (
    /** @type {unknown} */ (exports)
  );
  const record = core.core_create();
  return (/** @type {keyof typeof TENSOR_TYPES} */ type, /** @type {Float32Array} */ values) => {
    const { id, elements, bytes } = TENSOR_TYPES[type];
    const length = (values.length / elements) * bytes;
    const source = core.core_allocate(record, BigInt(values.byteLength)) >>> 0;
    const target = core.core_allocate(record, BigInt(length)) >>> 0;
    new Float32Array(core.memory.buffer, source, values.length).set(values);
    if (core.kernel_quantize(id, source, target, values.length) < 0) throw new Error(`${type} cannot be written`);
    const blocks = new Uint8Array(core.memory.buffer, target, length).slice();
    core.core_release(record, target);
    core.core_release(record, source);
    return blocks;
  };
}

/**
 * A GGUF file of F32 tensors with its matrices in another type.
 * @param {Uint8Array} bytes @param {keyof typeof TENSOR_TYPES} [type] @returns {Uint8Array}
 */
export function quantizeGguf(bytes, type = "Q8_0") {
  bytes = new Uint8Array(bytes); // a Buffer's slices are no copies
  const head = readHead(bytes);
  const encode = makeEncoder();
  const tensors = head.tensors.map(({ name, shape, type: given, offset }) => {
    if (given !== TENSOR_TYPES.F32.id) throw new Error(`${name} is not F32`);
    const count = shape.reduce((product, size) => product * size, 1);
    const start = head.dataStart + offset;
    const values = new Float32Array(bytes.slice(start, start + count * 4).buffer);
    if (shape.length < 2) return { name, shape, type: TENSOR_TYPES.F32.id, data: new Uint8Array(values.buffer) };
    if (shape[0] % TENSOR_TYPES[type].elements === 0) {
      return { name, shape, type: TENSOR_TYPES[type].id, data: encode(type, values) };
    }
    return { name, shape, type: TENSOR_TYPES.F16.id, data: new Uint8Array(Uint16Array.from(values, toHalf).buffer) };
  });
  return assemble(head, tensors, TENSOR_TYPES[type].fileType);
}

/**
 * @param {ReturnType<typeof readHead>} head
 * @param {{ name: string, shape: number[], type: number, data: Uint8Array }[]} tensors @param {number} fileType
 */
function assemble({ metadata, metadataCount, fileTypeAt }, tensors, fileType) {
  if (fileTypeAt > 0) new DataView(metadata.buffer).setUint32(fileTypeAt, fileType, true);
  const pad = (/** @type {number} */ length) => new Uint8Array((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT);
  const u32 = (/** @type {number} */ value) => new Uint8Array(Uint32Array.of(value).buffer);
  const u64 = (/** @type {number} */ value) => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
  const parts = [u32(0x46554747), u32(3), u64(tensors.length), u64(metadataCount), metadata];
  let offset = 0;
  for (const { name, shape, type, data } of tensors) {
    const text = new TextEncoder().encode(name);
    parts.push(u64(text.length), text, u32(shape.length), ...shape.map(u64), u32(type), u64(offset));
    offset += data.length + pad(data.length).length;
  }
  parts.push(pad(parts.reduce((sum, part) => sum + part.length, 0)));
  for (const { data } of tensors) parts.push(data, pad(data.length));
  return new Uint8Array(Buffer.concat(parts));
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [input, output, type] = process.argv.slice(2);
  if (!input || !output) {
    console.error("node scripts/quantize-stories.mjs IN OUT [TYPE]");
    process.exit(2);
  }
  const quantized = quantizeGguf(readFileSync(input), /** @type {keyof typeof TENSOR_TYPES} */ (type));
  writeFileSync(output, quantized);
  console.log(`${output} (${quantized.length} bytes)`);
}
