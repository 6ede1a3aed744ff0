/** limpet for Cloudflare's workerd, which compiles no bytes: the portable build is a module of the Worker. */
import wasm from "../build/limpet.wasm";
import { usePortableWasm } from "./host/wasm.ts";

usePortableWasm(wasm as WebAssembly.Module);

export * from "./index.ts";
