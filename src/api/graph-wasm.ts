/** Where the builds for graphs lie. */
import { inPackage } from "../../bindings/moved.ts";

/** Set by the build: whether this is the bundle in build/js/, and not the sources themselves. */
declare const LIMPET_BUNDLE: boolean | undefined;

/** The file of a build. Bundlers copy what a whole `new URL(…, import.meta.url)` names, so each is written out. */
export function graphWasm(build: "portable" | "scalar"): URL {
  if (typeof LIMPET_BUNDLE === "undefined") {
    return new URL(`../../build/limpet.graph${build === "scalar" ? ".scalar" : ""}.wasm`, import.meta.url);
  }
  const at = (path: string, url: URL): URL => inPackage(url, path, import.meta.url);
  if (build === "scalar") {
    return at("../limpet.graph.scalar.wasm", new URL("../limpet.graph.scalar.wasm", import.meta.url));
  }
  return at("../limpet.graph.wasm", new URL("../limpet.graph.wasm", import.meta.url));
}
