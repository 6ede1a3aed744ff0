/** limpet with the portable wasm in the script: for bundlers that copy no files, `file:` pages, and strict hosts. */
import wasm from "../build/limpet.wasm";
import { usePortableWasm } from "./host/wasm.ts";

usePortableWasm(wasm as Uint8Array<ArrayBuffer>);

export * from "./index.ts";
