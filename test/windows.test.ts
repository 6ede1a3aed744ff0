/**
 * Layers with a window: rows that no later token sees give their room to others, and nothing that a token answers
 * depends on when they do; a sequence goes back as far as its rows reach, and is made anew where they do not.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SHAPES } from "../scripts/architectures.mjs";
import { encodeGguf } from "../scripts/gguf-writer.mjs";
import { makeModel } from "../scripts/make-model.mjs";
import { randomModel } from "../scripts/random-models.mjs";
import { key } from "./support/changes.ts";
import { assertBits, type BatchToken, Engine, F16, modelBytes, prompt, spread } from "./support/engine.ts";

const TOKENS = 100;
const WINDOW = SHAPES["gemma3-tiny"].window ?? 0;
const LOCAL = 0;
const GLOBAL = 5;
const ids = spread(TOKENS);
const engines = { portable: new Engine("portable"), scalar: new Engine("scalar") };

for (const kind of ["gemma2-tiny", "gemma3-tiny"])
  for (const [build, engine] of Object.entries(engines)) {
    test(`${kind}, ${build}: the same bits whether rows behind the window are there or not`, () => {
      const model = engine.load(modelBytes(kind, "F32"));
      const whole = model.context({ rows: 2 * TOKENS, batch: TOKENS });
      const want = whole.run(prompt(ids));
      for (const batch of [1, 3, 8]) {
        const small = model.context({ rows: 2 * TOKENS, batch, sequences: 2 });
        assertBits(small.runChunks(prompt(ids), batch), want, `batches of ${batch}`);
        const other = spread(TOKENS, 11);
        const beside = model.context({ rows: 2 * TOKENS, batch, sequences: 2 });
        const mixed: BatchToken[] = ids.flatMap((id, i) => [
          { id: other[i], position: i, sequence: 0 },
          { id, position: i, sequence: 1 },
        ]);
        const rows = beside.runChunks(mixed, batch).filter((_, i) => mixed[i].sequence === 1);
        assertBits(rows, want, `batches of ${batch} beside another sequence`);
        for (const context of [small, beside]) context.release();
      }
      whole.release();
      model.release();
    });
  }

test("layers with a window hold rows for it, the others for the whole context", () => {
  const { portable } = engines;
  const model = portable.load(modelBytes("gemma3-tiny", "F32"));
  const batch = 8;
  const context = model.context({ rows: 2 * TOKENS, batch });
  context.runChunks(prompt(ids), batch);
  assert.is(context.rows(0, GLOBAL), TOKENS);
  assert.ok(context.rows(0, LOCAL) >= WINDOW && context.rows(0, LOCAL) <= WINDOW + 2 * batch);
  const windowless = makeModel("gemma3-tiny", "F32");
  key("gemma3.attention.sliding_window", 0)(windowless);
  const other = portable.load(encodeGguf(windowless));
  const shape = { rows: 4096, batch, kv: F16 };
  // Six of seven layers: what they take of a long context is little.
  assert.ok(model.contextBytes(shape) < 0.3 * other.contextBytes(shape));
  context.release();
  for (const each of [model, other]) each.release();
});

test("a pass that is given up leaves what later passes see", () => {
  const model = engines.portable.load(modelBytes("gemma3-tiny", "F32"));
  const context = model.context({ rows: 2 * TOKENS, batch: 8 });
  const want = model.context({ rows: 2 * TOKENS, batch: TOKENS }).run(prompt(ids));
  context.runChunks(prompt(ids.slice(0, 56)), 8);
  context.run(prompt(ids.slice(56, 64), 56), { onStep: (step) => step < 3 });
  assertBits(context.run(prompt(ids.slice(56, 64), 56)), want.slice(56, 64), "behind the pass that was given up");
});

test("a session goes back within its rows, and further by reading anew: the same answer", () => {
  const model = engines.portable.load(modelBytes("gemma3-tiny", "Q4_K"));
  const shape = { rows: 2 * TOKENS, batch: 8 };
  const session = model.session(shape);
  session.append(ids);
  session.generate(4);
  for (const [back, isKept] of [
    [TOKENS - 2, true],
    [TOKENS / 2, false],
    [3, false],
  ] as const) {
    session.rewind(back);
    assert.is(session.evaluated, isKept ? back : 0, `back to ${back}`);
    const fresh = model.session(shape);
    fresh.append(ids.slice(0, back));
    assert.equal(session.generate(9).ids, fresh.generate(9).ids, `back to ${back}`);
    fresh.release();
    session.replace(ids);
    session.generate(4);
  }
  session.release();
});

test("a saved session goes on in a context of another batch, with fewer rows behind its windows", () => {
  const model = engines.portable.load(modelBytes("gemma3-tiny", "Q4_K"));
  const first = model.session({ rows: 2 * TOKENS, batch: 64 });
  first.append(ids);
  first.generate(4);
  const saved = first.save();
  const want = first.generate(12).ids;
  for (const batch of [1, 8, 64]) {
    const second = model.session({ rows: 2 * TOKENS, batch });
    second.restore(saved);
    assert.is(second.evaluated, TOKENS + 3, "nothing is read anew");
    assert.equal(second.generate(12).ids, want, `batches of ${batch}`);
    second.release();
  }
  first.release();
});

for (const [build, engine] of Object.entries(engines)) {
  test(`llama4, ${build}: behind the end of a chunk tokens see their own chunk, and all in layers that have none`, () => {
    const CHUNK = 8192;
    const shape = { ...SHAPES["llama4-tiny"], context: 2 * CHUNK };
    for (const layers of [3, 4]) {
      const model = engine.load(encodeGguf(randomModel({ ...shape, layers }, "F32")));
      const run = (count: number, from: number, batch = 12) => {
        const context = model.context({ rows: 64, batch });
        const rows = context.runChunks(prompt(ids.slice(count, 12), from + count), batch);
        context.release();
        return rows;
      };
      const whole = run(0, CHUNK - 6);
      assertBits(run(0, CHUNK - 6, 1), whole, "one by one");
      const behind = run(6, CHUNK - 6);
      const last = run(5, CHUNK - 6)[0];
      assert.not.equal([...last], [...whole[5]], "the last token of a chunk sees those before it");
      // The fourth layer sees all.
      if (layers === 3) assertBits(whole.slice(6), behind, "the chunk behind");
      else assert.not.equal([...whole[6]], [...behind[0]], "a layer that sees all");
      model.release();
    }
  });
}

test.run();
