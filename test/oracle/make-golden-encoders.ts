/**
 * Writes what oracles and peers say of small random encoders into test/golden/: `npm run goldens` runs it. Each row holds
 * the vectors of some texts, as the file pools them, not normalised.
 *
 *     encoders.json               the numpy oracle in float64; of the small models also the rows of the first text's tokens
 *     encoders-llama.cpp.json     llama.cpp on files of F32
 *     encoders-transformers.json  Hugging Face on checkpoints, in float32
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { run, workFile } from "../../bench/limpet.mjs";
import { architectureOf, SHAPES } from "../../scripts/architectures.mjs";
import { ENCODER_VARIANTS, encodersOf, TINY_ENCODERS } from "../../scripts/encoders.mjs";
import { encodeGguf } from "../../scripts/gguf-writer.mjs";
import { makeModel } from "../../scripts/make-model.mjs";
import { checkpointOf, writeCheckpoint } from "../support/checkpoint.ts";
import { fromBase64 } from "../support/peers.ts";
import { farthest, Pooling, TEXTS } from "../support/texts.ts";

const PYTHON = process.env.PYTHON ?? "python3";
/** Another machine's sums of float32 are other ones in their last bits. */
const ROUNDING = 1e-4;

interface Row {
  kind: string;
  type: string;
  sha256: string;
  vectors: string;
  rows?: string;
}

interface Golden {
  source: string;
  texts: number[][];
  models: Row[];
}

/** llama.cpp knows one part. */
const ONE_PART = TEXTS.map((ids) => ids.map((id) => (id === 137 ? 138 : id)));

const PARTS: Record<string, () => Golden> = {
  encoders: ours,
  "encoders-llama.cpp": llama,
  "encoders-transformers": transformers,
};
const [part, flag] = process.argv.slice(2);
const golden = PARTS[part]();
const file = new URL(`../golden/${part}.json`, import.meta.url);
if (flag === "--check") check(JSON.parse(readFileSync(file, "utf8")));
else writeFileSync(file, encode(golden));

/** Makes a model's file, and gives its path and its hash. */
function written(kind: string, type: string, path = workFile("golden.gguf")): { path: string; sha256: string } {
  const bytes = encodeGguf(makeModel(kind, type));
  writeFileSync(path, bytes);
  return { path, sha256: createHash("sha256").update(bytes).digest("hex") };
}

function ours(): Golden {
  const wanted = [
    ...TINY_ENCODERS.flatMap((kind) => architectureOf(kind).types.map((type) => ({ kind, type }))),
    ...ENCODER_VARIANTS.map((kind) => ({ kind, type: "F32" })),
  ].map((row) => {
    const out = workFile(`${row.kind}-${row.type}`);
    return { ...row, ...written(row.kind, row.type, `${out}.gguf`), out: `${out}.f32` };
  });
  const whole = wanted.filter(({ kind, type }) => TINY_ENCODERS.includes(kind) && type === "F32");
  const [ids, jobs] = [workFile("ids.json"), workFile("jobs.json")];
  writeFileSync(ids, JSON.stringify(TEXTS));
  writeFileSync(
    jobs,
    JSON.stringify([
      ...wanted.map(({ path: model, out }) => ({ model, out })),
      ...whole.map(({ path: model, out }) => ({ model, out: `${out}.rows`, pooling: Pooling.NONE })),
    ]),
  );
  run(PYTHON, ["test/oracle/encode.py", jobs, "--tokens-file", ids]);
  const tokens = TEXTS[0].length;
  const models = wanted.map(({ kind, type, sha256, out }) => {
    const row = { kind, type, sha256, vectors: readFileSync(out).toString("base64") };
    if (!whole.some((one) => one.out === out)) return row;
    const all = readFileSync(`${out}.rows`);
    const texts = TEXTS.reduce((sum, { length }) => sum + length, 0);
    return { ...row, rows: all.subarray(0, (all.length / texts) * tokens).toString("base64") };
  });
  return {
    source: "numpy oracle in float64; vectors, and rows of the first text, are base64 of little-endian f32",
    texts: TEXTS,
    models,
  };
}

function llama(): Golden {
  const models = encodersOf("llama.cpp").map((kind) => {
    const { path, sha256 } = written(kind, "F32");
    const out = workFile("golden.f32");
    const vectors = ONE_PART.map((ids) => {
      const words = ["bench/native.mjs", "embed", path, "--tokens", ids.join(","), "--out", out];
      execFileSync(process.execPath, words, { stdio: ["ignore", "pipe", "pipe"] });
      return readFileSync(out);
    });
    return { kind, type: "F32", sha256, vectors: Buffer.concat(vectors).toString("base64") };
  });
  const { version } = JSON.parse(readFileSync("bench/node_modules/node-llama-cpp/package.json", "utf8"));
  const source = `llama.cpp through node-llama-cpp ${version}; with the pooling none the vector of the last token`;
  return { source, texts: ONE_PART, models };
}

function transformers(): Golden {
  const [ids, jobs] = [workFile("ids.json"), workFile("jobs.json")];
  const wanted = encodersOf("transformers").map((kind) => {
    const { model, parts } = checkpointOf(kind);
    const sha256 = createHash("sha256").update(encodeGguf(model)).digest("hex");
    const out = workFile(`${kind}.f32`);
    return { kind, type: "F32", sha256, folder: writeCheckpoint(`peer-${kind}`, parts), out };
  });
  writeFileSync(ids, JSON.stringify(TEXTS));
  writeFileSync(
    jobs,
    JSON.stringify(wanted.map(({ kind, folder, out }) => ({ folder, out, separator: SHAPES[kind].separator }))),
  );
  run(PYTHON, ["test/oracle/transformers_vectors.py", jobs, "--tokens-file", ids]);
  const models = wanted.map(({ kind, type, sha256, out }) => {
    return { kind, type, sha256, vectors: readFileSync(out).toString("base64") };
  });
  const version = run(PYTHON, ["-c", "import transformers; print(transformers.__version__)"]).trim();
  return { source: `transformers ${version} in float32`, texts: TEXTS, models };
}

function encode({ source, texts, models }: Golden): string {
  const lines = models.map((entry) => `    ${JSON.stringify(entry)}`).join(",\n");
  return `{\n  "source": "${source}",\n  "texts": ${JSON.stringify(texts)},\n  "models": [\n${lines}\n  ]\n}\n`;
}

function check(stored: Golden): void {
  const name = ({ kind, type }: Row) => `${kind} ${type}`;
  const wrong = golden.models.flatMap((model) => {
    const old = stored.models.find((candidate) => name(candidate) === name(model));
    if (!old) return [`${name(model)} is not stored`];
    if (old.sha256 !== model.sha256) return [`${name(model)} is another file`];
    const far = farthest(fromBase64(old.vectors), fromBase64(model.vectors));
    return far < ROUNDING ? [] : [`${name(model)}: ${far}`];
  });
  if (wrong.length) throw new Error(`${part}: ${wrong.join("; ")}`);
}
