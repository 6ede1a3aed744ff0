/** `doctor()`, and what a session says of its last pass. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { doctor, Model } from "../src/index.ts";
import { modelBytes } from "./support/models.ts";

test("every block format and float kernel computes right, in both builds", async () => {
  const report = await doctor({ builds: ["portable", "scalar"] });
  for (const { build, right, kernels, error } of report.selfTests) {
    assert.is(error, undefined);
    assert.equal(
      kernels.filter((kernel) => !kernel.right),
      [],
      build,
    );
    assert.ok(right && kernels.length >= 24);
  }
  assert.is(report.well, true);
  assert.is(report.build, "portable");
  assert.is(report.isolated, null);
  assert.match(report.host, /^Node \d+/);
  assert.ok(report.memoryLimit >= 2 ** 30);
});

test("a wasm that is not there is a shortfall with a remedy, not an exception", async () => {
  const report = await doctor({ wasm: new URL("file:///nowhere/limpet.wasm") });
  assert.is(report.well, false);
  assert.match(report.selfTests[0].error ?? "", /nowhere/);
  assert.match(report.advice.at(-1)!.lack, /does not run here/);
});

test("a model is planned against the memory, and a context that is too long is named", async () => {
  const model = modelBytes("plm-1m", "Q4_0");
  const fits = await doctor({ builds: [], model, load: { context: 100 } });
  assert.is(fits.plan?.contextTokens, 100);
  assert.ok(fits.well);
  const large = await doctor({ builds: [], model, load: { context: 1_000_000, kv: "f32" } });
  assert.is(large.well, false);
  assert.match(large.advice.at(-1)!.remedy, /shorten the context: 1000000 tokens/);
});

test("a session counts the zeros behind ReLU², layer by layer", async () => {
  const model = await Model.load(modelBytes("plm-1m", "Q4_0"), { context: 100 });
  const session = model.session();
  assert.equal(session.activity, { zeros: [], activations: [] }, "before the first pass");
  await session.generate("abc", { maxTokens: 3 }).text();
  const { zeros, activations } = session.activity;
  assert.is(zeros.length, 4);
  assert.ok(activations.every((count) => count > 0 && count === activations[0]));
  assert.ok(zeros.every((count, i) => count > 0 && count < activations[i]));
  model.dispose();

  const other = await Model.load(modelBytes("llama-tiny", "Q8_0"), { context: 100 });
  const plain = other.session();
  await plain.generate("abc", { maxTokens: 3 }).text();
  assert.equal(plain.activity, { zeros: [], activations: [] }, "another activation");
  other.dispose();
});

test("in a worker too", async () => {
  const model = await Model.load(modelBytes("plm-1m", "Q4_0"), { context: 100, worker: true });
  const session = await model.session();
  await session.generate("abc", { maxTokens: 3 }).text();
  assert.is((await session.activity()).zeros.length, 4);
  model.dispose();
});

test.run();
