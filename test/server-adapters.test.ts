/** Models of a server that are another one with adapters: each answers as it does alone, and all take one model's memory. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LimpetError, Model } from "../src/index.ts";
import { handler, type ServedModel } from "../src/server.ts";
import { adapterBytes } from "./support/adapters.ts";
import { limpet } from "./support/cli.ts";
import { temporaryFile } from "./support/models.ts";
import { SERVED, servedFiles } from "./support/served.ts";

const { talker: TALKER, embedder: EMBEDDER } = SERVED;
const ONE = adapterBytes("llama-tiny", { seed: 1, size: 2 });
const TWO = adapterBytes("llama-tiny", { seed: 2, size: 2 });
const MODELS: Record<string, ServedModel> = {
  talker: TALKER,
  one: { base: "talker", adapters: [[ONE, 1]] },
  both: {
    base: "talker",
    adapters: [
      [ONE, 0.5],
      [TWO, -1],
    ],
  },
};
const PROMPT = "Once upon a time";

function request(path: string, body?: unknown): Request {
  const given = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  return new Request(`http://localhost${path}`, given);
}

test("a model with adapters answers as it does alone, beside its base and others", async () => {
  const answer = handler(MODELS);
  const said = async (model: string): Promise<string> => {
    const body = { model, prompt: PROMPT, max_tokens: 12, temperature: 0, repeat_penalty: 1 };
    const response = await answer(request("/v1/completions", body));
    assert.is(response.status, 200, await response.clone().text());
    const got = (await response.json()) as { model: string; choices: { text: string }[] };
    assert.is(got.model, model);
    return got.choices[0].text;
  };
  const names = ["one", "talker", "both", "one"];
  const texts = await Promise.all(names.map(said));
  const model = await Model.load(TALKER);
  const [one, two] = [await model.adapter(ONE), await model.adapter(TWO)];
  const options = { maxTokens: 12, context: 512 };
  const alone = [
    [[one, 1]],
    [],
    [
      [one, 0.5],
      [two, -1],
    ],
    [[one, 1]],
  ] as const;
  for (const [i, adapters] of alone.entries()) {
    assert.is(texts[i], await model.generate(PROMPT, { ...options, adapters }).text(), names[i]);
  }
  assert.is(new Set(texts).size, 3);
  model.dispose();
  const { data } = (await (await answer(request("/v1/models"))).json()) as { data: { id: string; parent?: string }[] };
  assert.equal(
    data.map(({ id, parent }) => [id, parent]),
    [
      ["talker", undefined],
      ["one", "talker"],
      ["both", "talker"],
    ],
  );
  const metrics = await (await answer(request("/metrics"))).text();
  assert.match(metrics, /model_bytes\{model="talker"\} \d+/);
  assert.not.match(metrics, /model_bytes\{model="one"\}/);
  assert.match(metrics, /limpet_tokens_total\{model="one"\} \d+/);
  answer.dispose();
});

test("an adapter that is none fails its own model alone, and is asked for again", async () => {
  const broken: Record<string, ServedModel> = {
    talker: TALKER,
    broken: { base: "talker", adapters: [[ONE.slice(0, 500), 1]] },
    other: { base: "talker", adapters: [[adapterBytes("qwen2-tiny"), 1]] },
  };
  const answer = handler(broken, { onError: () => {} });
  for (const model of ["broken", "other", "broken"]) {
    const response = await answer(request("/v1/completions", { model, prompt: PROMPT, max_tokens: 2 }));
    assert.ok(response.status >= 500, `${response.status}`);
    assert.is((await answer(request("/v1/completions", { prompt: PROMPT, max_tokens: 2 }))).status, 200);
  }
  answer.dispose();
});

test("what is said wrongly of it is refused before anything is loaded", () => {
  const wrong = (one: unknown, words: RegExp): void => {
    assert.throws(
      () => handler({ talker: TALKER, embedder: EMBEDDER, one: one as ServedModel, two: MODELS["one"] }),
      (error: unknown) => error instanceof LimpetError && error.code === "BAD_ARGUMENT" && words.test(error.message),
    );
  };
  wrong({ base: "none", adapters: [[ONE, 1]] }, /model one: base is the name of another one/);
  wrong({ base: "two", adapters: [[ONE, 1]] }, /that has no base, not two/);
  wrong({ base: 7, adapters: [[ONE, 1]] }, /base is the name/);
  wrong({ base: "talker" }, /adapters is a list/);
  wrong({ base: "talker", adapters: [] }, /adapters is a list/);
  wrong({ base: "talker", adapters: [[ONE, Number.NaN]] }, /adapters is a list/);
  wrong({ base: "talker", adapters: [ONE] }, /adapters is a list/);
});

test("--lora of serve wants one model, and files that are adapters", async () => {
  const { talker, embedder } = servedFiles();
  const file = temporaryFile("pirate.gguf", ONE);
  const refused = async (words: string[], status: number, said: RegExp): Promise<void> => {
    const { status: found, err } = await limpet(["serve", ...words, "--port", "0"]);
    assert.is(found, status, err);
    assert.match(err, said);
  };
  await refused([talker, embedder, "--lora", file], 2, /wants one model beside it, and 2 are given/);
  await refused([talker, "--lora", `talker=${file}`], 2, /talker is the name of two models/);
  await refused([talker, "--lora", `${file}.none`], 1, /none/);
  await refused([talker, "--lora", embedder], 1, /adapter/);
});

test.run();
