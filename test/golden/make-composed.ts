/**
 * Writes what numpy makes of composed sessions: npm run goldens -- composed [--check]
 *
 *     composed.json   CacheBlend in float64 (test/oracle/composed.py): the tokens that are computed anew, and logits
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { run, workFile } from "../../bench/limpet.mjs";
import { encodeGguf } from "../../scripts/gguf-writer.mjs";
import { makeModel } from "../../scripts/make-model.mjs";
import { COMPOSED_CASES } from "../support/composed-cases.ts";

const PYTHON = process.env.PYTHON ?? "python3";
const FILE = new URL("composed.json", import.meta.url);

const rows = COMPOSED_CASES.map(({ kind, ...given }) => {
  const bytes = encodeGguf(makeModel(kind, "F32"));
  const [model, asked, out] = ["composed.gguf", "composed-case.json", "composed-result.json"].map(workFile);
  writeFileSync(model, bytes);
  writeFileSync(asked, JSON.stringify(given));
  run(PYTHON, ["test/oracle/composed.py", model, asked, "--out", out]);
  const { chosen, gap, logits } = JSON.parse(readFileSync(out, "utf8"));
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  // As the core's are: f32.
  return { kind, sha256, chosen, gap, logits: Buffer.from(Float32Array.from(logits).buffer).toString("base64") };
});
const text = `${JSON.stringify({ source: "npm run goldens -- composed", rows }, null, 1)}\n`;
if (process.argv.includes("--check")) {
  if (readFileSync(FILE, "utf8") !== text) throw new Error("composed.json would be another file");
} else writeFileSync(FILE, text);
