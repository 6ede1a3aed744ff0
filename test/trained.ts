/**
 * Trained models against what others make of them:  npm run trained   (fetches 400 MB once; not in npm test)
 *
 * Each is fetched, converted to F32 and to Q8_0, and asked for the texts of test/golden/trained.json: the same tokens;
 * vectors as onnxruntime's or Hugging Face's of the same weights in floats; the same greedy answers. It prints a row a
 * model, which docs/models.md has.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { fetchTrained } from "../scripts/fetch-trained.mjs";
import { convert } from "../src/convert.ts";
import { Model } from "../src/index.ts";
import type { TrainedRow } from "./golden/make-trained.ts";
import golden from "./golden/trained.json" with { type: "json" };
import { fromBase64 } from "./support/peers.ts";
import { cosine } from "./support/texts.ts";

const FOLDER = new URL("../build/models/trained/", import.meta.url).pathname;
/** How near to the same weights in floats. */
const NEAR = 0.9999;
/** How near cosines of texts are to what others published of a model (row 5 and so on of the table of trained models). */
const PUBLISHED: Record<string, { by: number; pairs: readonly (readonly [a: number, b: number, cosine: number])[] }> = {
  "all-MiniLM-L6-v2": published(0.002, [0.7527, 0.0214, 0.0427]),
  "bge-small-en-v1.5": published(0.002, [0.8261, 0.3159, 0.3119]),
  "paraphrase-MiniLM-L3-v2": published(0.002, [0.8504, 0.074, 0.0551]),
  "sre-MiniLM": {
    by: 0.002,
    pairs: [0.967, 0.967, 0.893, 0.847].map((value, i) => [6 + 2 * i, 7 + 2 * i, value] as const),
  },
};

function published(by: number, [ab, ac, bc]: readonly number[]) {
  return {
    by,
    pairs: [
      [0, 1, ab],
      [0, 2, ac],
      [1, 2, bc],
    ] as const,
  };
}

/** Cosines of the four pairs of texts that the fine-tune is for: of its base, and with its own difference at a rank. */
const DIFFERENCE = new Map([
  [0, [0.33, 0.088, 0.355, 0.159]],
  [8, [0.937, 0.867, 0.922, 0.791]],
  [16, [0.959, 0.912, 0.921, 0.803]],
  [32, [0.969, 0.937, 0.915, 0.81]],
]);

const table: string[] = [];

for (const row of golden.models as unknown as TrainedRow[]) {
  for (const type of ["F32", "Q8_0"]) {
    test(`${row.name} in ${type}: ${row.kind}`, async () => {
      const out = `${FOLDER}${row.name}-${type}.gguf`;
      mkdirSync(FOLDER, { recursive: true });
      await convert(fetchTrained(row.name), out, { type });
      const model = await Model.load(out);
      try {
        for (const [i, text] of row.texts.entries()) {
          assert.equal(Array.from(model.tokenize(text, { bos: true })), row.ids[i], text);
        }
        const words = row.answers
          ? await translate(model, row, type === "F32")
          : await embed(model, row, type === "F32");
        table.push(`| ${row.name} | ${type} | ${words} |`);
      } finally {
        await model.dispose();
      }
    });
  }
}

/** Greedy answers; where the file is no twin's, how many are the same. */
async function translate(model: Model, { texts, answers = [] }: TrainedRow, isTwin: boolean): Promise<string> {
  let same = 0;
  for (const [i, { answer, text }] of answers.entries()) {
    const ids: number[] = [];
    for await (const { token } of model.generate(texts[i], { maxTokens: 40 })) ids.push(token);
    const whole = [...ids, 1];
    if (whole.join() === answer.join()) same++;
    else console.log(`${JSON.stringify(text)}: ${whole} and not ${answer}`);
  }
  if (isTwin) assert.is(same, answers.length);
  return `${same} of ${answers.length} greedy answers to the token`;
}

async function embed(model: Model, { name, kind, texts, vectors = [] }: TrainedRow, isTwin: boolean): Promise<string> {
  const wanted = vectors.map(fromBase64);
  const ours =
    kind === "tagger"
      ? await Promise.all(
          texts.map(async (text) => joined(await model.embed([text], { pooling: "none", normalize: false }))),
        )
      : await model.embed(texts);
  const least = Math.min(...wanted.map((vector, i) => cosine(vector, ours[i])));
  if (isTwin) assert.ok(least >= NEAR, `cosine ${least}`);
  const { by, pairs } = PUBLISHED[name] ?? { by: 0, pairs: [] };
  let most = 0;
  for (const [a, b, value] of pairs) most = Math.max(most, Math.abs(cosine(ours[a], ours[b]) - value));
  if (isTwin) assert.ok(most <= by, `cosines off by ${most}`);
  const reference = pairs.length ? `, cosines within ${most.toFixed(4)}` : "";
  return `1 − ${(1 - least).toExponential(1)}${reference}`;
}

function joined(rows: readonly Float32Array[]): Float32Array {
  return Float32Array.from(rows.flatMap((row) => [...row]));
}

test("a fine-tune's difference as an adapter: its base answers more like it with every rank", async () => {
  const [base, tuned] = ["all-MiniLM-L6-v2", "sre-MiniLM"].map(fetchTrained);
  const { texts } = (golden.models as unknown as TrainedRow[]).find(({ name }) => name === "sre-MiniLM")!;
  const pairs = texts.slice(6, 14);
  const [file, tunedFile] = ["adapter-base.gguf", "adapter-tuned.gguf"].map((name) => FOLDER + name);
  await convert(base, file, { type: "F32" });
  await convert(tuned, tunedFile, { type: "F32" });
  const [model, wanted] = [await Model.load(file), await Model.load(tunedFile)];
  const whole = await wanted.embed(pairs);
  const alone = await model.embed(pairs);
  for (const [rank, published] of DIFFERENCE) {
    const vectors = rank ? await adapted(rank) : alone;
    const cosines = [0, 2, 4, 6].map((i) => cosine(vectors[i], vectors[i + 1]));
    assert.ok(
      cosines.every((value, i) => Math.abs(value - published[i]) < 0.002),
      `rank ${rank}: ${cosines}`,
    );
    const least = Math.min(...vectors.map((vector, i) => cosine(vector, whole[i])));
    const words = `${cosines.map((value) => value.toFixed(3)).join(", ")}; to the fine-tune ≥ ${least.toFixed(3)}`;
    table.push(`| ${rank ? `all-MiniLM-L6-v2 + rank ${rank} of sre-MiniLM` : "all-MiniLM-L6-v2"} | F32 | ${words} |`);
  }
  assert.equal(await model.embed(pairs), alone, "without the adapter the model is its own to the bit");

  async function adapted(rank: number): Promise<Float32Array[]> {
    const folder = `${FOLDER}sre-difference-${rank}`;
    execFileSync("python3", ["test/oracle/difference.py", base, tuned, folder, String(rank)], { stdio: "inherit" });
    await convert(folder, `${folder}.gguf`, { base: file });
    const adapter = await model.adapter(`${folder}.gguf`);
    return model.embed(pairs, { adapters: [[adapter, 1]] });
  }
});

test("the table", () => console.log(["", ...table].join("\n")));

test.run();
