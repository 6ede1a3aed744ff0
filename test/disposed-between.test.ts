/**
 * A model that is disposed of between any two turns of what is under way: each call ends with its answer or says so in a
 * `LimpetError`, whatever moment it was.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LimpetError, Model } from "../src/index.ts";
import { modelBytes } from "./support/models.ts";

const CALLS: Record<string, (model: Model) => Promise<unknown>> = {
  embed: (model) => model.embed(["Once upon a time", "a"]),
  rerank: (model) => model.rerank("Once", ["upon", "a time"]),
  logits: (model) => model.logits([1, 2, 3, 4], { chunk: 2 }),
  perplexity: (model) => model.perplexity("Once upon a time ".repeat(20), { context: 8 }),
  score: (model) => model.score("Once upon", [" a time", " the sea"]),
  generate: (model) => model.generate("Once", { maxTokens: 3 }).text(),
  "several answers": async (model) => {
    for await (const _ of model.generate("Once", { maxTokens: 3, n: 2 }));
  },
  session: (model) => model.session().generate("Once", { maxTokens: 3 }).text(),
  "a session's logits": (model) => {
    const session = model.session();
    session.append("Once");
    return session.logits();
  },
  batch: (model) => {
    const batch = model.batch({ sequences: 2 });
    return Promise.all([0, 1].map(() => batch.generate("Once", { maxTokens: 3 }).text()));
  },
};
const KINDS: Record<string, string> = { embed: "bert-tiny", rerank: "bert-rank" };
const TURNS = 40;

test("a batch of a model that is gone says so", async () => {
  const model = await Model.load(modelBytes("llama-tiny", "F32"));
  const batch = model.batch({ sequences: 2 });
  model.dispose();
  const calls = [() => batch.generate("Once").text(), () => batch.chat([{ role: "user", content: "a" }]).text()];
  for (const call of [...calls, async () => batch.session()]) {
    const error = await call().then(
      () => null,
      (thrown: unknown) => thrown,
    );
    assert.instance(error, LimpetError);
    assert.is((error as LimpetError).code, "WRONG_STATE");
  }
});

for (const [name, call] of Object.entries(CALLS)) {
  test(`${name}: a model disposed of at any turn`, async () => {
    const bytes = modelBytes(KINDS[name] ?? "llama-tiny", "F32");
    let [answered, refused] = [0, 0];
    for (let turns = 0; turns < TURNS; turns++) {
      const model = await Model.load(bytes);
      const ended = call(model).then(
        () => answered++,
        (error) => {
          assert.instance(error, LimpetError, `${turns}: ${(error as Error).stack}`);
          assert.is(error.code, "WRONG_STATE");
          refused++;
        },
      );
      for (let i = 0; i < turns; i++) await null;
      model.dispose();
      await ended;
    }
    assert.is(answered + refused, TURNS);
    assert.ok(refused > 0, `${refused}`);
  });
}

test.run();
