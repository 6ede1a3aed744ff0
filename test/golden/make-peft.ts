/**
 * Writes what PEFT itself makes of small models with adapters: npm run goldens -- peft [--check]
 *
 * Logits at some positions, float32 in base64, a row a case of test/support/peft.ts.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { run, workFile } from "../../bench/limpet.mjs";
import { fromBase64 } from "../support/peers.ts";
import { PEFT_CASES, peftFolders } from "../support/peft.ts";

const PYTHON = process.env.PYTHON ?? "python3";
const FILE = new URL("peft.json", import.meta.url);
const ORACLE = new URL("../oracle/peft_logits.py", import.meta.url).pathname;
/** Another machine's sums of float32 are other ones in their last bits. */
const ROUNDING = 1e-4;

const rows: Record<string, string[]> = {};
const out = workFile("peft.f32");
for (const asked of PEFT_CASES) {
  const { model, folders } = peftFolders(asked);
  const adapters = folders.flatMap((folder, i) => ["--adapter", `${folder}=${asked.adapters[i][1]}`]);
  run(PYTHON, [ORACLE, model, ...adapters, "--tokens", asked.tokens.join(","), "--out", out]);
  const bytes = readFileSync(out);
  const row = bytes.length / asked.tokens.length;
  rows[asked.name] = asked.positions.map((i) => bytes.subarray(i * row, (i + 1) * row).toString("base64"));
}
if (process.argv.includes("--check")) {
  const stored: typeof rows = JSON.parse(readFileSync(FILE, "utf8"));
  for (const [name, found] of Object.entries(rows)) {
    const apart = found.flatMap((text, i) => {
      const [ours, theirs] = [fromBase64(text), fromBase64(stored[name][i])];
      return Array.from(ours, (value, j) => Math.abs(value - theirs[j]));
    });
    if (!(Math.max(...apart) < ROUNDING)) throw new Error(`${name} is ${Math.max(...apart)} off`);
  }
} else writeFileSync(FILE, `${JSON.stringify(rows, null, 1)}\n`);
