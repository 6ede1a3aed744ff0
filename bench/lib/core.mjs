/** Cores without the package around them: the kernels' exports on raw memory, and the loops that are the machine's limits. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { blockFormats, constantOf, numbersOf } from "../../scripts/boundary.mjs";
import { TestCore } from "../../test/support/core.ts";
import { ROOT, workFile } from "../limpet.mjs";

/** The builds of limpet by name; a build that is not there is left out of a bench. */
export const BUILDS = /** @type {const} */ ({
  portable: "build/limpet.wasm",
  fast: "build/limpet.relaxed.wasm",
});

/** @typedef {keyof typeof BUILDS} BuildName */

/** @returns {BuildName[]} */
export function builds() {
  const names = /** @type {BuildName[]} */ (Object.keys(BUILDS));
  return names.filter((name) => existsSync(ROOT + BUILDS[name]));
}

const FLOATS = Object.values(blockFormats()).flatMap(({ id, elements }) => (elements === 1 ? [id] : []));
/** The form of activations in bytes, and where a form stands beside a type. */
const BYTES = numbersOf("ActivationPrecision").BYTE;
const PRECISION_SHIFT = constantOf("PRECISION_SHIFT");
/** Products with bytes are summed as the core has found it quick here. */
const IN_QUADS = constantOf("IN_QUADS");
const { QUADS } = numbersOf("ByteDots");

export class RawCore extends TestCore {
  /** @param {BuildName} build */
  constructor(build) {
    const module = new WebAssembly.Module(readFileSync(ROOT + BUILDS[build]));
    super(build, /** @type {any} */ (new WebAssembly.Instance(module)));
  }

  /**
   * Rows of activations as weights of a type meet them: f32 for float weights, else quantised, in bytes where the build
   * multiplies by bytes. `type` is what the product has to be told, `write` quantises again.
   * @param {number} type @param {number} values rows of f32 @param {number} rows @param {number} columns
   */
  operand(type, values, rows, columns) {
    if (FLOATS.includes(type)) return { type, x: values, stride: columns * 4, write() {} };
    const { exports } = this;
    const form = exports.kernel_operand_form(type, BYTES);
    const stride = exports.kernel_operand_bytes(form, columns);
    const x = this.allocate(stride * rows);
    const write = () => {
      for (let i = 0; i < rows; i++)
        exports.kernel_quantize_operand(form, values + i * columns * 4, columns, x + i * stride);
    };
    write();
    const quads = this.build === "fast" && exports.core_byte_dots(this.core) === QUADS;
    return { type: type | (form << PRECISION_SHIFT) | (quads ? IN_QUADS : 0), x, stride, write };
  }

  /** Bytes of memory; stale once memory grows. @param {number} pointer @param {number} length */
  bytes(pointer, length) {
    return new Uint8Array(this.exports.memory.buffer, pointer, length);
  }
}

/**
 * The class of this processor: what its engine makes of the dot product of bytes (assembly/kernels/quant/byte_dots.ts).
 * `quads`: one instruction, with AVX-VNNI and on Arm; `pairs`: several; `portable`: no relaxed SIMD, or no fast build.
 * @returns {"quads" | "pairs" | "portable"}
 */
export function processorClass() {
  if (!builds().includes("fast") || !WebAssembly.validate(readFileSync(ROOT + BUILDS.fast))) return "portable";
  const { exports, core } = new RawCore("fast");
  return exports.core_byte_dots(core) === QUADS ? "quads" : "pairs";
}

/** The class in words. */
export const CLASSES = {
  quads: "bytes are summed in quads (a dot product)",
  pairs: "bytes are summed in pairs (no dot product)",
  portable: "no fast build",
};

const SUM_BYTES = 512 * 2 ** 20;
const SUM_START = 65536;
const STEPS = 1 << 22;
const FACTORS = 1024;

/**
 * One sample a call: bytes a second of a sum (in GB/s), operations a second of multiply-adds that stay in registers (in
 * GFLOP/s). The fast build is held against fused ones.
 * @param {boolean} fused
 */
export function limits(fused = false) {
  const source = `${ROOT}bench/limits/limits.ts`;
  const out = workFile(fused ? "limits.relaxed.wasm" : "limits.wasm");
  if (!existsSync(out) || statSync(out).mtimeMs < statSync(source).mtimeMs) {
    const features = ["--enable", "simd", ...(fused ? ["--enable", "relaxed-simd"] : [])];
    const flags = ["--runtime", "stub", "--use", "abort=", "--noAssert", "-O2", "--initialMemory", "1", "-o", out];
    const asc = `${ROOT}node_modules/assemblyscript/bin/asc.js`;
    execFileSync(process.execPath, [asc, source, ...features, ...flags], { stdio: "inherit" });
  }
  const instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(out)));
  const exports = /** @type {any} */ (instance.exports);
  new Float32Array(exports.memory.buffer, FACTORS, 6).set([1e-6, 2e-6, 3e-6, 1, 0.5, 0.25]);
  exports.multiplyAdd(FACTORS, STEPS, 0);
  return {
    gigabytes() {
      if (exports.memory.buffer.byteLength < SUM_BYTES) {
        exports.memory.grow((SUM_BYTES + SUM_START) / 65536);
        new Uint8Array(exports.memory.buffer).fill(1, SUM_START); // pages that were never written are not memory
      }
      return SUM_BYTES / time(() => exports.sum(SUM_START, SUM_BYTES)) / 1e6;
    },
    gigaflops: () => (exports.operationsPerStep() * STEPS) / time(() => exports.multiplyAdd(FACTORS, STEPS, 0)) / 1e6,
  };
}

/** Milliseconds of a call. @param {() => unknown} work */
export function time(work) {
  const started = performance.now();
  work();
  return performance.now() - started;
}

/** Runs for a while, so that the engine compiles to its best. @param {() => unknown} work */
export function warmUp(work, ms = 30) {
  const end = performance.now() + ms;
  do work();
  while (performance.now() < end);
}
