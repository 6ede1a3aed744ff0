/**
 * Which wasm runs, and where it comes from. Nothing is looked up before it is needed: an edge host without
 * `import.meta.url` gives the module itself.
 */
import type { CoreExports } from "../bindings/exports.ts";
import { type CoreInstance, instantiate, type WasmSource } from "../bindings/instantiate.ts";
import { isNode, readFile } from "../bindings/node.ts";
import { hasRelaxedSimd } from "../bindings/relaxed.ts";
import { hasThreads, sharedMemory, THREAD_LIMIT, threadsLack } from "../bindings/threads.ts";
import { LimpetError, messageOf } from "./errors.ts";

/**
 * `portable`: SIMD. `scalar`: without, and the same bits. `fast`: relaxed SIMD, for speed over identical bits; where the
 * host lacks it, the portable one runs.
 */
export type Build = "portable" | "scalar" | "fast";

type WasmForm = URL | string | BufferSource | Response | WebAssembly.Module;
/** The wasm of the core: where it lies, its bytes, a response, or the compiled module; or a function that gives one. */
export type WasmOption = WasmForm | PromiseLike<WasmForm> | (() => WasmForm | PromiseLike<WasmForm>);

const modules = new Map<string, WebAssembly.Module>();

export interface BuildInstance {
  readonly exports: CoreExports;
  readonly build: Build;
  readonly module: WebAssembly.Module;
  /** Threads that can be started. */
  readonly threads: number;
}

/** An instance of the core, and the build that it is. A build's file is read and compiled once. */
export async function instantiateBuild(options: {
  wasm?: WasmOption;
  build?: Build;
  threads?: number;
}): Promise<BuildInstance> {
  const build = usableBuild(options.build ?? "portable");
  const memory = memoryForThreads(options.threads ?? 1, build);
  const imports: WebAssembly.Imports = memory ? { env: { memory } } : {};
  try {
    let instance: CoreInstance;
    if (options.wasm !== undefined) {
      const given = typeof options.wasm === "function" ? options.wasm() : options.wasm;
      instance = await instantiate(bytesAt(await given), imports);
    } else {
      const file = locate(build, memory !== null);
      instance = await instantiate(modules.get(file.href) ?? bytesAt(file), imports);
      modules.set(file.href, instance.module);
    }
    const { module, exports } = instance;
    const shares = memory !== null && hasThreads(module);
    if (memory && !shares) sayAlone("the wasm that was given is a build without them");
    return { exports, build, module, threads: shares ? options.threads! : 1 };
  } catch (error) {
    throw new LimpetError("HOST", `limpet's wasm cannot be had: ${messageOf(error)}`, { cause: error });
  }
}

/** The memory that threads share; null where one thread computes, and why is said once. */
function memoryForThreads(threads: number, build: Build): WebAssembly.Memory | null {
  if (!(Number.isInteger(threads) && threads >= 1 && threads <= THREAD_LIMIT)) {
    throw new LimpetError("BAD_ARGUMENT", `threads is a whole number from 1 to ${THREAD_LIMIT}, not ${threads}`);
  }
  if (threads === 1) return null;
  const lack = build === "scalar" ? "the scalar build has none" : threadsLack();
  if (lack) return sayAlone(lack);
  try {
    return sharedMemory();
  } catch (error) {
    return sayAlone(`the host gives no shared memory: ${messageOf(error)}`);
  }
}

let saidAlone = false;

function sayAlone(why: string): null {
  if (!saidAlone) console.warn(`limpet: computing with one thread, not more: ${why}`);
  saidAlone = true;
  return null;
}

let saidFast = false;

function usableBuild(build: Build): Build {
  if (build === "portable" || build === "scalar") return build;
  if (build !== "fast") {
    throw new LimpetError("BAD_ARGUMENT", `build is "portable", "scalar" or "fast", not "${build}"`);
  }
  if (hasRelaxedSimd()) return "fast";
  if (!saidFast) console.warn("limpet: this host has no relaxed SIMD for the fast build; the portable one runs");
  saidFast = true;
  return "portable";
}

/** The file of a build: beside the bundle in build/js/, or in build/ when the sources themselves run. */
function locate(build: Build, threads: boolean): URL {
  const source = import.meta.url?.endsWith(".ts");
  if (build === "fast" && threads) {
    return source
      ? new URL("../build/limpet.relaxed.threads.wasm", import.meta.url)
      : new URL("../limpet.relaxed.threads.wasm", import.meta.url);
  }
  if (build === "fast") {
    return source
      ? new URL("../build/limpet.relaxed.wasm", import.meta.url)
      : new URL("../limpet.relaxed.wasm", import.meta.url);
  }
  if (threads) {
    return source
      ? new URL("../build/limpet.threads.wasm", import.meta.url)
      : new URL("../limpet.threads.wasm", import.meta.url);
  }
  if (build === "scalar") {
    return source
      ? new URL("../build/limpet.scalar.wasm", import.meta.url)
      : new URL("../limpet.scalar.wasm", import.meta.url);
  }
  return source ? new URL("../build/limpet.wasm", import.meta.url) : new URL("../limpet.wasm", import.meta.url);
}

async function bytesAt(source: WasmForm): Promise<WasmSource> {
  if (typeof source !== "string" && !(source instanceof URL)) return source;
  const remote = /^(https?|data|blob):/.test(String(source));
  if (remote || !isNode()) return fetch(source);
  return readFile(typeof source === "string" && source.startsWith("file:") ? new URL(source) : source);
}
