/**
 * Tables that stay in their file: the same bits as in memory, whatever the size of the row cache and of the chunks, with
 * each row read once while the cache holds it; and what happens when the file, the host or the caller gives up.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SHAPES } from "../scripts/architectures.mjs";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { randomModel } from "../scripts/random-models.mjs";
import { assertBits, Code, Engine, type EngineModel, prompt, refuses, Streamed, spread } from "./support/engine.ts";

/** Its head is its own, so the embedding is a table. */
const LLAMA = {
  architecture: "llama",
  layers: 2,
  hidden: 64,
  heads: 4,
  kvHeads: 2,
  headSize: 16,
  ffn: 64,
  vocabulary: 320,
  context: 256,
  theta: 1e4,
  epsilon: 1e-5,
  pre: "gpt-2",
} as const;

const MODELS = {
  "a llama, its embedding": encodeGguf(randomModel(LLAMA, "Q8_0")),
  "a llama of floats, its embedding": encodeGguf(randomModel(LLAMA, "F32")),
  "a gemma4, inputs of its layers": encodeGguf(makeModel("gemma4-tiny", "Q8_0")),
  "a gemma4, its embedding and inputs of its layers": encodeGguf(
    randomModel({ ...SHAPES["gemma4-tiny"], tied: false }, "Q4_0"),
  ),
  "a MemoryFormer of bytes": encodeGguf(makeModel("memoryformer-tiny", "Q8_0")),
  "a MemoryFormer of four bits": encodeGguf(makeModel("memoryformer-tiny", "Q4_0")),
  "a MemoryFormer of halves": encodeGguf(makeModel("memoryformer-tiny", "F16")),
};
const IDS = spread(100).map((id) => id % 300);
const CACHES = [0, 1, 3000, 20_000, 8 << 20];

const figures = (model: EngineModel) => {
  const { core } = model.engine;
  const of = (name: string) => Number(core.exports[`model_${name}`](model.handle));
  return { wanted: of("rows_wanted"), read: of("rows_read"), bytes: of("row_bytes_read") };
};

for (const [name, file] of Object.entries(MODELS)) {
  for (const build of ["portable", "scalar"] as const) {
    test(`${name}, ${build}: the bits of the resident model, with any cache and any chunks`, () => {
      const engine = new Engine(build);
      const resident = engine.load(file);
      const want = resident.context({ rows: 128, batch: 100 }).runChunks(prompt(IDS), 100);
      for (const rowCache of CACHES) {
        const model = engine.load(file, false, { streamed: Streamed.TABLES, rowCache });
        for (const chunk of [1, 7, 100]) {
          const context = model.context({ rows: 128, batch: chunk });
          assertBits(context.runChunks(prompt(IDS), chunk), want, `cache of ${rowCache}, chunks of ${chunk}`);
          context.release();
        }
        model.release();
      }
    });
  }

  test(`${name}: memory is planned to the byte, and comes back`, () => {
    const engine = new Engine();
    const before = engine.used;
    for (const rowCache of CACHES) {
      const model = engine.open(file, false, { streamed: Streamed.TABLES, rowCache });
      while (model.state < 1) model.step();
      const planned = engine.used;
      const plan = model.planBytes;
      while (model.state < 2) model.step();
      assert.is(engine.used - planned, plan);
      while (model.step() !== 0);
      const shape = { rows: 32, batch: 8 };
      const own = engine.used;
      const context = model.context(shape);
      assert.is(engine.used - own, model.contextBytes(shape));
      context.release();
      model.release();
      assert.is(engine.used, before);
    }
  });
}

test("a row is read once while the cache holds it, and what was wanted is counted", () => {
  const engine = new Engine();
  const file = MODELS["a llama, its embedding"];
  const model = engine.load(file, false, { streamed: Streamed.TABLES, rowCache: 8 << 20 });
  const context = model.context({ rows: 256, batch: 8 });
  const tokens = [3, 5, 3, 3, 9];
  context.run(prompt(tokens));
  assert.equal(figures(model), { wanted: 5, read: 3, bytes: 3 * 68 });
  context.run(prompt(tokens, 5));
  assert.equal(figures(model), { wanted: 10, read: 3, bytes: 3 * 68 });
});

test("a pass that is given up between request and answer leaves no trace", () => {
  const engine = new Engine();
  const file = MODELS["a llama, its embedding"];
  const model = engine.load(file, false, { streamed: Streamed.TABLES, rowCache: 4000 });
  const want = engine
    .load(file)
    .context({ rows: 64, batch: 8 })
    .run(prompt(IDS.slice(0, 8)));
  const context = model.context({ rows: 64, batch: 8 });
  const other = model.context({ rows: 64, batch: 8 });
  // Asked, not answered.
  context.begin(prompt(IDS.slice(20, 28)));
  assert.is(engine.do("context_step", context.handle), 2);
  assert.is(engine.core.call("context_request_count", context.handle), 8);
  assertBits(other.run(prompt(IDS.slice(0, 8))), want, "another context meanwhile");
  engine.core.call("context_abort", context.handle);
  assertBits(context.run(prompt(IDS.slice(0, 8))), want, "the same context after it");
});

test("what may stay in the file is said before loading, and is one of three", () => {
  const engine = new Engine();
  const model = engine.open(MODELS["a llama, its embedding"]);
  refuses(
    () => engine.do("model_stream", model.handle, 3, 0),
    Code.BAD_ARGUMENT,
    /0 nothing, 1 all weights, or 2 tables/,
  );
  while (model.state < 1) model.step();
  refuses(() => engine.do("model_stream", model.handle, 2, 0), Code.WRONG_STATE, /before loading begins/);
});

test.run();
