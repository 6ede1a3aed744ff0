/**
 * Fill-in-the-middle, tokens that are never generated, and warnings, through the API, in a worker and by the command line.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { type GenerateOptions, Model, type Piece } from "../src/index.ts";
import { limpet } from "./support/cli.ts";
import { errorOf, modelBytes, temporaryFile } from "./support/models.ts";

const [PRE, SUF, MID] = [300, 301, 302];
const BYTES = modelBytes("llama-tiny", "Q8_0", [
  ["tokenizer.ggml.fim_pre_token_id", "u32", PRE],
  ["tokenizer.ggml.fim_suf_token_id", "u32", SUF],
  ["tokenizer.ggml.fim_mid_token_id", "u32", MID],
]);
const FILE = temporaryFile("infill.gguf", BYTES);
const PLAIN = temporaryFile("plain.gguf", modelBytes("llama-tiny", "Q8_0"));
const FEW = { maxTokens: 6, temperature: 1, seed: 5 };
const [PREFIX, SUFFIX] = ["def add(a, b):\n", "\n  return c"];

/** A model's file without its pre-tokenizer's name. */
function nameless(): Uint8Array<ArrayBuffer> {
  const file = makeModel("llama-tiny", "Q8_0");
  const metadata = file.metadata.filter(([key]) => key !== "tokenizer.ggml.pre");
  return new Uint8Array(encodeGguf({ ...file, metadata }));
}
const NAMELESS = temporaryFile("nameless.gguf", nameless());

test("a suffix is told the model with the prompt: prefix, suffix, middle", async () => {
  const model = await Model.load(BYTES);
  const { fimPrefix, fimSuffix, fimMiddle } = model.tokenizer.specials;
  assert.equal([fimPrefix, fimSuffix, fimMiddle], [PRE, SUF, MID]);
  const ids = [PRE, ...model.tokenize(PREFIX), SUF, ...model.tokenize(SUFFIX), MID];
  const expected = await model.generate(ids, FEW).text();
  assert.is(await model.generate(PREFIX, { ...FEW, suffix: SUFFIX }).text(), expected);
  const none = [PRE, ...model.tokenize(PREFIX), SUF, MID];
  const empty = await model.generate(PREFIX, { ...FEW, suffix: "" }).text();
  assert.is(empty, await model.generate(none, FEW).text(), "an empty suffix is one");
  model.dispose();
  const worker = await Model.load(BYTES, { worker: true });
  assert.is(await worker.generate(PREFIX, { ...FEW, suffix: SUFFIX }).text(), expected);
  worker.dispose();
  const words = ["-p", PREFIX, "--suffix", SUFFIX, "-n", "6", "--temp", "1", "--seed", "5", "--json"];
  const plain = ["--min-p", "0", "--repeat-penalty", "1", "--build", "portable"];
  const { out, err, status } = await limpet(["generate", FILE, ...words, ...plain]);
  assert.equal([JSON.parse(out).text, err, status], [expected, "", 0]);
});

test("tokens that a file suppresses are never generated", async () => {
  const first = async (bytes: Uint8Array<ArrayBuffer>, options: GenerateOptions = {}) => {
    const model = await Model.load(bytes);
    const pieces: Piece[] = [];
    for await (const piece of model.generate([5, 6, 7], { maxTokens: 1, logprobs: 4, ...options })) pieces.push(piece);
    model.dispose();
    return pieces[0];
  };
  const without = (tokens: number[]) =>
    modelBytes("llama-tiny", "Q8_0", [["tokenizer.ggml.suppress_tokens", "i32[]", tokens]]);
  const { top } = await first(modelBytes("llama-tiny", "Q8_0"));
  const ids = top!.map(({ token }) => token);
  for (const options of [{}, { repeatPenalty: 1.1 }, { temperature: 1e-3 }, { temperature: 1e-3, topK: 2 }]) {
    assert.is((await first(without(ids.slice(0, 2)), options)).token, ids[2], JSON.stringify(options));
  }
  const rest = await first(without([ids[0], -1, 1 << 30]));
  assert.equal(
    rest.top!.slice(0, 3).map(({ token }) => token),
    ids.slice(1),
  );
});

test("what cannot be filled in is refused in words", async () => {
  const model = await Model.load(BYTES);
  const plain = await Model.load(PLAIN);
  const refused = await errorOf(() => plain.generate("a", { suffix: "b" }).text());
  assert.is(refused.code, "UNSUPPORTED");
  assert.match(refused.message, /not made to fill in/);
  const ids = await errorOf(() => model.generate([1, 2], { suffix: "b" }).text());
  assert.is(ids.code, "BAD_ARGUMENT");
  assert.match(ids.message, /the prompt is text/);
  const kind = await errorOf(() => model.generate("a", { suffix: 5 as unknown as string }).text());
  assert.match(kind.message, /suffix is text/);
  const chat = await errorOf(() => model.chat([{ role: "user", content: "a" }], { suffix: "b" } as object).text());
  assert.match(chat.message, /there is no option suffix/);
  model.dispose();
  plain.dispose();
  const command = await limpet(["generate", PLAIN, "-p", "a", "--suffix", "b"]);
  assert.is(command.status, 1);
  assert.match(command.err, /^limpet: this model was not made to fill in/);
  const both = await limpet(["generate", FILE, "-p", "a", "--suffix", "b", "--chat"]);
  assert.is(both.status, 2);
  assert.match(both.err, /^limpet: --suffix does not go with --chat/);
});

test("a file without a pre-tokenizer's name: a warning in info, on stderr, and in inspect's JSON", async () => {
  for (const worker of [false, true]) {
    const model = worker ? await Model.load(NAMELESS, { worker }) : await Model.load(NAMELESS);
    const [warning, ...more] = model.info.warnings;
    assert.is(warning.code, "NO_PRETOKENIZER");
    assert.match(warning.message, /^the file does not name its pre-tokenizer \(tokenizer\.ggml\.pre\)/);
    assert.is(more.length, 0);
    model.dispose();
    const line = `limpet: ${warning.message}\n`;
    for (const words of [
      ["tokenize", NAMELESS, "a"],
      ["inspect", NAMELESS],
      ["generate", NAMELESS, "-p", "a", "-n", "1"],
    ]) {
      const { err, status } = await limpet(words);
      assert.equal([err, status], [line, 0], words[0]);
    }
    const json = await limpet(["inspect", NAMELESS, "--json"]);
    assert.equal([JSON.parse(json.out).warnings, json.err], [[warning], ""]);
  }
  const named = await Model.load(PLAIN);
  assert.equal(named.info.warnings, []);
  named.dispose();
  assert.equal(JSON.parse((await limpet(["inspect", PLAIN, "--json"])).out).warnings, []);
});

test.run();
