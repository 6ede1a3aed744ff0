/**
 * Runs a WASI command under Node's own WASI:  node --no-warnings wasi-node.mjs FILE.wasm FOLDERS WORDS…
 * FOLDERS is JSON, from the guest's names to the host's.
 *
 * The functions are called through ones of JavaScript: Node 20 and 22 crash now and then, with memories of some hundred
 * megabytes, when V8 calls them directly (nodejs/node#46777).
 */
import { readFileSync } from "node:fs";
import { WASI } from "node:wasi";

const [file, folders, ...words] = process.argv.slice(2);
const wasi = new WASI({ version: "preview1", args: ["limpet", ...words], preopens: JSON.parse(folders) });
const functions = Object.entries(wasi.wasiImport).map(([name, call]) => [name, (...values) => call(...values)]);
const imports = { wasi_snapshot_preview1: Object.fromEntries(functions) };
const { instance } = await WebAssembly.instantiate(readFileSync(file), imports);
process.exitCode = wasi.start(instance);
