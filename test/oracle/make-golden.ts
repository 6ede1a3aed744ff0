/**
 * Writes what oracles and peers say of small random models into test/golden/: `npm run goldens` runs it. Each file holds
 * the logits behind the last of 48 tokens.
 *
 *     logits.json        the numpy oracle in float64                       model, type; the hash of the file
 *     llama.cpp.json     llama.cpp on files of F32, and on quantised ones (test/support/quantised.ts) whose values are
 *                        floats for it, cache F32                          model, type; the hash of the file; `own` is how
 *                        far llama.cpp comes from that with the blocks themselves, whose activations it rounds to bytes
 *     transformers.json  Hugging Face on checkpoints, in float32           model, what is special in its config
 *     adapters.json      llama.cpp on models and adapters of test/support/adapters.ts, F32, cache F32
 *     core-neurons.json  the oracle of core neurons in float64; the sets of layers, and logits behind 144 tokens
 *     scalings.json      the oracle and llama.cpp on those of test/support/scalings.ts, F32
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { oracle, run, workFile } from "../../bench/limpet.mjs";
import { architectureOf, kindsOf, TINY, VARIANTS } from "../../scripts/architectures.mjs";
import { encodeGguf } from "../../scripts/gguf-writer.mjs";
import { makeModel } from "../../scripts/make-model.mjs";
import { quantizeFile } from "../../src/quantize.ts";
import { ADAPTED, adapterBytes } from "../support/adapters.ts";
import { writeCheckpoint } from "../support/checkpoint.ts";
import { CORE, CORE_PROMPT, CORE_TOKENS } from "../support/core-neurons.ts";
import { divergence, fromBase64, peerCheckpoints } from "../support/peers.ts";
import { QUANTISED, quantisedFile } from "../support/quantised.ts";
import { SCALINGS, scalingFile } from "../support/scalings.ts";
import { shared } from "../support/shared.ts";

const TOKENS = Array.from({ length: 48 }, (_, i) => (i * 389 + 97) % 512);
const PYTHON = process.env.PYTHON ?? "python3";
/** Another machine's sums of float32 are other ones in their last bits. */
const ROUNDING = 1e-9;

interface Row {
  kind: string;
  logits: string;
  [more: string]: string;
}

interface Golden {
  source: string;
  tokens: number[];
  models: Row[];
}

const PARTS: Record<string, () => Golden | Promise<Golden>> = {
  logits,
  "llama.cpp": llama,
  transformers,
  scalings,
  adapters,
  "core-neurons": coreNeurons,
};
const [part, flag] = process.argv.slice(2);
const file = new URL(`../golden/${part}.json`, import.meta.url);
const before: Golden = JSON.parse(readFileSync(file, "utf8"));
const golden = await PARTS[part]();
if (flag === "--check") check(before);
else writeFileSync(file, encode(golden));
if (part === "llama.cpp") story();

/** With `--new` the row that is stored of the same model, which is not asked for again. */
function kept(kind: string, more: Record<string, string>): Row | undefined {
  if (flag !== "--new") return undefined;
  return before.models.find((row) => row.kind === kind && Object.keys(more).every((name) => row[name] === more[name]));
}

/** The last row of a file of raw logits. */
function lastRow(path: string): string {
  const row = readFileSync(path).subarray(-512 * 4);
  return row.toString("base64");
}

/** Makes a model's file, and gives its path and its hash. */
function written(kind: string, type: string): { path: string; sha256: string } {
  const bytes = encodeGguf(makeModel(kind, type));
  const path = workFile("golden.gguf");
  writeFileSync(path, bytes);
  return { path, sha256: createHash("sha256").update(bytes).digest("hex") };
}

function logits(): Golden {
  const wanted = [
    ...TINY.flatMap((kind) => architectureOf(kind).types.map((type) => ({ kind, type }))),
    ...VARIANTS.map((kind) => ({ kind, type: "F32" })),
  ];
  const models = wanted.map(({ kind, type }) => {
    const { path, sha256 } = written(kind, type);
    const old = kept(kind, { type, sha256 });
    if (old) return old;
    const out = workFile("golden.f32");
    oracle(path, [TOKENS], out, "f64");
    return { kind, type, sha256, logits: lastRow(out) };
  });
  return {
    source: "numpy oracle in float64, last of the tokens; logits are base64 of little-endian f32",
    tokens: TOKENS,
    models,
  };
}

async function llama(): Promise<Golden> {
  const models: Row[] = kindsOf("llama.cpp").map((kind) => {
    const { path, sha256 } = written(kind, "F32");
    const old = kept(kind, { type: "F32", sha256 });
    if (old) return old;
    const out = workFile("golden.f32");
    // A cache of halves may choose another expert.
    native("logits", path, "--tokens", TOKENS.join(","), "--out", out, "--kv", "f32");
    return { kind, type: "F32", sha256, logits: lastRow(out) };
  });
  for (const quantised of QUANTISED) models.push(await blocks(quantised));
  return {
    source: `llama.cpp through node-llama-cpp ${nativeVersion()}, cache F32, last of the tokens`,
    tokens: TOKENS,
    models,
  };
}

/** What llama.cpp says of a quantised file's values as floats, and how far from that it is with the file itself. */
async function blocks({ kind, type }: (typeof QUANTISED)[number]): Promise<Row> {
  const bytes = quantisedFile({ kind, type });
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const old = kept(kind, { type, sha256 });
  if (old) return old;
  const [path, floats] = [workFile("golden.gguf"), workFile("golden-floats.gguf")];
  writeFileSync(path, bytes);
  await quantizeFile(path, floats, "F32");
  const [logits, own] = [floats, path].map((model) => {
    const out = workFile("golden.f32");
    native("logits", model, "--tokens", TOKENS.join(","), "--out", out, "--kv", "f32");
    return lastRow(out);
  });
  const far = divergence(fromBase64(logits), fromBase64(own));
  return { kind, type, sha256, own: far.toExponential(1), logits };
}

function transformers(): Golden {
  const models = peerCheckpoints().map(({ kind, special, parts }) => {
    const old = kept(kind, { special });
    if (old) return old;
    const folder = writeCheckpoint("peer", parts);
    const out = workFile("golden.f32");
    run(PYTHON, ["test/oracle/transformers_logits.py", folder, "--tokens", TOKENS.join(","), "--out", out]);
    return { kind, special, logits: lastRow(out) };
  });
  const version = run(PYTHON, ["-c", "import transformers; print(transformers.__version__)"]).trim();
  const source = `transformers ${version} in float32, last of the tokens`;
  // Rows that are kept are of the version that was there.
  const both = before.source.includes(version) ? before.source : before.source.replace(" in float32", `, ${version}$&`);
  return { source: flag === "--new" ? both : source, tokens: TOKENS, models };
}

function scalings(): Golden {
  const models = SCALINGS.map((scaling) => {
    const { kind, special, rows = 0, peer = true } = scaling;
    const bytes = scalingFile(scaling);
    const [path, out] = [workFile("golden.gguf"), workFile("golden.f32")];
    writeFileSync(path, bytes);
    oracle(path, [TOKENS], out, "f64", rows);
    const row: Row = { kind, special, sha256: createHash("sha256").update(bytes).digest("hex"), logits: lastRow(out) };
    if (!peer) return row;
    native("logits", path, "--tokens", TOKENS.join(","), "--out", out, "--context", String(rows));
    return { ...row, peer: lastRow(out) };
  });
  const source = "numpy oracle in float64, and as `peer` llama.cpp through node-llama-cpp";
  return { source: `${source} ${nativeVersion()}, cache F16; last of the tokens`, tokens: TOKENS, models };
}

function adapters(): Golden {
  const models = ADAPTED.map(({ kind, adapters }) => {
    const { path, sha256 } = written(kind, "F32");
    const [logits, own] = [true, false].map((floats) => {
      const out = workFile("golden.f32");
      const lora = adapters.flatMap(({ weight, ...shape }, i) => {
        const file = workFile(`golden-adapter-${i}.gguf`);
        writeFileSync(file, adapterBytes(kind, { ...shape, floats }));
        return ["--lora", `${file}=${weight}`];
      });
      native("logits", path, "--tokens", TOKENS.join(","), "--out", out, "--kv", "f32", ...lora);
      return lastRow(out);
    });
    const far = divergence(fromBase64(logits), fromBase64(own));
    return { kind, sha256, ...(far > 0 && { own: far.toExponential(1) }), logits };
  });
  const source = `llama.cpp through node-llama-cpp ${nativeVersion()} with adapters, cache F32, last of the tokens`;
  return { source, tokens: TOKENS, models };
}

function coreNeurons(): Golden {
  const tokens = Array.from({ length: CORE_PROMPT + CORE_TOKENS }, (_, i) => 10 + ((i * 389 + (i >> 3) * 97) % 500));
  const models = CORE.map(({ kind, type, share, alpha }) => {
    const { path, sha256 } = written(kind, type);
    const [ids, out, sets] = ["golden.ids.json", "golden.f32", "golden.sets.json"].map(workFile);
    writeFileSync(ids, JSON.stringify(tokens));
    const words = ["--tokens-file", ids, "--prompt", String(CORE_PROMPT), "--alpha", String(alpha)];
    words.push("--share", String(share), "--out", out, "--sets", sets);
    run(PYTHON, ["test/oracle/core_neurons.py", path, ...words]);
    const core = JSON.stringify(JSON.parse(readFileSync(sets, "utf8")));
    return { kind, type, special: `${alpha} ${share}`, sha256, sets: core, logits: lastRow(out) };
  });
  return { source: "numpy oracle in float64, last of the tokens", tokens, models };
}

/** llama.cpp's greedy text of stories260K. */
function story(): void {
  const model = shared("data/stories260K.gguf");
  if (model === null) return;
  const prompt = "Once upon a time";
  const { tokens: promptTokens } = JSON.parse(native("tokenize", model, prompt));
  const { tokens, text } = JSON.parse(native("generate", model, "-p", prompt, "-n", "120"));
  const stored = new URL("../golden/stories260K-greedy.json", import.meta.url);
  const before = JSON.parse(readFileSync(stored, "utf8"));
  if (text === before.text && String(tokens) === String(before.tokens)) return;
  if (flag === "--check") throw new Error(`llama.cpp's text of stories260K is another one: ${text}`);
  const source = `llama.cpp through node-llama-cpp ${nativeVersion()}, greedy: npm run goldens -- llama.cpp`;
  writeFileSync(stored, `${JSON.stringify({ source, prompt, promptTokens, tokens, text })}\n`);
}

function native(...words: string[]): string {
  return execFileSync(process.execPath, ["bench/native.mjs", ...words], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function nativeVersion(): string {
  return JSON.parse(readFileSync("bench/node_modules/node-llama-cpp/package.json", "utf8")).version;
}

function encode({ source, tokens, models }: Golden): string {
  const lines = models.map((entry) => `    ${JSON.stringify(entry)}`).join(",\n");
  return `{\n  "source": "${source}",\n  "tokens": ${JSON.stringify(tokens)},\n  "models": [\n${lines}\n  ]\n}\n`;
}

function check(stored: Golden): void {
  const name = ({ kind, type, special }: Row) => [kind, type, special].filter(Boolean).join(" ");
  const wrong = golden.models.flatMap((model) => {
    const old = stored.models.find((candidate) => name(candidate) === name(model));
    if (!old) return [`${name(model)} is not stored`];
    if (old.sha256 !== model.sha256) return [`${name(model)} is another file`];
    const far = divergence(fromBase64(old.logits), fromBase64(model.logits));
    return far < ROUNDING ? [] : [`${name(model)}: KL ${far}`];
  });
  if (wrong.length) throw new Error(`${part}: ${wrong.join("; ")}`);
}
