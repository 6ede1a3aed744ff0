/**
 * Which wasm runs, and where it comes from. Nothing is looked up before it is needed: an edge host without
 * `import.meta.url` gives the module itself.
 */
import type { CoreExports } from "../../bindings/exports.ts";
import {
  type CoreInstance,
  instantiate,
  isResponse,
  responseBytes,
  type WasmSource,
} from "../../bindings/instantiate.ts";
import { inPackage } from "../../bindings/moved.ts";
import { readFile } from "../../bindings/node.ts";
import type { WasmBytes, WasmModule } from "../../bindings/platform.ts";
import { hasRelaxedSimd } from "../../bindings/relaxed.ts";
import { hasThreads, sharedMemory, THREAD_LIMIT, threadsLack } from "../../bindings/shared-memory.ts";
import { LimpetError, messageOf } from "./errors.ts";
import { detectFeatures } from "./features.ts";
import { fileName, isRemote, isUrl } from "./names.ts";
import { within } from "./wait.ts";

/**
 * `portable`: SIMD. `scalar`: without, and the same bits. `fast`: relaxed SIMD, for speed over identical bits; where the
 * host lacks it, the portable one runs.
 */
export type Build = "portable" | "scalar" | "fast";

/** A build, or `auto`: `fast` where the host has relaxed SIMD, else `portable`, without SIMD `scalar`. */
export type BuildChoice = Build | "auto";

/** One form of the wasm of the core. */
export type WasmForm = URL | string | WasmBytes | Response | WasmModule;
/** The wasm of the core: where it lies, its bytes, a response, or the compiled module; or a function that gives one. */
export type WasmOption = WasmForm | PromiseLike<WasmForm> | (() => WasmForm | PromiseLike<WasmForm>);

const modules = new Map<string, WebAssembly.Module>();
/** The portable build, where an entry brings it with it: `limpet/inline`, and what Workers import. */
let portableWasm: WasmModule | WasmBytes | null = null;

export function usePortableWasm(portable: WasmModule | WasmBytes): void {
  portableWasm = portable;
}

export interface BuildInstance {
  readonly exports: CoreExports;
  readonly build: Build;
  readonly module: WasmModule;
  /** Threads that can be started. */
  readonly threads: number;
}

/** An instance of the core, and the build that it is. A build's file is read and compiled once. */
export async function instantiateBuild(options: {
  wasm?: WasmOption;
  build?: BuildChoice;
  threads?: number;
  signal?: AbortSignal;
}): Promise<BuildInstance> {
  const { signal } = options;
  // What a wasm that is given was built for cannot be told, and an entry that brings its own brings the portable one.
  const isGiven = options.wasm !== undefined || portableWasm !== null;
  const build = usableBuild(options.build === "auto" ? bestBuild(isGiven) : (options.build ?? "portable"));
  const memory = memoryForThreads(options.threads ?? 1, build);
  const imports: WebAssembly.Imports = memory ? { env: { memory } } : {};
  try {
    let instance: CoreInstance;
    if (options.wasm !== undefined) {
      const given = await wasmForm(options.wasm, signal);
      instance = await within(instantiate(bytesAt(given, signal), imports), signal);
    } else if (portableWasm && build === "portable" && !memory) {
      instance = await instantiate(portableWasm);
      portableWasm = instance.module;
    } else {
      const file = locate(build, memory !== null);
      instance = await within(instantiate(modules.get(file.href) ?? bytesAt(file, signal), imports), signal);
      modules.set(file.href, instance.module);
    }
    const { module, exports } = instance;
    const shares = memory !== null && hasThreads(module);
    if (memory && !shares) sayAlone("the wasm that was given is a build without them");
    return { exports, build, module, threads: shares ? options.threads! : 1 };
  } catch (error) {
    throw notHad(error, signal);
  }
}

function wasmForm(wasm: WasmOption, signal: AbortSignal | undefined): Promise<WasmForm> {
  return within(Promise.resolve(typeof wasm === "function" ? wasm() : wasm), signal);
}

/** The wasm that was given, as a message can hold it but for URLs. */
export async function sendableWasm(wasm: WasmOption, signal?: AbortSignal): Promise<Exclude<WasmForm, Response>> {
  try {
    const form = await wasmForm(wasm, signal);
    return isResponse(form) ? await within(responseBytes(form), signal) : form;
  } catch (error) {
    throw notHad(error, signal);
  }
}

function notHad(error: unknown, signal: AbortSignal | undefined): LimpetError {
  signal?.throwIfAborted();
  return new LimpetError("HOST", `limpet's wasm cannot be had: ${messageOf(error)}`, { cause: error });
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

function bestBuild(isGiven: boolean): Build {
  const { simd, relaxedSimd } = detectFeatures();
  if (!simd) return "scalar";
  return relaxedSimd && !isGiven ? "fast" : "portable";
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

/** Set by the build: whether this is the bundle in build/js/, and not the sources themselves. */
declare const LIMPET_BUNDLE: boolean | undefined;

/** Where builds lie, by `build` and whether with threads. */
export type WasmPlaces = Readonly<Record<string, string>>;

/** What the page has told this worker, whose own script may lie anywhere: a bundler moves and renames each file by itself. */
let toldPlaces: WasmPlaces = {};

export function useWasmPlaces(places: WasmPlaces): void {
  toldPlaces = places;
}

/** Where the builds lie, for a worker; nothing where the host does not say. */
export function wasmPlaces(): WasmPlaces {
  const places: Record<string, string> = {};
  if (!import.meta.url) return places;
  for (const build of ["portable", "scalar", "fast"] as const) {
    for (const threads of [false, true]) {
      if (build === "scalar" && threads) continue;
      const { href, protocol } = locate(build, threads);
      if (protocol) places[`${build} ${threads}`] = href;
    }
  }
  return places;
}

/** The file of a build. Bundlers copy what a whole `new URL(…, import.meta.url)` names, so each is written out. */
function locate(build: Build, threads: boolean): URL {
  const told = toldPlaces[`${build} ${threads}`];
  if (told !== undefined) return new URL(told);
  if (!import.meta.url) {
    throw new Error(`this host has no files beside its scripts: give the module of the ${build} build as \`wasm\``);
  }
  if (typeof LIMPET_BUNDLE === "undefined") {
    const kind = { portable: "", scalar: ".scalar", fast: ".relaxed" }[build];
    return new URL(`../../build/limpet${kind}${threads ? ".threads" : ""}.wasm`, import.meta.url);
  }
  const at = (path: string, url: URL): URL => inPackage(url, path, import.meta.url);
  // Each as a whole expression: that is what bundlers look for, to copy the file.
  if (build === "fast" && threads) {
    return at("../limpet.relaxed.threads.wasm", new URL("../limpet.relaxed.threads.wasm", import.meta.url));
  }
  if (build === "fast") return at("../limpet.relaxed.wasm", new URL("../limpet.relaxed.wasm", import.meta.url));
  if (threads) return at("../limpet.threads.wasm", new URL("../limpet.threads.wasm", import.meta.url));
  if (build === "scalar") return at("../limpet.scalar.wasm", new URL("../limpet.scalar.wasm", import.meta.url));
  return at("../limpet.wasm", new URL("../limpet.wasm", import.meta.url));
}

async function bytesAt(source: WasmForm, signal: AbortSignal | undefined): Promise<WasmSource> {
  if (typeof source !== "string" && !isUrl(source)) return source;
  if (isRemote(source)) return within(fetch(source, { signal }), signal, String(source));
  return readFile(fileName(source));
}
