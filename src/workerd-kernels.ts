/** limpet/kernels for Cloudflare's workerd. */
import wasm from "../build/limpet.wasm";
import { bringWasm } from "./wasm.ts";

bringWasm(wasm as WebAssembly.Module);

export * from "./kernels.ts";
