/**
 * Tokens that leave a pass in its middle: whichever are asked for, they have the bits that asking for all would give;
 * and passes cut at any layers are the whole pass.
 */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { architectureOf, SHAPES, TINY } from "../scripts/architectures.mjs";
import { assertBits, Engine, F16, Form, modelBytes, prompt, Q8_0, spread, Visibility } from "./support/engine.ts";

const engine = new Engine("portable");
const TOKENS = 24;
const ids = spread(2 * TOKENS);

for (const kind of [...TINY, "llama-odd"]) {
  const { latent, hashes } = architectureOf(kind);
  const forms = latent ? [Form.ABSORBED, Form.EXPANDED] : [Form.AUTO];

  test(`${kind}: any tokens that are asked for have the bits of asking for all`, () => {
    const model = engine.load(modelBytes(kind, hashes ? "Q8_0" : "Q4_0"));
    for (const form of forms) {
      for (const kv of [F16, Q8_0]) {
        const context = model.context({ rows: 2 * TOKENS, batch: TOKENS, sequences: 2, form, kv });
        const all = context.runChunks(prompt(ids), TOKENS);
        fc.assert(
          fc.property(fc.subarray(ids.map((_, i) => i)), (asked) => {
            context.reset();
            const batch = prompt(ids).map((token, i) => ({ ...token, wanted: asked.includes(i) }));
            assertBits(
              context.runChunks(batch, TOKENS),
              asked.map((i) => all[i]),
              `${kind}, tokens ${asked}`,
            );
            // Those that left have their rows in every layer all the same.
            for (let layer = 0; layer < model.layers; layer++) {
              const keeps = SHAPES[kind].kvHeadsOf?.[layer] !== 0;
              assert.is(context.rows(0, layer), keeps ? 2 * TOKENS : 0);
            }
          }),
          { numRuns: 12, seed: 3, examples: [[[]], [[0]], [[2 * TOKENS - 1]]] },
        );
        context.release();
      }
    }
    model.release();
  });

  test(`${kind}: a pass cut at any layers, its states carried by the host, is the whole pass`, () => {
    const model = engine.load(modelBytes(kind, "Q8_0"));
    const { layers, hidden } = model;
    const context = model.context({ rows: 2 * TOKENS, batch: TOKENS, sequences: 2 });
    // Two sequences, and tokens that see what a tree lets them see: both are known to each part of the pass.
    const batch = prompt(ids.slice(0, TOKENS)).map((token, i) => ({ ...token, sequence: i % 2, wanted: i % 3 !== 1 }));
    const { recurrent } = architectureOf(kind);
    for (const visibility of recurrent ? [Visibility.CAUSAL] : [Visibility.CAUSAL, Visibility.ALL]) {
      context.reset();
      const want = context.run(batch, { visibility });
      for (let cuts = 0; cuts < 1 << (layers - 1); cuts++) {
        context.reset();
        let first = 0;
        let rows: Float32Array[] = [];
        for (let end = 1; end <= layers; end++) {
          if (end < layers && !((cuts >> (end - 1)) & 1)) continue;
          rows = context.run(batch, { first, end, visibility });
          const states = engine.core.u8(context.hiddenAt, TOKENS * hidden * 4);
          // Nothing else of the pass is left when the next one begins.
          engine.core.memory.write(context.hiddenAt, new Uint8Array(states.length).fill(0xff));
          if (end < layers) engine.core.memory.write(context.hiddenAt, states);
          first = end;
        }
        assertBits(rows, want, `${kind}, cut at ${cuts.toString(2)}`);
      }
    }
    context.release();
    model.release();
  });
}

test.run();
