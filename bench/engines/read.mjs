/** The time to read a file into memory of WebAssembly: what loading a model cannot be faster than. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const STEP = 1 << 22;

/** @param {{ source: string }} job */
export async function measure({ source }) {
  const file = openSync(source, "r");
  const { size } = fstatSync(file);
  const started = performance.now();
  const memory = new WebAssembly.Memory({ initial: Math.ceil(size / 65536) });
  const bytes = new Uint8Array(memory.buffer);
  for (let at = 0; at < size; ) at += readSync(file, bytes, at, Math.min(STEP, size - at), at);
  const loadMs = performance.now() - started;
  closeSync(file);
  return { loadMs, runs: [], fileBytes: size };
}
