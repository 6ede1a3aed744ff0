/**
 * The samplers against their papers in f64 (support/sampling.ts), draw by draw: every filter, alone and with others, in
 * both builds; biases, bans and forced tokens; what a host changes; what is refused.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Model } from "../src/index.ts";
import { errorOf, modelBytes } from "./support/models.ts";
import { generator, normals } from "./support/random.ts";
import { assertFrequencies, Oracle, type Sampling } from "./support/sampling.ts";
import { END, SCRIPT_VOCABULARY, scriptedModel } from "./support/scripted.ts";

/** Logits behind each token: most are small, some stand out; the end never comes. */
const table = Array.from({ length: SCRIPT_VOCABULARY }, (_, token) =>
  normals(SCRIPT_VOCABULARY, 100 + (token % 7)).map((value, i) =>
    i === END ? -60 : i % 16 === token % 11 ? value + 5 : value,
  ),
);
const bytes = scriptedModel((token) => table[token]);
const model = await Model.load(bytes);
const scalar = await Model.load(bytes, { build: "scalar" });
const rows = await model.logits(Array.from({ length: SCRIPT_VOCABULARY }, (_, i) => i));
const logitsBehind = (token: number) => rows.subarray(token * SCRIPT_VOCABULARY, (token + 1) * SCRIPT_VOCABULARY);
const textOf = (id: number) => model.detokenize([id]);
const PROMPT = [65, 66, 67, 68, 10, 65, 66, 67, 68, 69, 70, 65, 66, 67, 68];
/** Forces candidates into falling order, and lets all of them pass. */
const ALL = 1e-30;

const cases: [name: string, options: Sampling][] = [
  ["presence", { temperature: 1, minP: ALL, presencePenalty: 1.5, repeatWindow: 5 }],
  ["frequency", { temperature: 1, minP: ALL, frequencyPenalty: 0.7, repeatWindow: 0 }],
  ["negative penalties", { temperature: 1, topK: 30, frequencyPenalty: -0.3, presencePenalty: -0.5 }],
  ["three penalties", { temperature: 1, topK: 90, repeatPenalty: 1.2, frequencyPenalty: 0.3, presencePenalty: 0.4 }],
  ["a window of 3", { temperature: 1, topK: 90, repeatPenalty: 3, repeatWindow: 3 }],
  ["DRY", { temperature: 0.7, topK: 20, dryMultiplier: 0.8 }],
  ["DRY, all breaks", { temperature: 0.7, topK: 20, dryMultiplier: 5, dryBreakers: ["A", "xyz"] }],
  ["DRY, nothing breaks", { temperature: 0.7, topK: 20, dryMultiplier: 5, dryBase: 2, dryBreakers: [] }],
  ["DRY, lengths", { temperature: 0.7, topK: 9, dryMultiplier: 2, dryBase: 1.1, dryAllowedLength: 1, dryWindow: 9 }],
  ["top-n-sigma", { temperature: 1.5, topNSigma: 1 }],
  ["top-n-sigma 3", { temperature: 1.5, topNSigma: 3 }],
  ["typical-p 0.2", { temperature: 1, typicalP: 0.2 }],
  ["typical-p 0.9", { temperature: 1, typicalP: 0.9 }],
  ["typical-p behind top-k", { temperature: 1, typicalP: 0.5, topK: 13 }],
  ["typical-p, top-p, min-p", { temperature: 1, typicalP: 0.95, topK: 60, topP: 0.9, minP: 0.02 }],
  ["XTC", { temperature: 1, minP: ALL, xtcProbability: 0.5, xtcThreshold: 0.05 }],
  ["XTC always", { temperature: 1, minP: 0.001, xtcProbability: 1, xtcThreshold: 0.02 }],
  ["dynamic temperature", { temperature: 1, minP: 0.01, dynamicRange: 0.7, dynamicExponent: 1.3 }],
  ["dynamic temperature from 0", { temperature: 0.5, topK: 40, dynamicRange: 0.5 }],
  ["mirostat", { temperature: 1, mirostat: 3 }],
  ["mirostat, hot and quick", { temperature: 1.7, mirostat: 2, mirostatRate: 0.5 }],
  ["mirostat behind top-k", { temperature: 1, topK: 25, mirostat: 5 }],
  ["biases", { temperature: 1, topK: 50, logitBias: { 65: 6, 3: -3, 20: 2.5, 30: -Infinity } }],
  ["bans", { temperature: 1, topP: 0.9, banTokens: Array.from({ length: 150 }, (_, i) => 2 * i) }],
  ["forced", { temperature: 1, minP: ALL, forceTokens: [5, 9, 70, 71], banTokens: [9], logitBias: { 5: 1 } }],
  [
    "all of them",
    {
      temperature: 0.9,
      topK: 100,
      topP: 0.98,
      minP: 0.005,
      repeatPenalty: 1.1,
      presencePenalty: 0.2,
      frequencyPenalty: 0.1,
      dryMultiplier: 0.8,
      topNSigma: 4,
      typicalP: 0.97,
      xtcProbability: 0.3,
      xtcThreshold: 0.1,
      dynamicRange: 0.3,
      mirostat: 4,
      logitBias: { 70: 2 },
      banTokens: [66],
    },
  ],
];

for (const [name, options] of cases) {
  test(`${name}: draw by draw what the paper's formula draws`, async () => {
    for (const seed of [1n, 2n]) {
      const draws = 80;
      const result = async (of: Model) => {
        const generation = of.generate(PROMPT, { ...options, seed, maxTokens: draws });
        await generation.text();
        return generation.result!.tokens;
      };
      const tokens = await result(model);
      assert.equal(await result(scalar), tokens, "the scalar build draws the same");
      const oracle = new Oracle(options, seed, textOf);
      const seen = [...PROMPT];
      for (const [i, token] of tokens.entries()) {
        assert.is(token, oracle.next(logitsBehind(seen[seen.length - 1]), seen), `seed ${seed}, draw ${i}`);
        seen.push(token);
      }
      assert.is(tokens.length, draws);
    }
  });
}

for (const [name, options] of [
  ["XTC without another filter", { temperature: 1, xtcProbability: 0.6, xtcThreshold: 0.04 }],
  ["dynamic temperature without a filter", { temperature: 1, dynamicRange: 0.6 }],
  ["bans without a filter", { temperature: 1, banTokens: [1, 2, 17, 33], logitBias: { 7: 4 } }],
] as [string, Sampling][]) {
  test(`${name}: each token comes as often as it should`, async () => {
    const session = model.session();
    const counts = new Map<number, number>();
    const draws = 3000;
    session.append([65]);
    for (let i = 0; i < draws; i++) {
      const generation = session.generate(undefined, { ...options, maxTokens: 1, seed: i === 0 ? 1 : undefined });
      await generation.text();
      const [id] = generation.result!.tokens;
      counts.set(id, (counts.get(id) ?? 0) + 1);
      session.rewind(1);
    }
    const expected = new Map<number, number>();
    const chances = options.xtcProbability ?? 0;
    for (const [share, probability] of [
      [chances, 1],
      [1 - chances, 0],
    ]) {
      const of = new Oracle({ ...options, xtcProbability: probability }, 0n);
      for (const [id, p] of of.distribution(logitsBehind(65), [65]))
        expected.set(id, (expected.get(id) ?? 0) + share * p);
    }
    for (const id of counts.keys()) assert.ok(expected.has(id), `${id} should never come`);
    assertFrequencies(counts, expected, draws);
  });
}

test("greedy: the largest behind biases and penalties", async () => {
  const first = async (options: object) => {
    const generation = model.generate([65], { maxTokens: 1, ...options });
    await generation.text();
    return generation.result!.tokens[0];
  };
  const order = [...logitsBehind(65).keys()].sort((a, b) => logitsBehind(65)[b] - logitsBehind(65)[a]);
  assert.is(await first({}), order[0]);
  assert.is(await first({ banTokens: order.slice(0, 3) }), order[3]);
  assert.is(await first({ logitBias: { [order[0]]: -100 } }), order[1]);
  assert.is(await first({ logitBias: { [order[200]]: 100 } }), order[200]);
  assert.is(await first({ forceTokens: [order[100], order[90]] }), order[90]);
  assert.is(await first({ forceTokens: [order[100], order[90]], banTokens: [order[90]] }), order[100]);
  const none = await errorOf(() => first({ forceTokens: [7], banTokens: [7] }));
  assert.is(none.code, "BAD_ARGUMENT");
  assert.match(none.message, /every token is banned/);
  for (const temperature of [0, 1]) {
    const all = Array.from({ length: SCRIPT_VOCABULARY }, (_, i) => i);
    assert.match((await errorOf(() => first({ temperature, banTokens: all }))).message, /every token is banned/);
  }
});

test("onLogits sees the model's logits and the tokens, and the draw is from what it leaves; logprobs stay raw", async () => {
  const draws = generator(5);
  const shown: number[][] = [];
  const wanted = Array.from({ length: 12 }, () => Math.floor(draws() * END));
  const generation = model.generate([65, 66], {
    maxTokens: wanted.length,
    logprobs: 2,
    onLogits: async (logits, tokens) => {
      assert.equal(logits, logitsBehind(tokens[tokens.length - 1]));
      shown.push([...tokens]);
      if (shown.length % 2) await new Promise((resolve) => setTimeout(resolve, 1));
      logits.fill(0);
      logits[wanted[shown.length - 1]] = 1;
    },
  });
  const pieces = [];
  for await (const piece of generation) pieces.push(piece);
  assert.equal(generation.result!.tokens, wanted);
  assert.equal(
    shown,
    wanted.map((_, i) => [65, 66, ...wanted.slice(0, i)]),
  );
  for (const [i, { token, logprob, top }] of pieces.entries()) {
    const raw = logitsBehind([66, ...wanted][i]);
    const sum = Math.log(raw.reduce((all, logit) => all + Math.exp(logit), 0));
    assert.ok(Math.abs(logprob! - (raw[token] - sum)) < 1e-5);
    assert.ok(Math.abs(top![0].logprob - (Math.max(...raw) - sum)) < 1e-5);
  }
  // NaN and infinities of a host's are no worse than a model's.
  const odd = model.generate([65], {
    maxTokens: 3,
    temperature: 1,
    onLogits: (logits) => void logits.fill(Number.NaN),
  });
  await odd.text();
  assert.is(odd.result!.tokens.length, 3);
});

test("a hook that throws, or a signal, ends the generation, and the session goes on", async () => {
  const session = model.session();
  session.append([65]);
  const broken = await errorOf(() =>
    session.generate(undefined, { maxTokens: 3, onLogits: () => Promise.reject(new Error("mine")) }).text(),
  );
  assert.is(broken.message, "mine");
  const controller = new AbortController();
  const hangs = session.generate(undefined, { onLogits: () => new Promise(() => {}), signal: controller.signal });
  const ends = errorOf(() => hangs.text());
  setTimeout(() => controller.abort(new Error("enough")), 5);
  assert.is((await ends).message, "enough");
  const goes = await session.generate(undefined, { maxTokens: 4 }).text();
  assert.is(goes, await model.generate([65], { maxTokens: 4 }).text());
  const two = session.generate(undefined, { onLogits: () => void session.rewind(1) });
  assert.match((await errorOf(() => two.text())).message, /another generation/);
});

test("session.logits gives the logits behind the tokens, and leaves them as they are", async () => {
  const session = model.session();
  session.append([65, 66, 67]);
  assert.equal(await session.logits(), logitsBehind(67));
  assert.equal(session.tokens, [65, 66, 67]);
  const generation = session.generate(undefined, { maxTokens: 3 });
  await generation.text();
  assert.equal(await session.logits(), logitsBehind(session.tokens[session.tokens.length - 1]));
  const none = model.session();
  assert.match((await errorOf(() => none.logits())).message, /no tokens/);
});

test("options out of range, of another kind, or of no name are refused in words", async () => {
  const cases: [options: object, words: RegExp][] = [
    [{ repeatWindow: -1 }, /repeatWindow is a whole number from 0 to 1000000/],
    [{ presencePenalty: 101 }, /presence penalty must lie between -100 and 100/],
    [{ frequencyPenalty: Number.NaN }, /frequency penalty must lie/],
    [{ dryMultiplier: -1 }, /multiplier of DRY must lie between 0 and 100/],
    [{ dryBase: 0.5 }, /base of DRY must lie between 1 and 100/],
    [{ dryAllowedLength: 0 }, /dryAllowedLength is a whole number from 1 to 200/],
    [{ dryMultiplier: 1, dryBreakers: [""] }, /at least one byte/],
    [{ dryMultiplier: 1, dryBreakers: ["x".repeat(5000)] }, /4096 bytes/],
    [{ dryBreakers: 5 }, /dryBreakers is a list/],
    [{ topNSigma: -1 }, /top-n-sigma must lie between 0 and 1000/],
    [{ typicalP: 1.5 }, /typical-p must lie between 0 and 1/],
    [{ typical: 1 }, /did you mean typicalP\?/],
    [{ xtcProbability: 2 }, /probability of XTC/],
    [{ xtcThreshold: -1 }, /threshold of XTC/],
    [{ dynamicRange: -1 }, /range of the temperature/],
    [{ dynamicExponent: -1 }, /exponent of the temperature/],
    [{ mirostat: -1 }, /mirostat's surprise/],
    [{ mirostatRate: 1e9 }, /mirostat's rate/],
    [{ logitBias: [1] }, /logitBias is an object of token ids/],
    [{ logitBias: { a: 1 } }, /a of logitBias is not a token id/],
    [{ logitBias: { 1: "x" } }, /logitBias\[1\] is a number, not x/],
    [{ logitBias: { 1: Number.NaN } }, /logitBias\[1\] is a number/],
    [{ logitBias: { 320: 1 } }, /token 320 is not in the vocabulary of 320/],
    [{ banTokens: [1.5] }, /1.5 is not a token id/],
    [{ banTokens: [4000000000] }, /not in the vocabulary/],
    [{ forceTokens: [] }, /names one token at least/],
    [{ onLogits: 5 }, /onLogits is a function/],
    [{ presencepenalty: 1 }, /did you mean presencePenalty\?/],
  ];
  for (const [options, words] of cases) {
    const error = await errorOf(() => model.generate([65], options).text());
    assert.is(error.code, "BAD_ARGUMENT", JSON.stringify(options));
    assert.match(error.message, words);
  }
});

test("no option of one generation is left for the next", async () => {
  const session = model.session();
  const plain = { temperature: 1, seed: 3, maxTokens: 8 };
  const all = cases[cases.length - 1][1];
  session.append([65]);
  const first = await session.generate(undefined, plain).text();
  session.rewind(1);
  await session.generate(undefined, { ...all, maxTokens: 8, banTokens: [1, 2, 3] }).text();
  session.rewind(1);
  assert.is(await session.generate(undefined, plain).text(), first);
});

test("a context that grows, and a saved session, go on with all of it", async () => {
  const tiny = await Model.load(modelBytes("llama-tiny", "Q8_0"));
  const { banTokens, ...all } = cases[cases.length - 1][1];
  const options = { ...all, banTokens: [...banTokens!, 0, 1, 2], maxTokens: 600, seed: 5 };
  const grown = tiny.generate([5, 6, 7], options);
  const large = tiny.generate([5, 6, 7], { ...options, context: 1024 });
  await Promise.all([grown.text(), large.text()]);
  assert.equal(grown.result!.tokens, large.result!.tokens);
  // What is saved goes on with its own numbers; its options are those of the next call.
  const [whole, half] = [tiny.session(), tiny.session()];
  const mirostat = { temperature: 1, mirostat: 3, maxTokens: 20 };
  for (const session of [whole, half]) await session.generate([5, 6], { ...mirostat, seed: 4 }).text();
  const restored = tiny.restore(half.save());
  assert.is(await restored.generate(undefined, mirostat).text(), await whole.generate(undefined, mirostat).text());
});

test.run();
