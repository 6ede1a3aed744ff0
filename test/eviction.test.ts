/**
 * Rows that are evicted: which stay, what the others become, and that nobody else notices. The reference is section 3
 * of D2O in float64, written from its formulas, over the rows as a saved session has them.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Merge } from "../bindings/numbers.ts";
import { SHAPES } from "../scripts/architectures.mjs";
import {
  assertBits,
  Code,
  Engine,
  type EngineContext,
  EngineSession,
  F16,
  F32,
  modelBytes,
  prompt,
  Q8_0,
  refuses,
  spread,
} from "./support/engine.ts";
import { sectionsOf } from "./support/session.ts";

const engine = new Engine("portable");
const { core } = engine;
const ROWS = 80;
const COUNT = 70;
const ids = spread(COUNT + 8);

/** How the keys of a made model lie in a row, and turn. */
interface Keys {
  heads: number;
  /** Values that are compared, of each head; and where those that turn begin, and how many pairs there are. */
  size: number;
  from: number;
  pairs: number;
  neighbours: boolean;
}

const KINDS: Record<string, Keys> = {
  "qwen2-tiny": keysOf("qwen2-tiny"),
  "plm-1m": { heads: 1, size: 256, from: 256, pairs: 16, neighbours: true },
};

function keysOf(kind: string): Keys {
  const { kvHeads = 0, headSize = 0 } = SHAPES[kind];
  return { heads: kvHeads, size: headSize, from: 0, pairs: headSize / 2, neighbours: false };
}

interface Row {
  position: number;
  values: Float64Array;
}

/** The rows of a layer in an F32 cache: a saved session has them. */
function rowsOf(session: EngineSession, layer: number): Row[] {
  const { bytes } = sectionsOf(session.save()).find(({ name }) => name === "state")!;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let at = 8, l = 0; ; l++) {
    const [rowBytes, count] = [view.getUint32(at + 12, true), view.getUint32(at + 16, true)];
    const first = at + 20 + count * 4;
    const row = (i: number): Row => ({
      position: view.getInt32(at + 20 + i * 4, true),
      values: Float64Array.from({ length: rowBytes / 4 }, (_, j) =>
        view.getFloat32(first + i * rowBytes + j * 4, true),
      ),
    });
    if (l === layer) return Array.from({ length: count }, (_, i) => row(i));
    at = first + count * rowBytes;
  }
}

/** RoPE is a rotation: the values of a row whose key stands `delta` positions further on. */
function turned(kind: string, values: Float64Array, delta: number): Float64Array {
  const { heads, size, from, pairs, neighbours } = KINDS[kind];
  const out = values.slice();
  for (let head = 0; head < heads; head++) {
    for (let i = 0; i < pairs; i++) {
      const a = head * size + from + (neighbours ? 2 * i : i);
      const b = neighbours ? a + 1 : a + pairs;
      const angle = delta * SHAPES[kind].theta! ** (-i / pairs);
      out[a] = values[a] * Math.cos(angle) - values[b] * Math.sin(angle);
      out[b] = values[a] * Math.sin(angle) + values[b] * Math.cos(angle);
    }
  }
  return out;
}

/** By the paper: who stays. */
function chosen(scores: ArrayLike<number>, count: number, important: number, recent: number, sinks: number): number[] {
  const score = (i: number) => (i < sinks ? Number.POSITIVE_INFINITY : scores[i]);
  const older = Array.from({ length: count - recent }, (_, i) => i);
  const best = older.sort((a, b) => score(b) - score(a) || a - b).slice(0, Math.max(important, sinks));
  return [...best.sort((a, b) => a - b), ...Array.from({ length: recent }, (_, i) => count - recent + i)];
}

interface Reference {
  rows: Row[];
  threshold: number;
}

/** Sections 3.2 and 3.3: nearest kept row, threshold, and the weighted sum. */
function evicted(
  kind: string,
  rows: Row[],
  kept: number[],
  sinks: number,
  merge: number,
  old: number,
  beta: number,
): Reference {
  const { heads, size } = KINDS[kind];
  const key = ({ values, position }: Row) => turned(kind, values, -position).subarray(0, heads * size);
  const cosine = (a: Float64Array, b: Float64Array) => inner(a, b) / Math.sqrt(inner(a, a) * inner(b, b));
  const keys = rows.map(key);
  const targets = kept.filter((j) => j >= sinks);
  const gone = rows.map((_, i) => i).filter((i) => !kept.includes(i));
  const nearest = gone.map((i) => {
    const u = targets.map((j) => cosine(keys[i], keys[j]));
    const most = Math.max(...u);
    return { i, u: most, j: targets[u.indexOf(most)] };
  });
  const mean = nearest.reduce((sum, { u }) => sum + u, 0) / nearest.length;
  const now = merge === Merge.MEAN ? mean : Math.max(...nearest.map(({ u }) => u));
  const threshold = Number.isNaN(old) ? mean : (1 - beta) * old + beta * now;
  const merged = kept.map((j) => {
    const { position, values } = rows[j];
    const taken = nearest.filter((one) => one.j === j && one.u >= threshold);
    const weights = taken.map(({ u }) => (merge === Merge.MEAN ? u : Math.exp(u)));
    const own = merge === Merge.MEAN ? 1 : Math.E;
    const whole = merge === Merge.MEAN ? 1 + taken.length : weights.reduce((sum, weight) => sum + weight, own);
    const sum = values.map((value) => own * value);
    for (const [t, { i }] of taken.entries()) {
      const source = turned(kind, rows[i].values, position - rows[i].position);
      for (let v = 0; v < sum.length; v++) sum[v] += weights[t] * source[v];
    }
    return { position, values: sum.map((value) => value / whole) };
  });
  return { rows: merged, threshold };
}

const inner = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, i) => sum + x * b[i], 0);

/** Runs the beginning with its attention added up; gives the scores' address. */
function beginning(context: EngineContext): number {
  const scores = core.allocate(context.model.layers * ROWS * 4);
  core.memory.write(scores, new Uint8Array(context.model.layers * ROWS * 4));
  core.call("context_set_mass", context.handle, scores);
  context.run(prompt(ids.slice(0, COUNT)));
  return scores;
}

function onKinds(name: string, work: (kind: string, make: (shape?: object) => EngineContext) => void): void {
  test(name, () => {
    for (const kind of Object.keys(KINDS)) {
      const { used } = engine;
      const model = engine.load(modelBytes(kind, "Q8_0"));
      const contexts: EngineContext[] = [];
      work(kind, (shape = {}) => {
        contexts.push(model.context({ rows: ROWS, batch: COUNT, sequences: 2, kv: F32, ...shape }));
        return contexts.at(-1)!;
      });
      for (const context of contexts) context.release();
      model.release();
      assert.is(engine.used, used, `${kind}: all memory is given back`);
    }
  });
}

onKinds("what stays and what it becomes is what the formulas say in float64", (kind, make) => {
  for (const merge of [Merge.NONE, Merge.MEAN, Merge.SOFTMAX]) {
    const context = make();
    const session = new EngineSession(context);
    const scores = beginning(context);
    const threshold = core.put(new Float32Array([Number.NaN]));
    const layer = 2;
    let old = Number.NaN;
    // Twice, so that the threshold moves.
    for (const [important, recent] of [
      [24, 20],
      [15, 11],
    ]) {
      const what = `${kind}, rule ${merge}, ${important} and ${recent}`;
      const rows = rowsOf(session, layer);
      const at = scores + layer * ROWS * 4;
      // In a layer that has lost rows, a place is no index: its score is that of the position.
      const byPosition = core.f32(at, ROWS);
      const mass = rows.map(({ position }) => byPosition[position]);
      const kept = chosen(mass, rows.length, important, recent, 4);
      const want = evicted(kind, rows, kept, 4, merge, old, 0.7);
      const plan = { layer, scores: at, important, recent, sinks: 4 };
      assert.is(context.evict(plan, { merge, threshold, beta: 0.7 }), rows.length - important - recent, what);
      const got = rowsOf(session, layer);
      assert.equal(
        got.map(({ position }) => position),
        kept.map((i) => rows[i].position),
        what,
      );
      const expected = merge === Merge.NONE ? kept.map((i) => rows[i]) : want.rows;
      for (const [i, { values }] of got.entries()) {
        const error = values.reduce((most, value, v) => Math.max(most, Math.abs(value - expected[i].values[v])), 0);
        const size = Math.sqrt(inner(values, values) / values.length);
        assert.ok(error <= 2e-5 * Math.max(size, 1), `${what}, row ${i}: ${error}`);
      }
      if (merge !== Merge.NONE) assert.ok(Math.abs(core.f32(threshold, 1)[0] - want.threshold) < 1e-6, what);
      old = want.threshold;
      const after = core.f32(at, ROWS);
      for (const [i, { position }] of rows.entries())
        assert.is(after[position], kept.includes(i) ? byPosition[position] : 0, `${what}: scores of what went are 0`);
    }
    assert.equal([context.rows(0, layer), context.rows(0, 1)], [26, COUNT]);
    const [logits] = context.run(prompt(ids.slice(COUNT, COUNT + 1), COUNT));
    assert.ok(logits.every(Number.isFinite));
    session.release();
    core.release(scores);
    core.release(threshold);
  }
});

onKinds("layers share rows, and keep them, as the formulas say in float64", (kind, make) => {
  const [tokens, sinks, every] = [40, 2, 4];
  const context = make();
  const { layers } = context.model;
  const mass = core.allocate(layers * ROWS * 4);
  core.memory.write(mass, new Uint8Array(layers * ROWS * 4));
  core.call("context_set_mass", context.handle, mass);
  context.run(prompt(ids.slice(0, tokens)));
  const scores = Array.from({ length: layers }, (_, layer) => [...core.f32(mass + layer * ROWS * 4, tokens)]);
  core.release(mass);
  // The unbiased variance of each layer's sums, from 0 to 1; budgets as e to minus that.
  const variances = scores.map((sums) => {
    const mean = sums.reduce((a, b) => a + b, 0) / tokens;
    return sums.reduce((sum, score) => sum + (score - mean) ** 2, 0) / (tokens - 1);
  });
  const [least, most] = [Math.min(...variances), Math.max(...variances)];
  const shares = variances.map((variance) => Math.exp(-(variance - least) / (most - least + 1e-6)));
  const whole = shares.reduce((a, b) => a + b, 0);
  const budgets = shares.map((share) => Math.floor((share / whole) * layers * tokens));
  const shape = { rows: ROWS, batch: 16, logitRows: 1, kv: F32 };
  const session = context.model.keeping({ kept: tokens, shared: true, sinks, every }, shape);
  // The last token finds all layers full.
  session.append(ids.slice(0, tokens + 1));
  session.generate(1);
  const { bytes } = sectionsOf(session.save()).find(({ name }) => name === "policy")!;
  assert.equal([...new Uint32Array(bytes.slice(36 + 4 * layers, 36 + 8 * layers).buffer)], budgets, kind);
  for (const [layer, budget] of budgets.entries()) {
    const kept = budget - every;
    const recent = Math.floor(kept / 2);
    const want =
      kept < tokens ? chosen(scores[layer], tokens, kept - recent, recent, sinks) : [...Array(tokens).keys()];
    const positions = rowsOf(session, layer).map(({ position }) => position);
    assert.equal(positions, [...want, tokens], `${kind}, layer ${layer}`);
  }
  const { context: own } = session;
  session.release();
  own.release();
});

onKinds("plain policies have the bits of dropped rows, and a budget of all rows those of none", (kind, make) => {
  for (const kv of [F32, F16, Q8_0]) {
    const [context, other] = [make({ kv }), make({ kv })];
    for (const one of [context, other]) one.run(prompt(ids.slice(0, COUNT)));
    const next = prompt(ids.slice(COUNT, COUNT + 1), COUNT);
    const want = other.run(next);
    other.drop(0, COUNT, COUNT + 1);
    for (let layer = 0; layer < context.model.layers; layer++) {
      assert.is(context.evict({ layer, important: COUNT - 8, recent: 8 }), 0);
      assert.is(context.evict({ layer, important: 2 ** 32 - 1, recent: 2 ** 32 - 1 }), 0);
    }
    assertBits(context.run(next), want, `${kind}: nothing went`);
    context.drop(0, COUNT, COUNT + 1);
    for (let layer = 0; layer < context.model.layers; layer++) {
      // Layers keep different numbers: sinks and recent.
      const recent = 12 + layer;
      assert.is(context.evict({ layer, recent, sinks: 4 }), COUNT - 4 - recent);
      other.drop(0, 4, COUNT - recent, layer, layer + 1);
    }
    assertBits(context.run(next), other.run(next), kind);
  }
});

onKinds("rows that others see are left alone, and so are those who see them", (kind, make) => {
  const context = make({ rows: 160 });
  context.run(prompt(ids.slice(0, COUNT)));
  const next = (sequence: number) => prompt(ids.slice(COUNT, COUNT + 1), COUNT, sequence);
  const want = context.run(next(0));
  context.drop(0, COUNT, COUNT + 1);
  context.share(0, 1, 0, COUNT);
  const threshold = core.put(new Float32Array([Number.NaN]));
  for (let layer = 0; layer < context.model.layers; layer++) {
    const went = context.evict({ layer, important: 10, recent: 10, sinks: 2 }, { merge: Merge.MEAN, threshold });
    assert.is(went, COUNT - 20);
  }
  assert.ok(Number.isNaN(core.f32(threshold, 1)[0]), `${kind}: there is nothing to merge into`);
  assertBits(context.run(next(1)), want, kind);
  core.release(threshold);
});

onKinds("what cannot be is refused, and changes nothing", (kind, make) => {
  const context = make();
  context.run(prompt(ids.slice(0, 20)));
  const { layers } = context.model;
  refuses(() => context.evict({ layer: layers }), Code.BAD_ARGUMENT, /there is no layer 4 that keeps rows/);
  refuses(() => context.evict({ sequence: 2 }), Code.BAD_ARGUMENT, /no such sequence/);
  refuses(() => context.evict({ recent: 0 }), Code.BAD_ARGUMENT, /at least the last row/);
  refuses(() => context.evict({}, { merge: 3 }), Code.BAD_ARGUMENT, /rule 0, 1 or 2/);
  refuses(() => context.evict({}, { merge: Merge.MEAN }), Code.BAD_ARGUMENT, /1 and 2 need a threshold/);
  refuses(() => context.evict({}, { beta: Number.NaN }), Code.BAD_ARGUMENT, /beta is from 0 to 1/);
  context.begin(prompt([1], 20));
  refuses(() => context.evict({}), Code.WRONG_STATE, /in the middle of a pass/);
  core.call("context_abort", context.handle);
  assert.is(context.rows(0), 20, kind);
});

test.run();
