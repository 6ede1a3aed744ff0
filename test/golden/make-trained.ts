/**
 * Writes what onnxruntime and Hugging Face make of texts by trained models (scripts/fetch-trained.mjs, which downloads
 * 400 MB): npm run goldens -- trained [--check]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { run, workFile } from "../../bench/limpet.mjs";
import { fetchTrained } from "../../scripts/fetch-trained.mjs";
import { fromBase64 } from "../support/peers.ts";
import { farthest } from "../support/texts.ts";

const PYTHON = process.env.PYTHON ?? "python3";
const FILE = new URL("trained.json", import.meta.url);
/** Another machine's sums of float32 are other ones in their last bits. */
const ROUNDING = 1e-4;

export interface TrainedRow {
  name: string;
  kind: "embedder" | "tagger" | "translator";
  texts: string[];
  ids: number[][];
  /** A vector of each text, or its rows. */
  vectors?: string[];
  /** What the text is translated to, and by how much each token was ahead of the next one. */
  answers?: { answer: number[]; text: string; margins: number[]; first: number[] }[];
}

const SENTENCES = [
  "A cat sleeps on the sofa.",
  "A kitten is napping on the couch.",
  "Interest rates rose by half a percent.",
  "query: how do limpets hold on to rocks?",
  "Café-Zürich, naïve 北京 ½ … don't! (e.g. e-mail@example.com) 🐚",
  Array.from({ length: 30 }, (_, i) => `The tide was out for the ${i + 1}th time.`).join(" "),
];
const OPERATIONS = [
  ...["pod keeps crashing", "CrashLoopBackOff", "mean time to recover", "MTTR"],
  ...["container is being killed due to memory", "OOMKilled", "replica is not keeping up", "Database issue"],
];
const EDITS = ["She go to school yesterday and their was a informations ."];
const SOURCES = [
  "summarize: The agent opened the file parser.py, found that the regular expression did not match dates, changed it, ran the test suite and all 14 tests passed.",
  "translate English to German: How old are you?",
  "summarize: The user asked for a dark mode. The agent added a toggle to the settings page and stored the choice.",
  "translate English to French: The book is on the table.",
  "What is the capital of France?",
  "summarize: git log was read, a branch was made, the version was raised to 2.1.0, and the release was published.",
];

const wanted: [string, TrainedRow["kind"], string[]][] = [
  ...["all-MiniLM-L6-v2", "bge-small-en-v1.5", "e5-small-v2", "paraphrase-MiniLM-L3-v2"].map(
    (name): [string, "embedder", string[]] => [name, "embedder", SENTENCES],
  ),
  ["flan-t5-small-titles", "translator", SOURCES],
  ["distilbert-edit-tags", "tagger", EDITS],
  ["sre-MiniLM", "embedder", [...SENTENCES, ...OPERATIONS]],
];
const [jobs, out] = [workFile("jobs.json"), workFile("trained.json")];
writeFileSync(
  jobs,
  JSON.stringify(wanted.map(([name, kind, texts]) => ({ name, kind, texts, folder: fetchTrained(name) }))),
);
run(PYTHON, ["test/oracle/trained.py", jobs, out]);
const rows = JSON.parse(readFileSync(out, "utf8")) as TrainedRow[];

if (process.argv.includes("--check")) {
  const { models } = JSON.parse(readFileSync(FILE, "utf8")) as { models: TrainedRow[] };
  const wrong = rows.filter(({ name, vectors, answers }) => {
    const old = models.find((row) => row.name === name);
    const values = (list: string[] = []) => list.flatMap((text) => [...fromBase64(text)]);
    if (!old || farthest(values(old.vectors), values(vectors)) > ROUNDING) return true;
    return JSON.stringify(old.answers?.map(({ answer }) => answer)) !== JSON.stringify(answers?.map(({ answer }) => answer));
  });
  if (wrong.length) throw new Error(`trained: ${wrong.map(({ name }) => name).join(", ")}`);
} else {
  const versions = run(PYTHON, [
    "-c",
    "import onnxruntime, transformers; print(f'onnxruntime {onnxruntime.__version__}, transformers {transformers.__version__}')",
  ]).trim();
  const source = `${versions}, in float32; vectors are base64 of little-endian f32`;
  const lines = rows.map((row) => `    ${JSON.stringify(row)}`).join(",\n");
  writeFileSync(FILE, `{\n  "source": "${source}",\n  "models": [\n${lines}\n  ]\n}\n`);
}
