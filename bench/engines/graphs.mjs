/**
 * Engines that run .tflite networks of bytes, on one thread of this process: limpet, onnxruntime-web (the network as
 * ONNX), LiteRT.js (XNNPACK). Each is loaded from nothing to a network that is ready; `run` is a whole run as a program
 * does it: values in, values out.
 */
import { readFileSync, statSync } from "node:fs";
import { createRequire, registerHooks } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { runInThisContext } from "node:vm";
import { ROOT } from "../limpet.mjs";

/**
 * @typedef {{ run: (values: Int8Array) => Promise<Int8Array>, linear: () => number, wasm: number }} Engine
 * `linear`: bytes of WebAssembly's memory; `wasm`: bytes of the binary
 * @typedef {{ tflite: Uint8Array, onnx: Uint8Array | null, shape: readonly number[] }} Network
 */

const PACKAGES = new URL("../node_modules/", import.meta.url);

/** The memories of a WebAssembly program that is loaded meanwhile. @template T @param {() => Promise<T>} load */
async function watched(load) {
  /** @type {Set<WebAssembly.Memory>} */
  const memories = new Set();
  const { Memory, instantiate } = WebAssembly;
  WebAssembly.Memory = /** @type {typeof Memory} */ (
    class extends Memory {
      /** @param {WebAssembly.MemoryDescriptor} descriptor */
      constructor(descriptor) {
        super(descriptor);
        memories.add(this);
      }
    }
  );
  WebAssembly.instantiate = /** @type {typeof instantiate} */ (
    /** @param {any} source @param {any} imports */
    async (source, imports) => {
      const result = /** @type {any} */ (await instantiate(source, imports));
      for (const value of Object.values((result.instance ?? result).exports)) {
        if (value instanceof Memory) memories.add(value);
      }
      return result;
    }
  );
  const loaded = await load();
  Object.assign(WebAssembly, { Memory, instantiate });
  return { loaded, linear: () => Math.max(...[...memories].map(({ buffer }) => buffer.byteLength)) };
}

/** @type {Record<string, (network: Network) => Promise<Engine>>} */
export const ENGINES = {
  async limpet({ tflite }) {
    const file = `${ROOT}build/limpet.graph.wasm`;
    const { loaded, linear } = await watched(async () => {
      const { Graph } = /** @type {typeof import("../../src/graph.ts")} */ (await import(`${ROOT}build/js/graph.js`));
      return await Graph.load(tflite);
    });
    const [input] = loaded.inputs;
    const [output] = loaded.outputs;
    return {
      run: async (values) => /** @type {Int8Array} */ ((await loaded.run({ [input.name]: values }))[output.name]),
      linear,
      wasm: statSync(file).size,
    };
  },

  async "onnxruntime-web"({ onnx, shape }) {
    if (!onnx) throw new Error("the network as ONNX is made by Python with onnx, tflite and tflite-micro (PYTHON)");
    const { loaded, linear } = await watched(async () => {
      const ort = await import("onnxruntime-web");
      ort.env.wasm.numThreads = 1;
      ort.env.logLevel = "error";
      return { ort, session: await ort.InferenceSession.create(onnx, { executionProviders: ["wasm"] }) };
    });
    const { ort, session } = loaded;
    const [input] = session.inputNames;
    const [output] = session.outputNames;
    return {
      // Its bytes are of u8, with 128 more; the network's are of i8.
      async run(values) {
        const x = new ort.Tensor("uint8", flipped(values), shape);
        return new Int8Array(
          flipped(/** @type {Uint8Array} */ ((await session.run({ [input]: x }))[output].data)).buffer,
        );
      },
      linear,
      wasm: statSync(new URL("onnxruntime-web/dist/ort-wasm-simd-threaded.wasm", PACKAGES)).size,
    };
  },

  async "LiteRT.js"({ tflite }) {
    const { loaded: run, linear } = await watched(() => liteRtRun(tflite));
    return {
      run,
      linear,
      wasm: statSync(new URL("@litertjs/core/wasm/litert_wasm_internal.wasm", PACKAGES)).size,
    };
  },
};

/** It starts once a process. @type {Promise<any> | null} */
let started = null;

async function startedLiteRt() {
  const litert = await liteRt();
  await litert.loadLiteRt(fileURLToPath(new URL("@litertjs/core/wasm/", PACKAGES)), { threads: false });
  return litert;
}

/**
 * A network of one input and one output in LiteRT.js, one thread: what runs it.
 * @param {Uint8Array} tflite @returns {Promise<(values: any) => Promise<any>>}
 */
export async function liteRtRun(tflite) {
  const litert = await (started ??= startedLiteRt());
  const options = { accelerator: "wasm", cpuOptions: { numThreads: 1 } };
  const model = await litert.loadAndCompile(tflite, options);
  const [{ shape }] = model.getInputDetails();
  return async (values) => {
    const x = new litert.Tensor(values, [...shape]);
    const [y] = await model.run([x]);
    const found = await y.data();
    x.delete();
    y.delete();
    return found;
  };
}

/** @param {Int8Array | Uint8Array} bytes */
function flipped(bytes) {
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) out[i] = bytes[i] ^ 0x80;
  return out;
}

/**
 * LiteRT.js in Node. It is made for pages and workers, whose way to load a script is given to it here; and its table of
 * types lacks int8 at a network's ends, which its wasm has: one row more.
 * @returns {Promise<any>}
 */
async function liteRt() {
  const scope = /** @type {any} */ (globalThis);
  scope.self = globalThis;
  scope.importScripts = (/** @type {string} */ path) => {
    const text = `(require, __filename, __dirname) => { ${readFileSync(path, "utf8")}; return ModuleFactory; }`;
    scope.ModuleFactory = runInThisContext(text, { filename: path })(createRequire(path), path, dirname(path));
  };
  const row = '{ dtype: "int8", typedArrayConstructor: Int8Array, elementType: ElementType.INT8 },';
  const hooks = registerHooks({
    load(at, context, next) {
      const found = next(at, context);
      if (!at.endsWith("@litertjs/core/dist/index.js")) return found;
      return { ...found, source: String(found.source).replace("var DATATYPES = Object.freeze([", `$&${row}`) };
    },
  });
  try {
    return await import("@litertjs/core");
  } finally {
    hooks.deregister();
  }
}
