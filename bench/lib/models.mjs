/** The models of the benches by name; each is fetched or made when it is missing. */
import { existsSync } from "node:fs";
import { modelPath, ROOT } from "../limpet.mjs";

/** What is measured without `--models`, the most telling first; quick takes the first of them. */
export const QUICK = ["smollm2-q4_0", "plm-100m-q4_0"];
export const ALL = [
  ...QUICK,
  "plm-1.8b-q4_0",
  "plm-1.8b-q8_0",
  "plm-1.8b-q4_k",
  "smollm2-q8_0",
  "plm-100m-q8_0",
  "plm-100m-q4_k",
];

/** The path of "smollm2-TYPE", of a KIND-TYPE of make-model, or of a file. @param {string} name */
export async function modelFile(name) {
  const type = name.match(/^smollm2-(.+)$/)?.[1];
  if (type === undefined || type === "q4_1") return modelPath(type ? "smollm2" : name);
  const fetched = modelPath("smollm2");
  const path = fetched.replace(/q4_1\.gguf$/, `${type}.gguf`);
  if (!existsSync(path)) {
    const { quantizeFile } = /** @type {typeof import("../../src/quantize.ts")} */ (
      await import(`${ROOT}build/js/quantize.js`)
    );
    await quantizeFile(fetched, path, type.toUpperCase());
  }
  return path;
}
