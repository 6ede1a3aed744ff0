/** Bytes, a module or a response → an instance with typed exports. Nothing is imported but a memory: the platform suffices. */
import type { CoreExports } from "./exports.ts";

/** What a core can be made from. A `Response` compiles while it streams; a `Module` serves many instances. */
export type WasmSource = WebAssembly.Module | BufferSource | Response;

export interface CoreInstance<Exports = CoreExports> {
  readonly module: WebAssembly.Module;
  readonly exports: Exports;
}

const MAGIC = 0x6d736100;

export async function instantiate<Exports = CoreExports>(
  source: WasmSource | PromiseLike<WasmSource>,
  imports: WebAssembly.Imports = {},
): Promise<CoreInstance<Exports>> {
  const given = await source;
  if (isResponse(given) && canStream(given)) return typed(await WebAssembly.instantiateStreaming(given, imports));
  const usable = isResponse(given) ? await responseBytes(given) : given;
  if (usable instanceof WebAssembly.Module)
    return typed({ module: usable, instance: await WebAssembly.instantiate(usable, imports) });
  requireWasm(usable);
  return typed(await WebAssembly.instantiate(usable, imports));
}

/** As `instantiate`, at once: for workers and tests. Browsers refuse it for big modules on the main thread. */
export function instantiateSync<Exports = CoreExports>(
  source: WebAssembly.Module | BufferSource,
  imports: WebAssembly.Imports = {},
): CoreInstance<Exports> {
  if (!(source instanceof WebAssembly.Module)) requireWasm(source);
  const module = source instanceof WebAssembly.Module ? source : new WebAssembly.Module(source);
  return typed({ module, instance: new WebAssembly.Instance(module, imports) });
}

function typed<Exports>({ module, instance }: WebAssembly.WebAssemblyInstantiatedSource): CoreInstance<Exports> {
  return { module, exports: instance.exports as Exports };
}

/** By its tag: at the first mention of the global Response, Node loads all of its fetch, some 40 ms. */
export function isResponse(source: WasmSource): source is Response {
  return Object.prototype.toString.call(source) === "[object Response]";
}

/** Engines refuse to stream another type than this, and a page instead of the file would only fail as broken wasm. */
function canStream(response: Response): boolean {
  const streams = typeof WebAssembly.instantiateStreaming === "function";
  return streams && response.ok && response.headers.get("content-type") === "application/wasm";
}

/** The bytes of a response that answers well. */
export async function responseBytes(response: Response): Promise<ArrayBuffer> {
  if (!response.ok) throw new Error(`${response.url || "the wasm"} answered ${response.status}: check its path`);
  return response.arrayBuffer();
}

function requireWasm(source: BufferSource): void {
  const bytes = ArrayBuffer.isView(source)
    ? new DataView(source.buffer, source.byteOffset, source.byteLength)
    : new DataView(source);
  if (bytes.byteLength >= 8 && bytes.getUint32(0, true) === MAGIC) return;
  const page = bytes.byteLength > 0 && bytes.getUint8(0) === 0x3c;
  const found = page ? "an HTML page" : `${bytes.byteLength} bytes that are something else`;
  throw new TypeError(`expected a wasm file and got ${found}: check the path of the wasm`);
}
