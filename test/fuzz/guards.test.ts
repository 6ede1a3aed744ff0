/** The builds with guard bytes see what is written outside a block, and say whose it is. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loadCore, sameBits } from "../support/core.ts";
import { Engine, modelBytes, prompt } from "../support/engine.ts";
import { guardCore, lookAtGuards } from "./fuzzer.ts";

for (const build of ["portable", "scalar"] as const) {
  test(`${build}: a byte behind a block, or before it, is met, and the block is named`, () => {
    for (const [at, bytes] of [
      [100, 100],
      [163, 100],
      [-1, 100],
      [-40, 100],
      [64, 64],
      [0, 0],
    ]) {
      const core = guardCore(build);
      const block = core.allocate(bytes);
      lookAtGuards(core);
      core.memory.write(block + at, Uint8Array.of(7));
      assert.throws(
        () => lookAtGuards(core),
        (error: unknown) => error instanceof WebAssembly.RuntimeError,
      );
      assert.is(
        core.message,
        `the caller's buffer, a block of ${bytes} bytes, was written on outside its buffers, at byte ${at}`,
      );
      assert.throws(
        () => core.allocate(8),
        (error: unknown) => error instanceof WebAssembly.RuntimeError,
      );
    }
  });

  test(`${build}: a byte between two buffers of a context is met`, () => {
    const engine = new Engine(guardCore(build));
    const context = engine.load(modelBytes("plm-1m", "Q8_0")).context({ rows: 16, batch: 5 });
    const ids = engine.core.call("context_ids", context.handle) >>> 0;
    engine.core.memory.write(ids, new Uint8Array(4 * 5));
    lookAtGuards(engine.core);
    engine.core.memory.write(ids + 4 * 5, Uint8Array.of(7));
    assert.throws(
      () => lookAtGuards(engine.core),
      (error: unknown) => error instanceof WebAssembly.RuntimeError,
    );
    assert.match(engine.core.message, /^activations, a block of \d+ bytes, was written on/);
  });

  test(`${build}: with guards, the bits are those of the build that ships, and plans are exact`, () => {
    for (const kind of ["llama-tiny", "plm-1m", "memoryformer-tiny"]) {
      const [guarded, plain] = [guardCore(build), loadCore(build)].map((core) => {
        const engine = new Engine(core);
        const model = engine.load(modelBytes(kind, "Q8_0"));
        const used = engine.used;
        const context = model.context({ rows: 32, batch: 8 });
        assert.is(engine.used - used, model.contextBytes({ rows: 32, batch: 8 }));
        return context.run(prompt([1, 2, 3, 200, 5]));
      });
      for (const [i, row] of guarded.entries()) assert.ok(sameBits(row, plain[i]), `${kind}, row ${i}`);
    }
  });
}

test.run();
