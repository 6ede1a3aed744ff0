#!/usr/bin/env node
/**
 * Writes test/golden/logits.json: what the numpy oracle (float64) says of small random models, so that tests without
 * Python can hold the core against it. `node test/oracle/make-golden.mjs`; PYTHON names an interpreter with
 * requirements.txt. Only to be run when the models themselves change.
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { oracle, workFile } from "../../bench/limpet.mjs";
import { architectureOf, TINY } from "../../scripts/architectures.mjs";
import { encodeGguf } from "../../scripts/gguf-writer.mjs";
import { makeModel } from "../../scripts/make-model.mjs";

const MODELS = TINY.flatMap((kind) => architectureOf(kind).types.map((type) => [kind, type]));
const tokens = Array.from({ length: 48 }, (_, i) => (i * 389 + 97) % 512);

const golden = [];
for (const [kind, type] of MODELS) {
  const bytes = encodeGguf(makeModel(kind, type));
  const path = workFile("golden.gguf");
  const out = workFile("golden.f32");
  writeFileSync(path, bytes);
  oracle(path, [tokens], out, "f64");
  const rows = readFileSync(out);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  golden.push({ kind, type, sha256, logits: rows.subarray(-512 * 4).toString("base64") });
}
const source = "numpy oracle in float64, last of the tokens; logits are base64 of little-endian f32";
const lines = golden.map((entry) => `    ${JSON.stringify(entry)}`).join(",\n");
writeFileSync(
  new URL("../golden/logits.json", import.meta.url),
  `{\n  "source": "${source}",\n  "tokens": ${JSON.stringify(tokens)},\n  "models": [\n${lines}\n  ]\n}\n`,
);
