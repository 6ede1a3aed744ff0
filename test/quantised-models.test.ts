/**
 * A quantised file of each architecture against llama.cpp. With blocks llama.cpp rounds activations to bytes, so its
 * logits of the same file are as far from the weights as the golden file's `own` says; what is held is what it says of
 * the blocks' values as floats. Views begin within the groups of eight rows that packing takes.
 */
import { createHash } from "node:crypto";
import { test } from "uvu";
import * as assert from "uvu/assert";
import golden from "./golden/llama.cpp.json" with { type: "json" };
import { assertBits, Engine, F32, prompt, Streamed } from "./support/engine.ts";
import { divergence, fromBase64 } from "./support/peers.ts";
import { QUANTISED, quantisedFile, WITH_CODEBOOKS } from "./support/quantised.ts";

/** Largest KL(llama.cpp on floats || limpet on blocks): activations of 16 bits. */
const LIMIT = 1e-6;
/** … where a model has GELU, which llama.cpp looks up in a table of halves. */
const GELU_LIMIT = 1e-5;
const GELU = /^(gemma|phi2|gpt2|gptneox|starcoder2)/;

const engines = (["portable", "scalar"] as const).map((build) => new Engine(build));

for (const quantised of QUANTISED) {
  const { kind, type } = quantised;
  test(`${kind} in ${type}: the logits that llama.cpp gives the same values as floats`, () => {
    const stored = golden.models.find((row) => row.kind === kind && row.type === type);
    assert.ok(stored?.own, "npm run goldens -- llama.cpp");
    const bytes = quantisedFile(quantised);
    assert.is(createHash("sha256").update(bytes).digest("hex"), stored.sha256, "the file that llama.cpp had");
    const [ours, scalar] = engines.map((engine) => {
      const model = engine.load(bytes);
      const context = model.context({ kv: F32 });
      const last = context.run(prompt(golden.tokens)).at(-1) as Float32Array;
      context.release();
      model.release();
      return last;
    });
    assertBits([scalar], [ours], "the scalar build");
    const far = divergence(fromBase64(stored.logits), ours);
    assert.ok(far < (GELU.test(kind) ? GELU_LIMIT : LIMIT), `KL ${far}; llama.cpp's own ${stored.own}`);
  });
}

test("words of codebooks: what stays in the file gives the bits of what is in memory", () => {
  for (const quantised of WITH_CODEBOOKS) {
    const bytes = quantisedFile(quantised);
    const [resident, streamed] = [undefined, { streamed: Streamed.ALL, rowCache: 0 }].map((streaming) => {
      const model = engines[0].load(bytes, false, streaming);
      const context = model.context({ kv: F32 });
      const rows = context.run(prompt(golden.tokens));
      context.release();
      model.release();
      return rows;
    });
    assertBits(streamed, resident, quantised.type);
  }
});

test.run();
