/** limpet/kernels for Cloudflare's workerd. */
import wasm from "../build/limpet.wasm";
import { usePortableWasm } from "./host/wasm.ts";

usePortableWasm(wasm as WebAssembly.Module);

export * from "./kernels.ts";
