/**
 * The rows of the cache: sequences that share, drop, move and merge theirs, and tokens that see more or less than those
 * before them. What is done to one sequence never shows in another.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { architectureOf, jumps, SHAPES, TINY_OF_ROWS } from "../scripts/architectures.mjs";
import type { TensorType } from "../scripts/gguf-writer.mjs";
import {
  assertBits,
  Code,
  Engine,
  type EngineContext,
  F32,
  modelBytes,
  prompt,
  Q8_0,
  refuses,
  spread,
  Visibility,
} from "./support/engine.ts";

const engine = new Engine("portable");

/** Runs a test on a model of each kind of row and rotation; checks that everything is given back. */
function onModels(
  name: string,
  work: (kind: string, make: (shape?: object) => EngineContext) => void,
  type: TensorType = "Q8_0",
): void {
  test(name, () => {
    for (const kind of TINY_OF_ROWS) {
      const used = engine.used;
      const model = engine.load(modelBytes(kind, type));
      const contexts: EngineContext[] = [];
      work(kind, (shape = {}) => {
        const context = model.context({ rows: 64, sequences: 3, ...shape });
        contexts.push(context);
        return context;
      });
      for (const context of contexts) context.release();
      model.release();
      assert.is(engine.used, used, `${kind}: all memory is given back`);
    }
  });
}

/** The layers of a model that keep rows: some have none, some read those of others. */
function keeping(kind: string, { model }: EngineContext): number[] {
  const { kvHeadsOf, sharing = 0 } = SHAPES[kind];
  const layers = Array.from({ length: model.layers - sharing }, (_, layer) => layer);
  return layers.filter((layer) => kvHeadsOf?.[layer] !== 0);
}

const ids = spread(48);
const NEXT = [{ id: 77, position: 32 }];

/** Whether rows can be moved to other positions. */
const moves = (kind: string) => !architectureOf(kind).fixed;

/** The largest |a − b| over the largest |b|. */
function distance([a]: Float32Array[], [b]: Float32Array[]): number {
  const largest = Math.max(...b.map(Math.abs));
  return Math.max(...b.map((value, i) => Math.abs(value - a[i]))) / largest;
}

onModels("a shared beginning gives the bits that evaluating it again would", (kind, make) => {
  const context = make();
  const want = context.run(prompt(ids)).slice(32);
  context.reset();
  context.run(prompt(ids.slice(0, 40)));
  context.share(0, 1, 0, 32);
  assert.equal([context.rows(0), context.rows(1)], [40, 32]);
  assertBits(context.run(prompt(ids.slice(32), 32, 1)), want, kind);
  // The owner goes; the rows stay for the other.
  context.drop(0, 0, 1000);
  context.drop(1, 32, 1000);
  assertBits(context.run(prompt(ids.slice(32), 32, 1)), want, `${kind}, after the owner has gone`);
  // Only now are the rows free: the pool has 64 of them.
  context.drop(1, 0, 1000);
  context.run(prompt(spread(64)).map((token) => ({ ...token, sequence: 2 })));
});

onModels("sharing into a sequence without room changes nothing", (kind, make) => {
  const context = make({ rows: 24 });
  context.run(prompt(ids.slice(0, 12)));
  context.run(prompt(ids.slice(0, 4), 0, 1));
  for (let i = 0; i < 5; i++) {
    const room = 24 - context.rows(1);
    if (room >= 12) context.share(0, 1, 0, 12);
    else refuses(() => context.share(0, 1, 0, 12), Code.CONTEXT_FULL, /no room/);
  }
  assert.is(context.rows(1), 16, kind);
  context.share(0, 0, 0, 12);
  assert.is(context.rows(0), 12, "sharing with oneself is nothing");
  refuses(() => context.share(0, 3, 0, 12), Code.BAD_ARGUMENT, /no such sequence/);
});

onModels("rows that are dropped are as if they had never been", (kind, make) => {
  const context = make();
  const want = context.run(prompt(ids)).slice(20);
  context.drop(0, 20, 1000);
  assertBits(context.run(prompt(ids.slice(20), 20)), want, `${kind}: an end`);
  // From the middle of one layer alone.
  const [first, one, ...others] = keeping(kind, context);
  context.drop(0, 5, 9, one, one + 1);
  assert.equal([context.rows(0, first), context.rows(0, one)], [48, 44]);
  for (const layer of others) assert.is(context.rows(0, layer), 48);
  const [next] = context.run([{ id: 3, position: 48 }]);
  assert.ok(next.every(Number.isFinite));
  context.drop(0, 0, 1000, 3, 2);
  assert.is(context.rows(0, first), 49, "an empty range of layers");
  context.drop(0, 0, 1000, 0, 2 ** 32 - 1);
  for (const layer of keeping(kind, context)) assert.is(context.rows(0, layer), 0);
});

onModels(
  "moved rows keep their distances, and so the logits",
  (kind, make) => {
    const context = make({ kv: F32 });
    context.run(prompt(ids.slice(0, 32)));
    const want = context.run(NEXT);
    context.drop(0, 32, 33);
    if (!moves(kind)) return refuses(() => context.shift(0, 0, 32, 100), Code.UNSUPPORTED, /cannot be moved/);
    let at = 0;
    for (const delta of [100, 5000, -5100]) {
      context.shift(0, at, at + 32, delta);
      at += delta;
      const got = context.run([{ id: 77, position: at + 32 }]);
      const far = architectureOf(kind).absolute ? 0 : distance(got, want);
      assert.ok(got[0].every(Number.isFinite) && far < 1e-4, `${kind}, moved by ${at}: ${far}`);
      context.drop(0, at + 32, at + 33);
    }
    // A window that slides: the first rows go, the others close up.
    context.drop(0, 0, 8);
    context.shift(0, 8, 1000, -8);
    assert.is(context.rows(0), 24);
    context.run([{ id: 5, position: 24 }]);
    refuses(() => context.shift(0, 0, 10, -1), Code.BAD_ARGUMENT, /positions outside/);
    refuses(() => context.shift(0, 0, 10, 1e6), Code.BAD_ARGUMENT, /positions outside/);
    refuses(() => context.shift(0, 0, 10, -(2 ** 31)), Code.BAD_ARGUMENT, /positions outside/);
    // Of weights in bytes the activations are rounded, and a last bit becomes a step of that.
  },
  "F32",
);

onModels("rows in Q8_0 share, move and merge as others do, within what a byte holds", (kind, make) => {
  const context = make({ rows: 100, kv: Q8_0 });
  context.run(prompt(ids.slice(0, 32)));
  const want = context.run(NEXT);
  context.drop(0, 32, 33);
  context.share(0, 1, 0, 32);
  if (moves(kind)) {
    context.shift(1, 0, 32, 100);
    context.shift(1, 100, 132, -100);
  }
  for (const layer of keeping(kind, context)) context.merge(1, layer, 5, 9, 0);
  assertBits(context.run(NEXT), want, `${kind}: the other sequence has not moved`);
  const got = context.run([{ id: 77, position: 32, sequence: 1 }]);
  // A byte's rounding looks up other rows of a table, and chooses other experts.
  const most = jumps(kind) ? 1 : 2e-2;
  assert.ok(distance(got, want) < most, `${kind}, there and back: ${distance(got, want)}`);
});

onModels("a shared row is copied before it moves or merges", (kind, make) => {
  const context = make();
  // A layer that turns: what moves is copied there.
  const layer = SHAPES[kind].architecture === "smallthinker" ? 1 : 0;
  context.run(prompt(ids.slice(0, 20)));
  const next = [{ id: 77, position: 20 }];
  const want = context.run(next);
  context.drop(0, 20, 21);
  context.share(0, 1, 0, 20);
  if (moves(kind)) context.shift(1, 0, 20, 7);
  else for (let i = 0; i < 20; i++) context.merge(1, layer, i, 0, 0);
  context.merge(1, layer, 3, 4, 0.5);
  assertBits(context.run(next), want, `${kind}: the other sequence has not moved`);
  context.drop(0, 20, 21);
  // 20 + 20 of 64 rows are in use; 24 are left, and sequence 2 shares 20 rows of sequence 0.
  context.share(0, 2, 0, 20);
  context.run(prompt(ids.slice(0, 5), 20, 1));
  if (moves(kind)) refuses(() => context.shift(2, 0, 20, 1), Code.CONTEXT_FULL, /no row is free/);
  refuses(
    () => {
      for (let i = 0; i < 20; i++) context.merge(2, layer, i, 0, 0.5);
    },
    Code.CONTEXT_FULL,
    /no row is free/,
  );
  context.drop(1, 0, 1000);
  assertBits(context.run(next), want, `${kind}: nor has it after a failure`);
});

onModels("merging with weight 0 changes nothing, with weight 1 makes two rows the same", (kind, make) => {
  const context = make({ kv: F32 });
  context.run(prompt(ids.slice(0, 32)));
  const want = context.run(NEXT);
  context.drop(0, 32, 33);
  const kept = keeping(kind, context);
  for (const layer of kept) context.merge(0, layer, 29, 31, 0);
  assertBits(context.run(NEXT), want, kind);
  context.drop(0, 32, 33);
  for (const layer of kept) context.merge(0, layer, 29, 31, 1);
  const { layers } = context.model;
  const mass = engine.core.allocate(layers * 64 * 4);
  engine.core.call("context_set_mass", context.handle, mass);
  context.run(NEXT);
  for (const layer of kept) {
    const rows = engine.core.f32(mass + layer * 64 * 4, 64);
    if (!architectureOf(kind).distances)
      assert.is(rows[29], rows[31], `${kind}, layer ${layer}: equal rows are attended to alike`);
    assert.ok(rows[29] > 0 && rows[29] !== rows[30]);
  }
  engine.core.call("context_set_mass", context.handle, 0);
  engine.core.release(mass);
  refuses(() => context.merge(0, 0, 33, 0, 0.5), Code.BAD_ARGUMENT, /no such row/);
  refuses(() => context.merge(0, layers, 0, 1, 0.5), Code.BAD_ARGUMENT, /no such row/);
});

onModels("the branches of a tree, evaluated in one batch, have the bits that each has alone", (kind, make) => {
  const context = make();
  const branches = [spread(5, 3), spread(5, 200)];
  const want = branches.map((branch) => {
    context.reset();
    context.run(prompt(ids.slice(0, 12)));
    return context.run(prompt(branch, 12));
  });
  context.reset();
  context.run(prompt(ids.slice(0, 12)));
  // In turns: tokens 0, 2, 4 … are those of the first branch.
  const batch = branches[0].flatMap((id, i) => [id, branches[1][i]].map((id) => ({ id, position: 12 + i })));
  const mask = batch.map((_, i) => Array.from({ length: (i >> 1) + 1 }, (_, j) => 2 * j + (i & 1)));
  const rows = context.run(batch, { mask });
  for (const [b, branch] of want.entries())
    assertBits(
      rows.filter((_, i) => i % 2 === b),
      branch,
      `${kind}, branch ${b}`,
    );
});

onModels("an encoder's tokens see all of their own sequence, and nothing of another", (kind, make) => {
  const context = make();
  // No longer than a window.
  const last = Math.min(SHAPES[kind].window ?? 10, 10) - 1;
  const batch = prompt(ids.slice(0, last + 1));
  const hidden = (tokens: typeof batch, visibility: number) => {
    context.reset();
    context.run(tokens, { visibility, end: 1 });
    const size = context.model.hidden;
    return tokens.map((_, i) => engine.core.f32(context.hiddenAt + i * size * 4, size));
  };
  const causal = hidden(batch, Visibility.CAUSAL);
  const all = hidden(batch, Visibility.ALL);
  assertBits(all.slice(last), causal.slice(last), `${kind}: the last sees the same rows in both`);
  assert.not.equal(all[0], causal[0]);
  const beside = batch.flatMap((token, i) => [token, { id: ids[i + 20], position: i, sequence: 2 }]);
  assertBits(
    hidden(beside, Visibility.ALL).filter((_, i) => i % 2 === 0),
    all,
    `${kind}: beside another sequence`,
  );
});

onModels("positions that do not ascend are seen by their positions", (kind, make) => {
  const context = make({ kv: F32 });
  context.run(prompt(ids.slice(0, 8)));
  const want = context.run([{ id: 9, position: 8 }]);
  context.reset();
  // The same rows in two passes that go back in position; what lies ahead is not seen.
  context.run(prompt([1, 2, 3], 20));
  const order = context.run(prompt(ids.slice(0, 8)));
  assert.is(order.length, 8);
  const got = context.run([{ id: 9, position: 8 }]);
  assert.ok(distance(got, want) < 1e-4, `${kind}: ${distance(got, want)}`);
});

test.run();
