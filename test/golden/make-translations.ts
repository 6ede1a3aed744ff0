/**
 * Writes what others make of a source by small random encoder-decoders, decoding greedily: npm run goldens --
 * encoder-decoders [--check]
 *
 *     encoder-decoders.json   of t5 Hugging Face in float32; of mu, and of t5 once more, the numpy oracle in float64
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { run, workFile } from "../../bench/limpet.mjs";
import { CHANCE_PAIRS, PAIRS } from "../../scripts/encoder-decoders.mjs";
import { encodeGguf } from "../../scripts/gguf-writer.mjs";
import { makeModel } from "../../scripts/make-model.mjs";

const PYTHON = process.env.PYTHON ?? "python3";
const FILE = new URL("encoder-decoders.json", import.meta.url);
/** Another machine's sums of float32 are other ones in their last bits. */
const ROUNDING = 1e-4;
/** Buckets end at 128 tokens; one token is the shortest source. */
const LENGTHS = [1, 7, 29, 150, 300];

interface Answer {
  ids: number[];
  logprobs: number[];
  logits: string;
}

interface Job {
  kind: string;
  peer: boolean;
  sha256: string;
  model: string;
  out: string;
  source: number[];
  count: number;
}

const kinds = Object.entries({ ...PAIRS, ...CHANCE_PAIRS }).filter(([, { decoder }]) => decoder > 0);
const jobs = kinds.flatMap(([kind, { architecture, vocabulary }], i) => {
  const bytes = encodeGguf(makeModel(kind, "F32"));
  const model = workFile(`${kind}.gguf`);
  writeFileSync(model, bytes);
  const length = LENGTHS[i % LENGTHS.length];
  const source = Array.from({ length }, (_, k) => (k * 389 + 97 + i) % vocabulary);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const of = (peer: boolean): Job => {
    return { kind, peer, sha256, model, out: workFile(`${kind}-${peer}.json`), source, count: i % 4 ? 12 : 40 };
  };
  return architecture === "t5" ? [of(true), ...(kind in PAIRS ? [of(false)] : [])] : [of(false)];
});
for (const peer of [false, true]) {
  const file = workFile("jobs.json");
  writeFileSync(file, JSON.stringify(jobs.filter((job) => job.peer === peer)));
  run(PYTHON, ["test/oracle/translate.py", file, ...(peer ? ["--peer"] : [])]);
}
const rows = jobs.map(({ kind, peer, sha256, out, source }) => {
  const { ids, logprobs, logits } = JSON.parse(readFileSync(out, "utf8")) as Answer;
  return { kind, by: peer ? "transformers" : "numpy", sha256, source, ids, logprobs: logprobs.map(rounded), logits };
});

function rounded(value: number): number {
  return Number(value.toFixed(6));
}

if (process.argv.includes("--check")) {
  const { models } = JSON.parse(readFileSync(FILE, "utf8")) as { models: typeof rows };
  const wrong = rows.filter((row, i) => {
    const old = models[i];
    if (!old || old.sha256 !== row.sha256 || old.ids.join() !== row.ids.join()) return true;
    return !row.logprobs.every((value, k) => Math.abs(value - old.logprobs[k]) < ROUNDING);
  });
  if (wrong.length) throw new Error(`encoder-decoders: ${wrong.map(({ kind, by }) => `${kind} by ${by}`).join(", ")}`);
} else {
  const version = run(PYTHON, ["-c", "import transformers; print(transformers.__version__)"]).trim();
  const source = `transformers ${version} in float32, numpy in float64; greedy ids, their log probabilities, the last logits`;
  const lines = rows.map((row) => `    ${JSON.stringify(row)}`).join(",\n");
  writeFileSync(FILE, `{\n  "source": "${source}",\n  "models": [\n${lines}\n  ]\n}\n`);
}
