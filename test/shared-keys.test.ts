/**
 * Layers that read keys and values of a layer before them: whoever leaves a pass behind the last layer that writes, comes
 * back from a file, goes back in its text or sees what a mask allows gets the bits of the plain way.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { assertBits, Engine, F16, modelBytes, prompt, Q8_0, spread } from "./support/engine.ts";

const engine = new Engine("portable");
const scalar = new Engine("scalar");
const KINDS = ["gemma4-tiny", "gemma3n-deep"];
const ids = spread(70);

for (const kind of KINDS) {
  const bytes = modelBytes(kind, "Q4_0");
  const model = engine.load(bytes);

  test(`${kind}: the last token's logits are those of asking for all, in any chunks, where windows lose rows too`, () => {
    for (const kv of [F16, Q8_0]) {
      const context = model.context({ rows: 70, batch: 70, kv });
      const [want] = context.run(prompt(ids)).slice(-1);
      for (const chunk of [3, 7, 70]) {
        // Rows of windows are dropped as their room is wanted.
        const other = model.context({ rows: 70, batch: chunk, kv });
        const batch = prompt(ids).map((token, i) => ({ ...token, wanted: i === ids.length - 1 }));
        assertBits(other.runChunks(batch, chunk), [want], `${kind}, chunks of ${chunk}`);
        other.release();
      }
      context.release();
    }
  });

  test(`${kind}: a saved session goes on, in another context and in the other build`, () => {
    const session = model.session({ rows: 128, batch: 32 });
    session.append(ids.slice(0, 30));
    session.generate(15);
    const saved = session.save();
    const want = session.generate(20).ids;
    for (const target of [engine, scalar]) {
      const other = target === engine ? model : target.load(bytes);
      const context = other.context({ rows: 100, batch: 5, sequences: 2 });
      const restored = other.session({}, context, 1);
      restored.append("something else");
      restored.generate(3);
      restored.restore(saved);
      assert.equal(restored.generate(20).ids, want);
      restored.release();
      context.release();
      if (other !== model) other.release();
    }
    session.release();
    session.context.release();
  });

  test(`${kind}: going back and on gives the bits of going straight`, () => {
    const session = model.session({ rows: 128, batch: 16 });
    session.append(ids.slice(0, 30));
    const want = session.generate(12).ids;
    session.rewind(30);
    assert.equal(session.generate(12).ids, want);
    session.replace([...ids.slice(0, 20), 1, 2, 3]);
    const other = session.generate(8).ids;
    const fresh = model.session({ rows: 128, batch: 64 });
    fresh.append([...ids.slice(0, 20), 1, 2, 3]);
    assert.equal(fresh.generate(8).ids, other);
    for (const one of [session, fresh]) {
      one.release();
      one.context.release();
    }
  });

  test(`${kind}: branches of a tree, in a pass that is cut anywhere, have the bits that each has alone`, () => {
    const { layers, hidden } = model;
    const context = model.context({ rows: 64, batch: 16 });
    const branches = [spread(4, 3), spread(4, 200)];
    const alone = branches.map((branch) => {
      context.reset();
      context.run(prompt(ids.slice(0, 12)));
      return context.run(prompt(branch, 12));
    });
    const batch = branches[0].flatMap((id, i) => [id, branches[1][i]].map((id) => ({ id, position: 12 + i })));
    const mask = batch.map((_, i) => Array.from({ length: (i >> 1) + 1 }, (_, j) => 2 * j + (i & 1)));
    for (let cut = 1; cut <= layers; cut += layers > 8 ? 4 : 1) {
      context.reset();
      context.run(prompt(ids.slice(0, 12)));
      let rows = context.run(batch, { mask, end: cut });
      if (cut < layers) {
        const states = engine.core.u8(context.hiddenAt, batch.length * hidden * 4);
        engine.core.memory.write(context.hiddenAt, states);
        rows = context.run(batch, { mask, first: cut });
      }
      for (const [b, want] of alone.entries())
        assertBits(
          rows.filter((_, i) => i % 2 === b),
          want,
          `${kind}, cut behind ${cut} layers, branch ${b}`,
        );
    }
    context.release();
  });
}

test.run();
