/**
 * A traced pass: a slice ends behind each step of the program, so that a host can time it. It goes through the steps that
 * the printed program lists, in their order, and gives the bits of a pass that nobody traces.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { TINY } from "../scripts/architectures.mjs";
import { assertBits, Engine, modelBytes, prompt, spread } from "./support/engine.ts";
import { pageOf, stepsOfPass } from "./support/programs.ts";

const engine = new Engine("portable");
const { core } = engine;

for (const kind of TINY) {
  test(`${kind}: every step in its order, members with their leader, and the same bits`, () => {
    const model = engine.load(modelBytes(kind, "Q4_0"));
    const steps = stepsOfPass(pageOf(core, model.handle));
    const [plain, traced] = [model.context(), model.context()];
    core.call("context_set_traced", traced.handle, 1);
    assert.is(core.call("context_at", traced.handle), -1, "no pass");
    // A whole step at once, and as little as a slice may do: then a step takes several.
    for (const work of [1n << 40n, 1n]) {
      core.call("context_set_step_work", traced.handle, work);
      plain.reset();
      traced.reset();
      for (const tokens of [prompt(spread(9)), prompt([7], 9)]) {
        const at: number[] = [];
        const onStep = () => at.push(core.call("context_at", traced.handle)) > 0;
        const rows = traced.run(tokens, { onStep });
        assertBits(rows, plain.run(tokens), kind);
        if (work > 1n) assert.equal(at, steps, "one slice a step");
        const visited = at.filter((step, i) => step !== at[i - 1]);
        assert.equal(visited, steps);
      }
    }
    core.call("context_set_traced", traced.handle, 0);
    let slices = 0;
    traced.reset();
    traced.run(prompt(spread(9)), { onStep: () => ++slices > 0 });
    assert.ok(slices > 0);
    plain.release();
    traced.release();
    model.release();
  });
}

test("no program of a file that holds a vocabulary alone: the core says so", () => {
  const model = engine.load(modelBytes(TINY[0], "F32"), true);
  assert.is(core.call("model_program", model.handle, 0, 0), 0);
  assert.match(core.message, /^this file holds a vocabulary alone, no weights/);
  model.release();
});

test("a page is as long as was said, and does not write beyond its room", () => {
  const model = engine.load(modelBytes(TINY[0], "F32"));
  const used = engine.used;
  const length = core.call("model_program", model.handle, 0, 0);
  const target = core.allocate(length + 64);
  core.memory.u8(target, length + 64).fill(0xaa);
  assert.is(core.call("model_program", model.handle, target, 100), length);
  assert.equal(core.u8(target + 100, 4), Uint8Array.of(0xaa, 0xaa, 0xaa, 0xaa));
  assert.is(core.call("model_program", model.handle, target, length), length);
  assert.is(core.u8(target + length, 1)[0], 0xaa);
  assert.is(core.text(target, length), pageOf(core, model.handle));
  core.release(target);
  assert.is(engine.used, used);
  model.release();
});

test.run();
