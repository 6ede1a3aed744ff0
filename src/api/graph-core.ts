/** An instance of a build for graphs: what graphs and their front ends compute with. */
import type { GraphExports } from "../../bindings/exports.ts";
import { type OptionTable, oneOf, signal, unchecked } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { CORE_OPTIONS, Core } from "../host/instance.ts";
import type { WasmOption } from "../host/wasm.ts";

/** Which wasm computes, and what it may take. */
export interface GraphCoreOptions {
  /** Ends the loading: it throws the signal's reason then. */
  signal?: AbortSignal;
  /** `portable` (SIMD) or `scalar`: the same bits. Default: portable. */
  build?: "portable" | "scalar";
  /** Where the wasm comes from; where it is left out, the file of the build in the package. */
  wasm?: WasmOption;
  /** Bytes of memory that it may take at most, file and all: what does not fit is refused as `OUT_OF_MEMORY`. */
  memoryLimit?: number;
}

/** What each of `GraphCoreOptions` has to be. */
export const GRAPH_CORE_OPTIONS: OptionTable<GraphCoreOptions> = {
  signal,
  build: oneOf<"portable" | "scalar">("portable", "scalar"),
  wasm: unchecked,
  memoryLimit: CORE_OPTIONS.memoryLimit,
};

/** Apart, since a worker is told where the wasm lies, and bundlers would copy what it names again. */
async function place(build: "portable" | "scalar"): Promise<URL> {
  return (await import("./graph-wasm.ts")).graphWasm(build);
}

/** Such an instance; a wasm that runs no graphs is refused. */
export async function graphCore(options: GraphCoreOptions): Promise<Core> {
  const { signal, build = "portable", wasm, memoryLimit } = options;
  const core = await Core.create({ wasm: wasm ?? (await place(build)), memoryLimit, signal });
  if (typeof (core.exports as GraphExports).graph_create !== "function") {
    throw new LimpetError("UNSUPPORTED", "the wasm that was given runs no graphs: leave the option wasm out");
  }
  return core;
}
