/**
 * What others say, written down for the tests:  npm run goldens [-- PART…] [--check | --new]
 *
 *     logits        the numpy oracle in float64, of every architecture            Python: test/oracle/requirements.txt
 *     llama.cpp     node-llama-cpp: logits of small models, a greedy text         bench/: npm --prefix bench install
 *     scalings      the oracle and llama.cpp on models whose metadata says something special       Python and bench/
 *     adapters      node-llama-cpp: logits of small models with adapters          bench/
 *     peft          PEFT: logits of small models with adapters, in float32        Python: test/oracle/peers.txt
 *     core-neurons  the numpy oracle in float64: sets of core neurons, and logits with them
 *     encoders      the numpy oracle, encoders-llama.cpp: node-llama-cpp; vectors of texts by encoders
 *     transformers  Hugging Face: logits of checkpoints, in float32               Python: test/oracle/peers.txt
 *     tokenizers    tokenizers, sentencepiece, rwkv: random texts in small vocabularies   Python: test/oracle/peers.txt
 *     encoder-decoders  Hugging Face and the oracle: answers to a source        Python: test/oracle/peers.txt
 *     composed      the numpy oracle in float64: sessions composed of pieces
 *     trained       onnxruntime and Hugging Face: trained embedders and a T5, fetched        Python: test/oracle/peers.txt
 *     networks      PyTorch's modules: outputs of networks of papers          Python: test/oracle/peers.txt
 *     programs      the pages of `limpet inspect --program`, of the small model of each architecture
 *     quantisers    llama.cpp's own quantisers: errors, mixes of types            bench/, Python
 *
 * CI holds the core against the files in test/golden/ and runs none of this. PYTHON names an interpreter. A part whose
 * tools are missing says what to install. --check writes nothing and fails where a file would be another one, beyond what
 * another machine rounds otherwise; --new asks for the logits alone of models that have no row. test/golden/README.md has every file with the command that made it.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const NATIVE = existsSync(`${ROOT}bench/node_modules/node-llama-cpp/package.json`);

/** @type {Record<string, { command: string[], needs?: string }>} */
const PARTS = {
  logits: { command: ["test/oracle/make-golden.ts", "logits"] },
  "llama.cpp": {
    command: ["test/oracle/make-golden.ts", "llama.cpp"],
    needs: NATIVE ? undefined : "npm --prefix bench install",
  },
  scalings: {
    command: ["test/oracle/make-golden.ts", "scalings"],
    needs: NATIVE ? undefined : "npm --prefix bench install",
  },
  adapters: {
    command: ["test/oracle/make-golden.ts", "adapters"],
    needs: NATIVE ? undefined : "npm --prefix bench install",
  },
  peft: { command: ["test/golden/make-peft.ts"] },
  "core-neurons": { command: ["test/oracle/make-golden.ts", "core-neurons"] },
  encoders: { command: ["test/oracle/make-golden-encoders.ts", "encoders"] },
  "encoders-llama.cpp": {
    command: ["test/oracle/make-golden-encoders.ts", "encoders-llama.cpp"],
    needs: NATIVE ? undefined : "npm --prefix bench install",
  },
  "encoders-transformers": { command: ["test/oracle/make-golden-encoders.ts", "encoders-transformers"] },
  transformers: { command: ["test/oracle/make-golden.ts", "transformers"] },
  tokenizers: { command: ["test/oracle/make-tokenizers.ts"] },
  "encoder-decoders": { command: ["test/golden/make-translations.ts"] },
  composed: { command: ["test/golden/make-composed.ts"] },
  trained: { command: ["test/golden/make-trained.ts"] },
  networks: { command: ["test/golden/make-networks.ts"] },
  programs: { command: ["test/golden/make-programs.ts"] },
  quantisers: { command: ["bench/quantize.mjs", "--golden"], needs: NATIVE ? undefined : "npm --prefix bench install" },
};

const words = process.argv.slice(2);
const flags = words.filter((word) => word.startsWith("--"));
const asked = words.filter((word) => !word.startsWith("--"));
const unknown = [
  ...asked.filter((part) => !PARTS[part]),
  ...flags.filter((flag) => flag !== "--check" && flag !== "--new"),
];
if (unknown.length) {
  console.error(`no ${unknown.join(", ")}: npm run goldens [-- ${Object.keys(PARTS).join(" | ")}] [--check | --new]`);
  process.exit(2);
}
const parts = asked.length ? asked : Object.keys(PARTS);
if (flags.includes("--check") && parts.includes("quantisers"))
  console.log("quantisers: cannot be checked, only written");
let failed = false;
for (const part of parts) {
  const { command, needs } = PARTS[part];
  if (flags.includes("--check") && part === "quantisers") continue;
  if (needs) console.error(`${part}: first ${needs}`);
  const { status } = needs
    ? { status: 1 }
    : spawnSync(process.execPath, ["--import", "tsx", ...command, ...flags], { cwd: ROOT, stdio: "inherit" });
  if (status !== 0) failed = true;
  console.log(`${part}: ${status === 0 ? "done" : "failed"}`);
}
process.exit(failed ? 1 : 0);
