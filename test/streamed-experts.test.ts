/**
 * Experts that stay in their file: the same bits as in memory, whatever the size of their cache, of the chunks and of the
 * slices of work; what is wanted is asked for in one list a layer and counted; and what happens when contexts take each
 * other's places, when a pass is given up, and when a matrix holds what is no number.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Status } from "../bindings/numbers.ts";
import { encodeGguf, tensorBytes } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import {
  assertBits,
  Code,
  Engine,
  type EngineModel,
  modelBytes,
  prompt,
  refuses,
  Streamed,
  spread,
} from "./support/engine.ts";
import { feed } from "./support/feed.ts";

const IDS = spread(24).map((id) => id % 300);
const { DONE, MORE, NEED_DATA } = Status;
/** No more than a token takes, a few slabs, and all of them. */
const CACHES = [0, 300_000, 1 << 30];

const streaming = (slabCache: number, streamed: number = Streamed.NOTHING) => ({ streamed, rowCache: 0, slabCache });

const figures = (model: EngineModel) => {
  const { core } = model.engine;
  const of = (name: string) => Number(core.exports[`model_${name}`](model.handle));
  return { wanted: of("slabs_wanted"), read: of("slabs_read"), bytes: of("slab_bytes_read") };
};

const MODELS = [
  ["qwen3moe-tiny", "Q4_0"],
  ["gpt-oss-tiny", "Q8_0"],
  ["gpt-oss-tiny", "MXFP4"],
  ["deepseek2-tiny", "Q8_0"],
  ["llama4-tiny", "Q4_0"],
  ["gemma4-experts", "F32"],
  ["cohere2moe-tiny", "TQ1_0"],
] as const;

for (const [kind, type] of MODELS) {
  test(`${kind} in ${type}: the bits of the resident model, with any cache, any chunks and any slices`, () => {
    const engine = new Engine();
    const file = modelBytes(kind, type);
    const want = engine.load(file).context({ rows: 32, batch: 24 }).runChunks(prompt(IDS), 24);
    for (const slabCache of CACHES) {
      const model = engine.load(file, false, streaming(slabCache));
      for (const chunk of [1, 5, 24]) {
        const context = model.context({ rows: 32, batch: chunk });
        if (chunk !== 5) engine.core.call("context_set_step_work", context.handle, 20_000n);
        assertBits(context.runChunks(prompt(IDS), chunk), want, `cache of ${slabCache}, chunks of ${chunk}`);
        context.release();
      }
      model.release();
    }
  });
}

for (const streamed of [Streamed.ALL, Streamed.TABLES]) {
  test(`what stays in the file beside experts (${streamed}) changes no bit`, () => {
    for (const build of ["portable", "scalar"] as const) {
      const engine = new Engine(build);
      const file = modelBytes("qwen3moe-tiny", "Q8_0");
      const want = engine.load(file).context().run(prompt(IDS));
      assertBits(engine.load(file, false, streaming(0, streamed)).context().run(prompt(IDS)), want, build);
    }
  });
}

test("memory is planned to the byte, stays below what is resident, and comes back", () => {
  const engine = new Engine();
  const before = engine.used;
  const file = modelBytes("gpt-oss-tiny", "Q8_0");
  const resident = engine.load(file);
  const most = engine.used - before;
  resident.release();
  for (const slabCache of CACHES) {
    const model = engine.open(file, false, streaming(slabCache));
    while (model.state < 1) model.step();
    const planned = engine.used;
    const plan = model.planBytes;
    while (model.state < 2) model.step();
    assert.is(engine.used - planned, plan);
    while (model.step() !== DONE);
    const shape = { rows: 32, batch: 8 };
    const own = engine.used;
    if (slabCache < CACHES[2]) assert.ok(own - before < most);
    const context = model.context(shape);
    assert.is(engine.used - own, model.contextBytes(shape));
    context.release();
    model.release();
    assert.is(engine.used, before);
  }
});

test("a token asks once a layer, for its slabs that are not there; what was wanted, read and hit is counted", () => {
  const engine = new Engine();
  const file = modelBytes("qwen3moe-tiny", "Q8_0");
  const model = engine.load(file, false, streaming(1 << 30));
  const context = model.context({ rows: 32, batch: 8 });
  const lists = (id: number, position: number): number[] => {
    const counts: number[] = [];
    context.begin(prompt([id], position));
    for (let status: number = MORE; status !== DONE; ) {
      status = engine.do("context_step", context.handle);
      if (status !== NEED_DATA) continue;
      counts.push(engine.core.call("context_request_count", context.handle));
      feed(engine.core, "context", context.handle, file);
    }
    return counts;
  };
  const used = 4 * 3;
  assert.equal(lists(7, 0), [used, used, used]);
  const { wanted, read, bytes } = figures(model);
  assert.equal([wanted, read], [3 * used, 3 * used]);
  const bytesOfExperts = Number(engine.core.exports.model_expert_bytes(model.handle));
  assert.is(bytes, (bytesOfExperts * 4) / 8, "four of eight experts");
  context.run(prompt([9, 200, 31, 44, 5, 6], 1));
  lists(8, 7);
  const before = figures(model);
  const seen = lists(8, 8).reduce((sum, count) => sum + count, 0);
  const after = figures(model);
  assert.is(after.wanted - before.wanted, 3 * used);
  assert.is(after.read - before.read, seen);
  assert.ok(seen < 3 * used, "some were there");
});

test("contexts that take each other's places in the smallest cache go on, each with its own bits", () => {
  const engine = new Engine();
  const file = modelBytes("granitemoe-tiny", "Q8_0");
  const [one, other] = [IDS.slice(0, 6), IDS.slice(6, 18)];
  const resident = engine.load(file);
  const want = [one, other].map((ids) => resident.context({ rows: 32, batch: 12 }).run(prompt(ids)));
  const model = engine.load(file, false, streaming(0));
  const contexts = [one, other, one].map((ids) => {
    const context = model.context({ rows: 32, batch: 12 });
    engine.core.call("context_set_step_work", context.handle, 1n);
    context.begin(prompt(ids));
    return { context, ids, status: MORE as number };
  });
  for (let turn = 0; contexts.some(({ status }) => status !== DONE); turn++) {
    assert.ok(turn < 20_000, "it comes to an end");
    const own = contexts[turn % 3];
    if (own.status === NEED_DATA) feed(engine.core, "context", own.context.handle, file);
    if (own.status !== DONE) own.status = engine.do("context_step", own.context.handle);
  }
  for (const { context, ids } of contexts)
    assertBits(context.logits(ids.length), want[ids === one ? 0 : 1], "its bits");
});

test("sequences side by side, and a pass that was given up between request and answer", () => {
  const engine = new Engine();
  const file = modelBytes("deepseek2-tiny", "Q8_0");
  const shape = { rows: 64, batch: 16, sequences: 3 };
  const tokens = [0, 1, 2].flatMap((sequence) => prompt(IDS.slice(sequence * 4, sequence * 4 + 4), 0, sequence));
  const want = engine.load(file).context(shape).run(tokens);
  const context = engine.load(file, false, streaming(0)).context(shape);
  context.begin(prompt(IDS.slice(0, 9)));
  let status: number = MORE;
  while (status === MORE) status = engine.do("context_step", context.handle);
  assert.is(status, NEED_DATA);
  engine.core.call("context_abort", context.handle);
  assertBits(context.run(tokens), want, "the bits of the resident model");
});

test("a matrix with a scale that is no number is refused by name when it is read, and others go on", () => {
  const file = makeModel("qwen3moe-tiny", "Q8_0");
  const tensor = file.tensors.find(({ name }) => name === "blk.1.ffn_up_exps.weight")!;
  const { fill } = tensor;
  const slab = tensorBytes(tensor.type, tensor.shape) / 8;
  tensor.fill = (bytes) => {
    fill(bytes);
    // All experts but the first: a token goes to four.
    for (let i = 1; i < 8; i++) bytes.set([0, 0x7e], i * slab);
  };
  const engine = new Engine();
  const model = engine.load(encodeGguf(file), false, streaming(0));
  const context = model.context();
  for (let again = 0; again < 2; again++) {
    refuses(
      () => context.run(prompt(IDS)),
      Code.BAD_FILE,
      /blk\.1\.ffn_up_exps\.weight holds a value that is no finite/,
    );
    engine.core.call("context_abort", context.handle);
  }
  context.run(prompt(IDS.slice(0, 3)), { end: 1 });
});

test("that experts stay in the file is said before loading", () => {
  const engine = new Engine();
  const model = engine.open(modelBytes("qwen3moe-tiny", "Q8_0"));
  while (model.state < 1) model.step();
  refuses(() => engine.do("model_stream_experts", model.handle, 0), Code.WRONG_STATE, /before loading begins/);
});

test.run();
