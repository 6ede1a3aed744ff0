/**
 * Which wasm runs, and where it comes from. Nothing is looked up before it is needed: an edge host without
 * `import.meta.url` gives the module itself.
 */
import type { CoreExports } from "../bindings/exports.ts";
import { instantiate, type WasmSource } from "../bindings/instantiate.ts";
import { isNode, readFile } from "../bindings/node.ts";
import { LimpetError, messageOf } from "./errors.ts";

/** `portable`: SIMD. `scalar`: without, and the same bits. `fast` comes later and runs as `portable` until then. */
export type Build = "portable" | "scalar" | "fast";

type WasmForm = URL | string | BufferSource | Response | WebAssembly.Module;
/** The wasm of the core: where it lies, its bytes, a response, or the compiled module; or a function that gives one. */
export type WasmOption = WasmForm | PromiseLike<WasmForm> | (() => WasmForm | PromiseLike<WasmForm>);

const modules = new Map<Build, WebAssembly.Module>();

/** An instance of the core, and the build that it is. A build's file is read and compiled once. */
export async function instantiateBuild(options: {
  wasm?: WasmOption;
  build?: Build;
}): Promise<{ exports: CoreExports; build: Build }> {
  const build = usableBuild(options.build ?? "portable");
  try {
    if (options.wasm !== undefined) {
      const given = typeof options.wasm === "function" ? options.wasm() : options.wasm;
      return { exports: (await instantiate(bytesAt(await given))).exports, build };
    }
    const { module, exports } = await instantiate(modules.get(build) ?? bytesAt(locate(build)));
    modules.set(build, module);
    return { exports, build };
  } catch (error) {
    throw new LimpetError("HOST", `limpet's wasm cannot be had: ${messageOf(error)}`, { cause: error });
  }
}

let saidFast = false;

function usableBuild(build: Build): Build {
  if (build === "portable" || build === "scalar") return build;
  if (build !== "fast") {
    throw new LimpetError("BAD_ARGUMENT", `build is "portable", "scalar" or "fast", not "${build}"`);
  }
  if (!saidFast) console.warn("limpet: the fast build is not there yet; the portable one runs");
  saidFast = true;
  return "portable";
}

/** The file of a build: beside the bundle in build/js/, or in build/ when the sources themselves run. */
function locate(build: Build): URL {
  const source = import.meta.url?.endsWith(".ts");
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
