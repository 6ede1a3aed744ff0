/**
 * Runs a WASI command under Node's own WASI:  node --no-warnings wasi-node.mjs FILE.wasm FOLDERS WORDS…
 * FOLDERS is JSON, from the guest's names to the host's.
 */
import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";

const [file, folders, ...words] = process.argv.slice(2);
const wasi = new WASI({ version: "preview1", args: ["limpet", ...words], preopens: JSON.parse(folders) });
const { instance } = await WebAssembly.instantiate(readFileSync(file), wasi.getImportObject());
process.exitCode = wasi.start(instance);
