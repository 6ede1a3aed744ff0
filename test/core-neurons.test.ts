/**
 * Core neurons: the sets and the logits of the float64 oracle; with all neurons, or all that fire, the bits of the model
 * itself; the same in any batch; what is saved, moved, rewound; what is refused; and rows that are nobody else's.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Status } from "../bindings/numbers.ts";
import { encodeGguf, tensorBytes } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { LimpetError, Model, type Neurons, type SessionOptions } from "../src/index.ts";
import golden from "./golden/core-neurons.json" with { type: "json" };
import { adapterBytes } from "./support/adapters.ts";
import { CORE, CORE_PROMPT } from "./support/core-neurons.ts";
import { Engine, EngineSession, F32 } from "./support/engine.ts";
import { errorOf, modelBytes } from "./support/models.ts";
import { fromBase64 } from "./support/peers.ts";

/** How far logits may be from the oracle's, as a share of the largest. */
const LIMIT = 1e-4;

/** Sessions with core neurons, as the core has them: `follow` gives tokens to the draws, one after the other. */
class CoreSession extends EngineSession {
  setNeurons(share: number, alpha: number, first = 0, end = 99): this {
    this.context.model.engine.do("session_set_neurons", this.handle, share, alpha, first, end);
    return this;
  }

  /** Has the session generate these tokens; gives the logits that each was drawn from, and those behind the last. */
  follow(tokens: readonly number[]): Float32Array[] {
    const { engine, vocabulary } = this.context.model;
    const seen: Float32Array[] = [];
    this.core.call("session_want_logits", this.handle, 1);
    this.begin(tokens.length + 1);
    while (seen.length <= tokens.length) {
      const status = engine.do("session_step", this.handle);
      if (status !== Status.LOGITS) continue;
      const logits = this.core.f32(this.core.call("session_logits", this.handle) >>> 0, vocabulary);
      seen.push(logits.slice());
      if (seen.length <= tokens.length) this.#write(tokens[seen.length - 1], vocabulary);
    }
    this.core.call("session_stop", this.handle);
    return seen;
  }

  /** The neurons of a layer; none: all are used. */
  neurons(layer: number): number[] {
    const count = this.core.call("session_neuron_count", this.handle, layer);
    return count ? [...this.core.u32(this.core.call("session_neurons", this.handle, layer) >>> 0, count)] : [];
  }

  #write(token: number, vocabulary: number): void {
    const values = new Float32Array(vocabulary).fill(-1e9);
    values[token] = 1e9;
    this.core.memory.write(this.core.call("session_logits", this.handle) >>> 0, new Uint8Array(values.buffer));
  }
}

const IDS = golden.tokens;
const PROMPT = IDS.slice(0, CORE_PROMPT);
const ANSWER = IDS.slice(CORE_PROMPT);

function session(engine: Engine, bytes: Uint8Array, batch = 32): CoreSession {
  return new CoreSession(engine.load(bytes).context({ rows: 256, batch, kv: F32 }));
}

for (const build of ["portable", "scalar"] as const) {
  for (const [i, { kind, type, share, alpha }] of CORE.entries()) {
    test(`${build}, ${kind} ${type}, α ${alpha}, β ${share}: sets and logits of the float64 oracle`, () => {
      const s = session(new Engine(build), modelBytes(kind, type)).setNeurons(share, alpha);
      s.append(PROMPT);
      const logits = s.follow(ANSWER).at(-1)!;
      const row = golden.models[i];
      const sets: number[][] = JSON.parse(row.sets);
      for (const [layer, set] of sets.entries()) assert.equal(s.neurons(layer), set, `layer ${layer}`);
      assert.equal(s.neurons(sets.length), [], "the last layer keeps all");
      const want = fromBase64(row.logits);
      const far = Math.max(...want.map((value, id) => Math.abs(value - logits[id])));
      assert.ok(far <= LIMIT * Math.max(...want.map(Math.abs)), `${far}`);
    });
  }
}

/** The logits of a whole answer, with these shares or without any. */
function answer(engine: Engine, bytes: Uint8Array, shares: readonly [share: number, alpha: number] | null, batch = 32) {
  const s = session(engine, bytes, batch);
  if (shares) s.setNeurons(...shares);
  s.append(PROMPT);
  return s.follow(ANSWER);
}

/** Asserts that two answers have the same logits to the bit. */
function same(got: readonly Float32Array[], want: readonly Float32Array[]): void {
  assert.is(got.length, want.length);
  for (const [i, row] of got.entries())
    assert.equal(new Uint8Array(row.buffer), new Uint8Array(want[i].buffer), `${i}`);
}

const engine = new Engine("portable");

for (const kind of ["llama-tiny", "plm-1m"]) {
  for (const type of ["F32", "F16", "Q8_0", "Q4_0", "Q4_1", "Q4_K", "Q6_K", "IQ4_XS"]) {
    test(`${kind} ${type}: all neurons give the bits of the model`, () => {
      const bytes = modelBytes(kind, type);
      same(answer(engine, bytes, [1, 0.4]), answer(engine, bytes, null));
    });
  }
}

/** A model of which the second half of all neurons never fires: their rows of `up` are zero, and so are the bytes of these. */
function halfAsleep(type: string): Uint8Array {
  const file = makeModel("plm-1m", type);
  const tensors = file.tensors.map((tensor) => {
    if (!tensor.name.includes("ffn_up")) return tensor;
    const rows = tensor.shape[1];
    const bytes = new Uint8Array(tensorBytes(tensor.type, tensor.shape));
    tensor.fill(bytes);
    const row = bytes.length / rows;
    bytes.fill(0, row * (rows / 2));
    let done = 0;
    return { ...tensor, fill: (chunk: Uint8Array) => void chunk.set(bytes.subarray(done, (done += chunk.length))) };
  });
  return new Uint8Array(encodeGguf({ ...file, tensors }));
}

for (const type of ["F32", "Q8_0", "Q4_0"]) {
  test(`ReLU², ${type}: where all that fire are among the core neurons, the bits are those of exact skipping`, () => {
    const bytes = halfAsleep(type);
    same(answer(engine, bytes, [0.5, 1]), answer(engine, bytes, null));
  });
}

test("the answer does not depend on how the prompt is cut", () => {
  for (const kind of ["llama-tiny", "arcee-tiny"]) {
    const bytes = modelBytes(kind, "Q4_0");
    const want = answer(engine, bytes, [0.3, 0.4]);
    for (const batch of [1, 7, 80]) same(answer(engine, bytes, [0.3, 0.4], batch), want);
  }
});

test("a short prompt is answered by all neurons until 64 tokens are counted", () => {
  const bytes = modelBytes("llama-tiny", "Q8_0");
  const [core, plain] = [session(engine, bytes).setNeurons(0.3, 0.4), session(engine, bytes)];
  for (const s of [core, plain]) s.append(PROMPT.slice(0, 50));
  const [got, want] = [core.follow(ANSWER.slice(0, 20)), plain.follow(ANSWER.slice(0, 20))];
  // The logits behind the prompt, and behind 14 tokens of the answer.
  same(got.slice(0, 15), want.slice(0, 15));
  assert.not.equal(got[15], want[15]);
  assert.is(core.neurons(0).length, 153);
});

test("another prompt is counted with the first, and chooses anew", () => {
  const s = session(engine, modelBytes("llama-tiny", "F32")).setNeurons(0.4, 0.4);
  s.append(PROMPT);
  s.follow(ANSWER.slice(0, 4));
  const first = s.neurons(1);
  s.append(ANSWER.slice(4));
  s.follow(ANSWER.slice(0, 2));
  assert.not.equal(s.neurons(1), first);
});

test("tokens that are taken back leave what was counted; with all of them it is forgotten", () => {
  const bytes = modelBytes("llama-tiny", "Q8_0");
  const want = answer(engine, bytes, [0.3, 0.4]);
  const s = session(engine, bytes).setNeurons(0.3, 0.4);
  s.append(PROMPT);
  s.follow(ANSWER.slice(0, 9));
  s.rewind(PROMPT.length);
  same(s.follow(ANSWER), want);
  s.rewind(0);
  s.append(ANSWER);
  s.follow(ANSWER.slice(0, 3));
  s.rewind(0);
  s.append(PROMPT);
  same(s.follow(ANSWER), want);
});

test("a saved session goes on with the same bits, before the first token and amid an answer", () => {
  for (const kind of ["llama-tiny", "plm-1m"]) {
    const bytes = modelBytes(kind, "Q8_0");
    const want = answer(engine, bytes, [0.3, 0.4]);
    const s = session(engine, bytes).setNeurons(0.3, 0.4);
    s.append(PROMPT);
    const fresh = () => session(engine, bytes).setNeurons(0.3, 0.4);
    const [unread, amid] = [fresh(), fresh()];
    unread.restore(s.save());
    same(unread.follow(ANSWER), want);
    s.follow(ANSWER.slice(0, 20));
    amid.restore(s.save());
    same(amid.follow(ANSWER.slice(20)), want.slice(20));
  }
});

const model = await Model.load(modelBytes("llama-tiny", "Q8_0"));
const HALF: Neurons = { policy: "core", share: 0.5 };
const made = (options: SessionOptions = {}) => model.session({ neurons: HALF, ...options });

test("a session grows, rests and goes on with the same answer; others of the model are as they were", async () => {
  const long = Array.from({ length: 480 }, (_, i) => 10 + ((i * 31) % 450));
  const options = { maxTokens: 60, temperature: 1, seed: 3, banTokens: [0, 1, 2] };
  const want = await made({ context: 1024 }).generate(long, options).text();
  assert.is(await made().generate(long, options).text(), want, "512 rows become 1024 amid the answer");
  const plain = await model.session().generate(long, options).text();
  assert.not.equal(plain, want);
  const resting = made();
  resting.append(long);
  const many = Array.from({ length: 12 }, () => model.session());
  for (const other of many) assert.is(await other.generate(long, options).text(), plain);
  assert.is(await resting.generate(undefined, options).text(), want);
  for (const other of [resting, ...many]) other.dispose();
});

test("rows of core neurons are nobody's beginning", async () => {
  const s = made();
  await s.generate(PROMPT, { maxTokens: 4 }).text();
  const bytes = s.save();
  const refuses = async (work: () => unknown) => {
    const { code, message } = await errorOf(work);
    assert.is(code, "BAD_FILE");
    assert.match(message, /saved with core neurons/);
  };
  await refuses(() => model.restore(bytes));
  await refuses(() => model.prefix({ tokens: [], bytes }));
  await refuses(() => model.restore(bytes, { neurons: { policy: "core", share: 0.4 } }));
  assert.equal(model.restore(bytes, { neurons: HALF }).tokens, s.tokens);
  // The model's own rows are anybody's.
  const prefix = await model.prefix(PROMPT);
  const options = { maxTokens: 4, banTokens: [0, 1, 2] };
  const own = await model.session({ prefix }).generate(undefined, options).text();
  assert.is(await made({ prefix }).generate(undefined, options).text(), own, "none of its tokens were counted");
});

test("the plan knows what a session takes", async () => {
  const { neurons, total } = await Model.plan(modelBytes("llama-tiny", "Q8_0"), { neurons: HALF });
  const without = await Model.plan(modelBytes("llama-tiny", "Q8_0"));
  assert.is(without.neurons, 0);
  assert.is(total, without.total + neurons);
  // Of three layers: half of gate and up, counts and sums; and what counts and packs them.
  const packed = 3 * 512 * 256 * (34 / 32);
  assert.ok(neurons > packed && neurons < 1.2 * packed, `${neurons}`);
});

test("what cannot be is refused", async () => {
  const refused = async (code: string, pattern: RegExp, work: () => unknown) => {
    const error = await errorOf(work);
    assert.instance(error, LimpetError);
    assert.is(error.code, code);
    assert.match(error.message, pattern);
  };
  for (const share of [0, -1, 1.5, Number.NaN]) {
    await refused("BAD_ARGUMENT", /share/, () => made({ neurons: { policy: "core", share } }));
  }
  const odd = (neurons: unknown) => made({ neurons: neurons as Neurons });
  await refused("BAD_ARGUMENT", /policy/, () => odd({}));
  await refused("BAD_ARGUMENT", /policy/, () => odd({ policy: "best" }));
  await refused("BAD_ARGUMENT", /layers/, () => odd({ policy: "core", layers: [2, 2] }));
  await refused("BAD_ARGUMENT", /layers/, () => odd({ policy: "core", layers: [4, 9] }));
  await refused("UNSUPPORTED", /SwiGLU or ReLU²/, () => odd({ policy: "core", layers: [3, 4] }));
  const gelu = await Model.load(modelBytes("gemma3-tiny", "Q8_0"));
  await refused("UNSUPPORTED", /SwiGLU or ReLU²/, () => gelu.session({ neurons: HALF }));
  const adapter = await model.adapter(adapterBytes("llama-tiny", { seed: 1 }));
  await refused("UNSUPPORTED", /not both/, () => made({ adapters: [[adapter, 1]] }));
  await refused("UNSUPPORTED", /policy of its cache/, () => made({ kv: { policy: "d2o", rows: 64 } }));
  const piece = await model.chunk(PROMPT);
  await refused("UNSUPPORTED", /compose without core neurons/, () => made().compose([piece, piece]));
  const s = made();
  await refused("UNSUPPORTED", /not both/, () => s.generate(PROMPT, { adapters: [[adapter, 1]] }).text());
  const core = session(engine, modelBytes("llama-tiny", "Q8_0"));
  core.append(PROMPT);
  assert.throws(() => core.setNeurons(0.4, 0.4), /before a session has tokens/);
  const shared = engine.load(modelBytes("llama-tiny", "Q8_0")).context({ rows: 64, sequences: 2 });
  assert.throws(() => new CoreSession(shared).setNeurons(0.4, 0.4), /shares its context with no other/);
});
test.run();
