/**
 * Matrix products by themselves, one thread, in one process and in turns: limpet's builds, onnxruntime-web, tfjs and
 * LiteRT.js. The right matrix is a constant that was packed before; the left one is copied in and the product out, as the peers do it.
 */
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { Operator } from "../../bindings/numbers.ts";
import { blockFormats } from "../../scripts/boundary.mjs";
import { Random } from "../../scripts/random-blocks.mjs";
import { i8, tfliteFile } from "../../test/support/tflite-writer.ts";
import { builds, limits, RawCore, warmUp } from "../lib/core.mjs";
import { matMulModel, matMulNBitsModel } from "../lib/onnx.mjs";
import { liteRtRun } from "./graphs.mjs";

const [F32, Q4_0] = [blockFormats().F32.id, blockFormats().Q4_0.id];
/** [m, k, n]: activations [m, k] by weights [k, n]. */
export const SHAPES = {
  "f32 512³": [512, 512, 512],
  "f32 128 × 2048 × 2048": [128, 2048, 2048],
  "f32 1024³": [1024, 1024, 1024],
};
export const GEMV = "Q4 GEMV 2048 → 8192";

/** @typedef {{ name: string, work: () => unknown, result: () => Float32Array | Promise<Float32Array> }} Rival */

/**
 * GFLOP/s of each rival for each product, a list of samples, and the limits beside them.
 * @param {{ samples?: number }} job
 */
export async function measure({ samples = 15 }) {
  const found = /** @type {Record<string, Record<string, number[]>>} */ ({});
  const limit = limits();
  found.limits = { "sum loop GB/s": [], "multiply-add GFLOP/s": [], "fused multiply-add GFLOP/s": [] };
  const fused = limits(true);
  for (let i = 0; i < samples; i++) {
    found.limits["sum loop GB/s"].push(limit.gigabytes());
    found.limits["multiply-add GFLOP/s"].push(limit.gigaflops());
    found.limits["fused multiply-add GFLOP/s"].push(fused.gigaflops());
  }
  for (const [name, [m, k, n]] of Object.entries(SHAPES)) {
    const a = floats(m * k);
    const b = floats(k * n);
    const rivals = [...ours(F32, transposed(b, k, n), m, k, n, a), await onnx(matMulModel(m, k, n, b), a, m, k)];
    rivals.push(await tfjs(a, b, m, k, n), await liteRt(a, b, m, k, n));
    found[name] = await inTurns(rivals, samples, 2 * m * k * n);
  }
  const [k, n] = [2048, 8192];
  const a = floats(k);
  const { blocks, codes, scales } = fourBits(n, k);
  const rivals = [...ours(Q4_0, blocks, 1, k, n, a), await onnx(matMulNBitsModel(1, k, n, codes, scales), a, 1, k)];
  found[GEMV] = await inTurns(rivals, samples, 2 * k * n);
  return { runs: [], matmul: found };
}

/** @param {Rival[]} rivals @param {number} samples @param {number} operations */
async function inTurns(rivals, samples, operations) {
  const found = /** @type {Record<string, number[]>} */ ({});
  const expected = await rivals[0].result();
  for (const { name, result } of rivals) {
    const got = await result();
    const apart = Math.max(...got.subarray(0, 256).map((value, i) => Math.abs(value - expected[i])));
    const size = Math.max(...expected.subarray(0, 256).map(Math.abs));
    if (!(apart < 0.02 * size)) throw new Error(`${name} is ${apart} off, in products of up to ${size}`);
    found[name] = [];
  }
  for (const { work } of rivals) await work();
  for (let i = 0; i < samples; i++) {
    for (const { name, work } of rivals) {
      const started = performance.now();
      await work();
      found[name].push(operations / (performance.now() - started) / 1e6);
    }
  }
  return found;
}

/** @param {number} type @param {Uint8Array} bytes rows as in a file @param {Float32Array} a @returns {Rival[]} */
function ours(type, bytes, /** @type {number} */ m, /** @type {number} */ k, /** @type {number} */ n, a) {
  return builds().map((build) => {
    const core = new RawCore(build);
    const { exports } = core;
    const packed = core.allocate(exports.kernel_packed_bytes(type, n, k) >>> 0);
    const source = core.put(bytes);
    exports.kernel_pack(type, source, n, k, packed);
    core.release(source);
    const values = core.allocate(a.byteLength);
    const operand = core.operand(type, values, m, k);
    const y = core.allocate(m * n * 4);
    const scratch = core.allocate(exports.kernel_matmul_scratch_bytes(operand.type, m) >>> 0);
    const out = new Float32Array(m * n);
    const work = () => {
      new Float32Array(exports.memory.buffer, values, a.length).set(a);
      operand.write();
      exports.kernel_matmul(operand.type, packed, n, k, 0, n, operand.x, operand.stride, m, y, n * 4, scratch);
      out.set(new Float32Array(exports.memory.buffer, y, out.length));
    };
    warmUp(work);
    const result = () => {
      work();
      return out;
    };
    return { name: `limpet ${build}`, work, result };
  });
}

/** @param {Uint8Array} model @param {Float32Array} a @returns {Promise<Rival>} */
async function onnx(model, a, /** @type {number} */ m, /** @type {number} */ k) {
  const ort = await import("onnxruntime-web");
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  const work = async () => (await session.run({ a: new ort.Tensor("float32", a, [m, k]) })).y;
  for (let i = 0; i < 3; i++) await work();
  return { name: "onnxruntime-web", work, result: async () => /** @type {Float32Array} */ ((await work()).data) };
}

/** @param {Float32Array} a @param {Float32Array} b @returns {Promise<Rival>} */
async function tfjs(a, b, /** @type {number} */ m, /** @type {number} */ k, /** @type {number} */ n) {
  const tf = await import("@tensorflow/tfjs-core");
  const { setThreadsCount, setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
  setThreadsCount(1);
  setWasmPaths(`${dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm"))}/`);
  await tf.setBackend("wasm");
  const right = tf.tensor2d(b, [k, n]);
  const work = () => {
    const left = tf.tensor2d(a, [m, k]);
    const product = tf.matMul(left, right);
    const data = product.dataSync();
    left.dispose();
    product.dispose();
    return data;
  };
  for (let i = 0; i < 3; i++) work();
  return { name: "tfjs wasm", work, result: () => /** @type {Float32Array} */ (work()) };
}

/** @param {Float32Array} a @param {Float32Array} b @returns {Promise<Rival>} */
async function liteRt(a, b, /** @type {number} */ m, /** @type {number} */ k, /** @type {number} */ n) {
  const tensors = [
    { shape: [m, k], type: 0 },
    { shape: [n, k], type: 0, data: transposed(b, k, n) },
    { shape: [m, n], type: 0 },
  ];
  // The table of a fully connected layer's options is the eighth of the schema.
  const layer = { code: Operator.FULLY_CONNECTED, inputs: [0, 1], outputs: [2], options: [i8(0)], union: 8 };
  const run = await liteRtRun(tfliteFile({ tensors, operators: [layer], inputs: [0], outputs: [2] }));
  const work = () => run(a);
  for (let i = 0; i < 3; i++) await work();
  return { name: "LiteRT.js", work, result: async () => /** @type {Float32Array} */ (await work()) };
}

const random = new Random("matmul");

/** @param {number} count */
function floats(count) {
  return Float32Array.from({ length: count }, () => random.signed());
}

/** Rows of the file's order, n of k values. @param {Float32Array} b */
function transposed(b, /** @type {number} */ k, /** @type {number} */ n) {
  const rows = new Float32Array(n * k);
  for (let i = 0; i < k; i++) for (let j = 0; j < n; j++) rows[j * k + i] = b[i * n + j];
  return new Uint8Array(rows.buffer);
}

/** The same weights as blocks of Q4_0 and as MatMulNBits has them: neighbours share a byte there, halves of a block here. */
function fourBits(/** @type {number} */ n, /** @type {number} */ k) {
  const count = (n * k) / 32;
  const blocks = new Uint8Array(count * 18);
  const codes = new Uint8Array(count * 16);
  const scales = new Float32Array(count).fill(2 ** -6);
  for (let block = 0; block < count; block++) {
    const at = block * 18;
    blocks[at + 1] = 0x24; // 2⁻⁶ as a half
    for (let i = 0; i < 16; i++) blocks[at + 2 + i] = random.bits() & 255;
    for (let i = 0; i < 32; i++) {
      const code = i < 16 ? blocks[at + 2 + i] & 15 : blocks[at + 2 + i - 16] >> 4;
      codes[block * 16 + (i >> 1)] |= code << ((i & 1) * 4);
    }
  }
  return { blocks, codes, scales };
}
