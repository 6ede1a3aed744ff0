/**
 * Speculation: the text, the tokens and their log probabilities are those of plain decoding to the bit, however tokens
 * are chosen and wherever drafts come from; passes that drafts have shared leave nothing behind.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { address } from "../bindings/memory.ts";
import { Status } from "../bindings/numbers.ts";
import { type GenerateOptions, type Generation, Model, type Speculate } from "../src/index.ts";
import { Code, Engine, EngineSession } from "./support/engine.ts";
import { errorOf, modelBytes } from "./support/models.ts";
import { wholeNumbers } from "./support/random.ts";
import { SCRIPT_VOCABULARY, scriptedModel } from "./support/scripted.ts";

/** Attention, latent attention, windows, a recurrent state alone, and one beside attention. */
const SHAPES = ["llama-tiny", "plm-1m", "gemma3-tiny", "mamba2-tiny", "lfm2-tiny"];
const models = new Map<string, Model>();
for (const shape of SHAPES) models.set(shape, await Model.load(modelBytes(shape, "Q8_0")));
const tiny = models.get("llama-tiny")!;
/** A model that drafts what the other will say, and one that seldom does. */
const twin = await Model.load(modelBytes("llama-tiny", "Q8_0"));
const stranger = await Model.load(modelBytes("llama-tiny", "Q4_0"));

interface Whole {
  readonly text: string;
  readonly tokens: number[];
  readonly pieces: unknown[];
  readonly finishReason: string;
  readonly stopString?: string;
}

let [drafted, accepted] = [0, 0];

async function whole(generation: Generation): Promise<Whole> {
  const pieces: unknown[] = [];
  for await (const piece of generation) pieces.push(piece);
  const { text, tokens, finishReason, stopString, ...figures } = generation.result!;
  drafted += figures.drafted ?? 0;
  accepted += figures.accepted ?? 0;
  return { text, tokens, finishReason, stopString, pieces };
}

const draw = wholeNumbers(19);
/** A text of a few tokens that come again and again, and now and then another. */
function repeating(model: Model, length: number): number[] {
  const few = Array.from({ length: 7 }, () => 3 + draw(model.info.vocabulary - 3));
  return Array.from({ length }, (_, i) => (draw(9) === 0 ? 3 + draw(model.info.vocabulary - 3) : few[i % 7]));
}

const CHOICES: GenerateOptions[] = [
  {},
  { temperature: 0.3, topK: 4, seed: 1 },
  { temperature: 0.7, topK: 40, topP: 0.9, repeatPenalty: 1.1, seed: 2, logprobs: 3 },
  { temperature: 0.2, presencePenalty: 0.3, dryMultiplier: 0.8, dryAllowedLength: 3, mirostat: 2, seed: 3 },
  { temperature: 0.4, xtcProbability: 0.3, logitBias: { 40: 2, 41: Number.NEGATIVE_INFINITY }, minP: 0.05, seed: 4 },
  { forceTokens: [40, 41, 42], temperature: 1, seed: 5 },
];

for (const [shape, model] of models) {
  test(`${shape}: drafts that are looked up change no text, token or log probability`, async () => {
    [drafted, accepted] = [0, 0];
    for (const [i, options] of CHOICES.entries()) {
      const prompt = repeating(model, [30, 90, 6][i % 3]);
      const plain = await whole(model.generate(prompt, { ...options, maxTokens: 48 }));
      for (const speculate of ["prompt", "auto"] as const) {
        const told = await whole(model.generate(prompt, { ...options, maxTokens: 48, speculate }));
        assert.equal(told, plain, `${speculate}, ${JSON.stringify(options)}`);
      }
    }
    assert.ok(accepted > 0 && drafted > accepted, `${accepted} of ${drafted}`);
  });
}

test("a model drafts: all comes true of its twin, and little of a stranger; the text is the same", async () => {
  for (const [i, options] of CHOICES.entries()) {
    const prompt = repeating(tiny, 20 + i);
    const plain = await whole(tiny.generate(prompt, { ...options, maxTokens: 40 }));
    for (const draft of [twin, stranger]) {
      [drafted, accepted] = [0, 0];
      const told = await whole(tiny.generate(prompt, { ...options, maxTokens: 40, speculate: { draft, tokens: 5 } }));
      assert.equal(told, plain, JSON.stringify(options));
      if (draft === twin && i === 0) assert.is(accepted, drafted);
      assert.ok(drafted > 0);
    }
  }
  // A recurrent one goes back to its marks.
  const mamba = models.get("mamba2-tiny")!;
  const other = await Model.load(modelBytes("mamba2-tiny", "Q4_0"));
  const plain = await whole(mamba.generate([5, 6, 7], { maxTokens: 30 }));
  assert.equal(await whole(mamba.generate([5, 6, 7], { maxTokens: 30, speculate: { draft: other } })), plain);
  other.dispose();
});

test("grammars, stop strings, hooks, thoughts and several answers are those without", async () => {
  const prompt = tiny.tokenize('"alpha": 1, "beta": 2, "alpha": 1, "beta": 2, <think>', { bos: true });
  const all: GenerateOptions[] = [
    { regex: '("alpha": [0-9], |"beta": [0-9], ){1,6}', temperature: 1, seed: 3 },
    { schema: { type: "array", items: { enum: ["alpha", "beta"] }, maxItems: 6 }, seed: 2 },
    { choice: ["alpha beta", "alpha gamma"], temperature: 0.5, seed: 7 },
    { reasoning: { budget: 5 }, temperature: 0.3, seed: 1 },
    { banTokens: [0, 1, 2], onLogits: (logits) => void (logits[70 + (draw(2) & 0)] += 30) },
  ];
  const { text } = await whole(tiny.generate(prompt, { maxTokens: 30 }));
  all.push({ stop: [text.slice(12, 14), text.slice(7, 9)] });
  for (const options of all) {
    const plain = await whole(tiny.generate(prompt, { ...options, maxTokens: 60 }));
    for (const speculate of ["prompt", { draft: twin, tokens: 15 }] as Speculate[]) {
      assert.equal(await whole(tiny.generate(prompt, { ...options, maxTokens: 60, speculate })), plain);
    }
  }
  const several = { n: 3, temperature: 0.3, topK: 5, seed: 5, maxTokens: 30 };
  const plain = tiny.generate(prompt, several);
  await plain.text();
  const told = tiny.generate(prompt, { ...several, speculate: "prompt" });
  await told.text();
  assert.equal(told.result!.answers, plain.result!.answers);
  assert.ok(told.result!.drafted! >= told.result!.accepted!);
});

test("sessions go on, shift, grow and are saved behind drafts as without", async () => {
  const run = async (speculate: Speculate): Promise<unknown[]> => {
    const said: unknown[] = [];
    const session = tiny.session({ context: 96, overflow: "shift", keep: 5 });
    for (let i = 0; i < 4; i++) {
      const prompt = [5, 6, 7, 8, 9, 5, 6, 7].map((id) => id + i);
      said.push(await whole(session.generate(prompt, { maxTokens: 45, temperature: 0.2, topK: 3, speculate })));
      said.push(session.tokens, Array.from(await session.logits()));
    }
    const left = session.generate([5, 6, 7], { maxTokens: 30, speculate });
    for (let i = 0; i < 11; i++) await left.next();
    await left.return();
    const copy = tiny.restore(session.save(), { context: 96 });
    said.push(copy.tokens, await whole(copy.generate([9], { maxTokens: 12, speculate })));
    session.rewind(20);
    said.push(await whole(session.generate([5], { maxTokens: 9, speculate })));
    session.dispose();
    copy.dispose();
    // More than the context holds at first.
    const grows = tiny.session();
    said.push(await whole(grows.generate(repeating(tiny, 0).concat([5, 6, 7, 5, 6]), { maxTokens: 560, speculate })));
    grows.dispose();
    return said;
  };
  const plain = await run(false);
  assert.equal(await run("prompt"), plain);
  assert.equal(await run({ draft: twin }), plain);
});

test("in a batch the text of each is what it is alone without drafts, whoever is aborted", async () => {
  for (const shape of ["llama-tiny", "plm-1m", "mamba2-tiny"]) {
    const model = models.get(shape)!;
    const all = Array.from({ length: 7 }, (_, i) => {
      const options = { ...CHOICES[i % CHOICES.length], maxTokens: 6 + ((i * 7) % 30) };
      return [repeating(model, [1, 5, 70, 30, 9, 64, 100][i]), options] as const;
    });
    const alone: Whole[] = [];
    for (const [prompt, options] of all) alone.push(await whole(model.generate(prompt, options)));
    const batch = model.batch({ sequences: 4, context: 160, speculate: "prompt" });
    [drafted, accepted] = [0, 0];
    const controller = new AbortController();
    const aborted = errorOf(async () => {
      let count = 0;
      const options = { maxTokens: 60, signal: controller.signal };
      for await (const _ of batch.generate(repeating(model, 40), options)) {
        if (++count === 9) controller.abort(new Error("enough"));
      }
    });
    assert.equal(await Promise.all(all.map(([prompt, options]) => whole(batch.generate(prompt, options)))), alone);
    assert.is((await aborted).message, "enough");
    assert.ok(accepted > 0, shape);
    const error = await errorOf(() => batch.generate([5], { speculate: "prompt" }).text());
    assert.is(error.message, "speculate is an option of the batch: its sessions share their passes");
    batch.dispose();
  }
});

test("a pass has the tokens of the session and its drafts; rows of those that were wrong are free again", async () => {
  const { tokens } = await whole(tiny.generate([5, 6, 7], { maxTokens: 7 }));
  const wrong = Uint32Array.from(tokens.slice(1, 6), (id) => (id + 1) % tiny.info.vocabulary);
  const engine = new Engine("portable");
  const context = engine.load(modelBytes("llama-tiny", "Q8_0")).context({ rows: 64, batch: 64, logitRows: 8 });
  const session = new EngineSession(context);
  const { core } = session;
  const figures = () => [...core.u32(address(core.call("session_speculation", session.handle)), 4)];
  const step = () => {
    let status: number = Status.MORE;
    while (status === Status.MORE) status = engine.check(core.call("session_step", session.handle));
    return status === Status.TOKEN ? core.call("session_token", session.handle) : -1;
  };
  const draft = (ids: Uint32Array) => {
    const pointer = core.put(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength));
    const status = core.call("session_draft", session.handle, pointer, ids.length);
    core.release(pointer);
    return status;
  };
  engine.do("session_speculate", session.handle, 0, 15);
  assert.is(core.call("session_speculate", session.handle, 0, 16), Code.BAD_ARGUMENT);
  session.append([5, 6, 7]);
  engine.do("session_begin", session.handle, 20, 0, 0);
  assert.is(step(), tokens[0]);
  assert.is(draft(Uint32Array.from({ length: 16 })), Code.BAD_ARGUMENT);
  assert.is(draft(Uint32Array.of(2 ** 32 - 1)), Code.BAD_ARGUMENT);
  assert.is(draft(wrong), 0);
  assert.is(step(), tokens[1]);
  assert.equal(figures(), [5, 0, 1, 0]);
  // What is evaluated is the prompt and the first token.
  assert.is(session.evaluated, 4);
  assert.is(core.call("sequence_rows", context.handle, 0, 0), 4);
  // Three come true, and one does not.
  assert.is(draft(Uint32Array.from([...tokens.slice(2, 5), wrong[4]])), 0);
  assert.is(step(), tokens[2]);
  assert.is(core.call("sequence_rows", context.handle, 0, 0), 9);
  // Drafts are for a pass, and none is wanted now.
  assert.is(draft(wrong), Code.WRONG_STATE);
  for (const token of tokens.slice(3, 6)) assert.is(step(), token);
  assert.equal(figures(), [9, 3, 2, 1]);
  assert.is(core.call("sequence_rows", context.handle, 0, 0), 8);
  core.call("session_stop", session.handle);
  assert.is(session.evaluated, 8);
});

test("what is no draft is refused in words", async () => {
  const refused = async (speculate: unknown): Promise<string> => {
    const error = await errorOf(() => tiny.generate("x", { speculate: speculate as Speculate, maxTokens: 3 }).text());
    return `${error.code}: ${error.message}`;
  };
  assert.is(await refused("always"), 'BAD_ARGUMENT: speculate is "prompt" or "auto", not "always"');
  assert.is(await refused(true), 'BAD_ARGUMENT: speculate is "prompt" or "auto", not "true"');
  assert.is(await refused({}), "BAD_ARGUMENT: speculate.draft is a model, not undefined");
  assert.match(
    await refused({ draft: {} }),
    /^BAD_ARGUMENT: speculate.draft is a Model that was loaded in this thread/,
  );
  assert.match(await refused({ draft: tiny }), /a model does not draft for itself/);
  assert.match(await refused({ draft: twin, tokens: 16 }), /whole number from 1 to 15/);
  assert.match(await refused({ draft: twin, count: 3 }), /there is no option count/);
  const other = await Model.load(scriptedModel(() => new Float32Array(SCRIPT_VOCABULARY)));
  assert.match(await refused({ draft: other }), /^BAD_ARGUMENT: the draft model has another vocabulary/);
  other.dispose();
  assert.is(await refused({ draft: other }), "WRONG_STATE: the draft model was disposed of");
});

test.run();
