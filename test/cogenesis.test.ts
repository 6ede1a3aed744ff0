/**
 * CoGenesis (examples/cogenesis): the mixture is that of the two models, and what the callback is given does not depend on
 * the private context.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cogenesis, type Remote, remoteOf } from "../examples/cogenesis/cogenesis.mjs";
import { Model } from "../src/index.ts";
import { errorOf, modelBytes } from "./support/models.ts";

const local = await Model.load(modelBytes("llama-tiny", "Q8_0"));
const elsewhere = await Model.load(modelBytes("llama-tiny", "Q4_0"));
const TASK = "Write a letter to the council.";
const SECRETS = ["My name is Zuzanna Quxley.", "Pin 7391, born in Wyvernham; salt and vinegar!"];

/** A remote that keeps every question that it was asked, as text. */
function spied(): { remote: Remote; questions: string[] } {
  const questions: string[] = [];
  const answers = remoteOf(elsewhere);
  return {
    questions,
    remote: (question) => {
      questions.push(JSON.stringify(question));
      return answers(question);
    },
  };
}

test("no byte of the private context reaches the callback: its questions are the same whatever the context is", async () => {
  const asked: string[][] = [];
  for (const context of [...SECRETS, ""]) {
    const { remote, questions } = spied();
    // The remote model alone decides, so that answers are the same: all that could differ is what leaks.
    const options = { maxTokens: 12, temperature: 1, seed: 3 };
    await cogenesis(local, { context, task: TASK, remote, weight: 0 }, options).text();
    asked.push(questions);
  }
  assert.is(asked[0].length, 12);
  assert.equal(asked[1], asked[0]);
  assert.equal(asked[2], asked[0]);
});

test("a question holds the task and the answer's own tokens, and nothing else", async () => {
  const { remote, questions } = spied();
  const generation = cogenesis(local, { context: SECRETS[0], task: TASK, remote }, { maxTokens: 12 });
  await generation.text();
  const { tokens } = generation.result!;
  assert.equal(
    questions,
    tokens.map((_, i) => JSON.stringify({ task: TASK, answer: tokens.slice(0, i) })),
  );
  for (const word of SECRETS[0].split(/\W+/).filter((w) => w.length > 3)) {
    assert.not(
      questions.some((question) => question.includes(word)),
      word,
    );
  }
});

test("the mixture is the weighted mean of both models' probabilities", async () => {
  const softmax = (logits: Float32Array) => {
    const weights = Array.from(logits, (logit) => Math.exp(logit));
    const sum = weights.reduce((a, b) => a + b, 0);
    return weights.map((weight) => weight / sum);
  };
  const weight = 0.3;
  const answer: number[] = [];
  const generation = cogenesis(
    local,
    { context: SECRETS[1], task: TASK, remote: remoteOf(elsewhere), weight },
    { maxTokens: 6 },
  );
  await generation.text();
  for (const token of generation.result!.tokens) {
    const behind = async (model: Model, text: string) => {
      const ids = [...model.tokenize(text, { bos: true }), ...answer];
      return softmax((await model.logits(ids)).slice(-model.info.vocabulary));
    };
    const [mine, theirs] = [await behind(local, `${SECRETS[1]}\n${TASK}`), await behind(elsewhere, TASK)];
    const mixed = mine.map((p, i) => weight * p + (1 - weight) * theirs[i]);
    assert.is(token, mixed.indexOf(Math.max(...mixed)));
    answer.push(token);
  }
});

test("another vocabulary is refused", async () => {
  const remote: Remote = async () => new Float32Array(7);
  const error = await errorOf(() => cogenesis(local, { context: "", task: TASK, remote }).text());
  assert.match(error.message, /different vocabularies/);
});

test.run();
