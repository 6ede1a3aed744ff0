/**
 * Sessions that keep fewer rows than they have tokens: no layer ever has more than its budget, what stays depends on the
 * tokens alone (not on how passes are cut, on drafts, on aborts, on a save in between), and memory is what was planned.
 * Which rows stay and what the others become is held in eviction.test.ts.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Merge } from "../bindings/numbers.ts";
import { cacheOf } from "../src/generate/kept-rows.ts";
import {
  Code,
  Engine,
  type EngineModel,
  type EngineSession,
  F16,
  F32,
  modelBytes,
  Q8_0,
  refuses,
  spread,
} from "./support/engine.ts";
import type { KeptRows } from "./support/model.ts";
import { sealed, sectionsOf, sessionOf } from "./support/session.ts";

const engine = new Engine("portable");
const { core } = engine;
const TOKENS = 200;
const ids = spread(TOKENS);

const POLICIES: Record<string, KeptRows> = {
  "sinks and recent": { kept: 40, scored: false },
  H2O: { kept: 40 },
  "D2O, means": { kept: 40, merge: Merge.MEAN },
  "D2O, softmax": { kept: 40, merge: Merge.SOFTMAX, beta: 0.7 },
  "D2O, layer budgets": { kept: 40, shared: true, merge: Merge.SOFTMAX, sinks: 2, every: 4 },
};

function onPolicies(name: string, work: (model: EngineModel, policy: KeptRows, what: string) => void): void {
  test(name, () => {
    for (const kind of ["qwen2-tiny", "plm-1m"]) {
      const { used } = engine;
      const model = engine.load(modelBytes(kind, "Q8_0"));
      for (const [policy, rows] of Object.entries(POLICIES)) work(model, rows, `${kind}, ${policy}`);
      model.release();
      assert.is(engine.used, used, `${kind}: all memory is given back`);
    }
  });
}

/** Ends a session and its context, and gives what it was. */
function end(session: EngineSession): Uint8Array {
  const saved = session.save();
  session.release();
  session.context.release();
  return saved;
}

/** A session that has read tokens and written some. */
function answered(model: EngineModel, policy: KeptRows, batch: number, given: number, more: number): Uint8Array {
  const session = model.keeping(policy, { rows: TOKENS, batch, logitRows: 1 });
  session.append(ids.slice(0, given));
  session.generate(more);
  return end(session);
}

/** What layers keep at most: all the same, or as the session has them. */
function budgetsOf(model: EngineModel, policy: KeptRows, saved: Uint8Array): number[] {
  const { bytes } = sectionsOf(saved).find(({ name }) => name === "policy")!;
  const at = 36 + model.layers * 4;
  if (!policy.shared) return Array(model.layers).fill(policy.kept);
  return [...new Uint32Array(bytes.slice(at, at + model.layers * 4).buffer)];
}

/** The rows of the first layer in an F32 cache, by position. */
function firstLayer(saved: Uint8Array): Map<number, Float32Array> {
  const { bytes } = sectionsOf(saved).find(({ name }) => name === "state")!;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [size, count] = [view.getUint32(20, true), view.getUint32(24, true)];
  return new Map(
    Array.from({ length: count }, (_, i) => {
      const at = 28 + count * 4 + i * size;
      return [view.getInt32(28 + i * 4, true), new Float32Array(bytes.slice(at, at + size).buffer)];
    }),
  );
}

const tokensOf = (saved: Uint8Array) => sectionsOf(saved).find(({ name }) => name === "tokens")!.bytes;

onPolicies("no layer has more rows than its budget, behind any token", (model, policy, what) => {
  for (const every of [1, 8, 39]) {
    if (policy.shared && every === 39) continue;
    const given = { ...policy, every, sinks: every === 39 ? 0 : policy.shared ? 2 : 4 };
    const session = model.keeping(given, { rows: TOKENS, batch: 16 });
    session.append(ids.slice(0, 100));
    const layers = Array.from({ length: model.layers }, (_, layer) => layer);
    const seen: number[][] = layers.map(() => []);
    session.generate(60, -1, () => {
      for (const layer of layers) seen[layer].push(session.context.rows(0, layer));
    });
    const budgets = budgetsOf(model, given, session.save());
    for (const layer of layers) {
      const least = Math.min(policy.kept, budgets[layer]) - every;
      assert.ok(
        seen[layer].every((rows) => rows <= budgets[layer] && rows >= least),
        `${what}, ${every} at once: ${seen[layer]} of ${budgets[layer]}`,
      );
    }
    const most = seen.map((rows) => Math.max(...rows));
    // What layers share, and in all is what they would have each.
    const sum = most.reduce((a, b) => a + b, 0);
    const all = policy.kept * model.layers;
    assert.ok(policy.shared ? sum <= all && sum > all - every * model.layers : sum === all, `${what}: ${most}`);
    assert.is(new Set(most).size > 1, policy.shared === true, `${what}: ${most}`);
    end(session);
  }
});

onPolicies("memory is what was planned, and that of a share of the rows", (model, policy, what) => {
  const shape = { rows: 4000, batch: 16, logitRows: 1 };
  const { used } = engine;
  const session = model.keeping({ ...policy, kept: 800 }, shape);
  const own = Number(core.call("session_bytes", session.context.handle));
  assert.is(engine.used - used, model.keepingBytes({ ...policy, kept: 800 }, shape) + own, what);
  const context = model.context(shape);
  const whole = Number(core.call("context_cache_bytes", context.handle));
  const share = Number(core.call("context_cache_bytes", session.context.handle)) / whole;
  // Blocks of rows: a little less, or more.
  assert.ok(share >= 0.19 && share <= 0.21, `${what}: ${share}`);
  context.release();
  end(session);
});

onPolicies("what stays depends on the tokens alone", (model, policy, what) => {
  const want = answered(model, policy, 64, 100, 60);
  const all = [...new Uint32Array(tokensOf(want).buffer)].slice(2);
  assert.is(all.length, 160, what);
  assert.equal(answered(model, policy, 7, 100, 60), want, `${what}: batches of 7`);
  // The answer is read as a prompt: the same rows, merged alike.
  const session = model.keeping(policy, { rows: TOKENS, batch: 32, logitRows: 1 });
  session.append(all.slice(0, 30));
  session.generate(0);
  session.append(all.slice(30));
  session.generate(1);
  session.rewind(160);
  // The last token of an answer has no row yet.
  const again = model.keeping(policy, { rows: TOKENS, batch: 64, logitRows: 1 });
  again.append(ids.slice(0, 100));
  again.generate(61);
  again.rewind(160);
  assert.equal(end(again), end(session), `${what}: prompt or answer`);
});

onPolicies("a budget of all rows has the bits of none", (model, policy, what) => {
  const session = model.keeping({ ...policy, kept: TOKENS }, { rows: TOKENS, batch: 64 });
  const plain = model.session({ rows: TOKENS, batch: 64 });
  for (const one of [session, plain]) one.append(ids.slice(0, 100));
  assert.equal(session.generate(90, 3), plain.generate(90, 3), what);
  end(session);
  end(plain);
});

test("D2O that merges nothing and shares no rows is H2O, and one whose rows are all alike merges them into themselves", () => {
  assert.equal(
    cacheOf(500, { policy: "d2o", merge: "none", layers: "uniform" }, "f16"),
    cacheOf(500, { policy: "h2o" }, "f16"),
  );
  const model = engine.load(modelBytes("qwen2-tiny", "Q8_0"));
  // One token over and over: values of the first layer are equal, and so are keys, turned to one position.
  const session = model.keeping({ kept: 40, merge: Merge.SOFTMAX, beta: 0 }, { rows: TOKENS, batch: 16, kv: F32 });
  session.append(Array(100).fill(7));
  session.generate(1);
  const plain = model.session({ rows: TOKENS, batch: 16, kv: F32 });
  plain.append(Array(100).fill(7));
  plain.generate(1);
  const [rows, all] = [session, plain].map((one) => firstLayer(one.save()));
  assert.ok(rows.size >= 32 && rows.size <= 40);
  for (const [position, values] of rows) {
    for (const [i, value] of values.entries()) {
      const want = all.get(position)![i];
      assert.ok(Math.abs(value - want) <= 1e-4 * Math.max(Math.abs(want), 1), `${position}: ${value} for ${want}`);
    }
  }
  for (const one of [session, plain]) end(one);
  model.release();
});

onPolicies("drafts change nothing", (model, policy, what) => {
  const loop = Array.from({ length: 90 }, (_, i) => ids[i % 9]);
  const run = (drafts: number) => {
    const session = model.keeping(policy, { rows: TOKENS, batch: 64, logitRows: 8 });
    if (drafts) engine.do("session_speculate", session.handle, 1, drafts);
    session.append(loop);
    const generated = session.generate(80);
    const counts = core.u32(core.call("session_speculation", session.handle), 2);
    if (drafts) assert.ok(counts[0] > 0, `${what}: there were drafts`);
    return { ids: generated.ids, saved: end(session) };
  };
  const want = run(0);
  for (const drafts of [3, 7]) assert.equal(run(drafts), want, `${what}: ${drafts} drafts`);
});

onPolicies("a pass that is given up changes nothing", (model, policy, what) => {
  const want = answered(model, policy, 16, 100, 60);
  const session = model.keeping(policy, { rows: TOKENS, batch: 16, logitRows: 1 });
  core.call("context_set_step_work", session.context.handle, 1n);
  session.append(ids.slice(0, 100));
  for (const steps of [3, 40, 90, 260, 400]) {
    session.begin(60);
    for (let i = 0; i < steps; i++) engine.do("session_step", session.handle);
    core.call("session_stop", session.handle);
    session.rewind(100);
  }
  session.generate(60);
  assert.equal(end(session), want, what);
});

onPolicies("saved sessions go on with the same bits, and others refuse them", (model, policy, what) => {
  const shape = { rows: TOKENS, batch: 16, logitRows: 1 };
  const session = model.keeping(policy, shape);
  session.append(ids.slice(0, 100));
  session.generate(20);
  const saved = session.save();
  const other = model.keeping(policy, shape);
  other.restore(saved);
  assert.equal(other.save(), saved, what);
  const want = session.generate(40);
  assert.equal(other.generate(40), want, what);
  const plain = model.session(shape);
  refuses(() => plain.restore(saved), Code.BAD_FILE, /another policy of its cache/);
  for (const changed of [{ sinks: 3 }, { every: 9 }, { kept: 41 }, { recent: 0.6 }]) {
    const third = model.keeping({ ...policy, ...changed }, shape);
    refuses(() => third.restore(saved), Code.BAD_FILE, /another policy of its cache/);
    end(third);
  }
  // What no policy has counted is read again.
  plain.append(ids.slice(0, 100));
  plain.generate(20);
  other.restore(plain.save());
  assert.equal([other.evaluated, other.tokens.length], [0, 120], what);
  other.generate(1);
  assert.is(other.evaluated, 120, what);
  for (const one of [session, other, plain]) end(one);
});

onPolicies("who goes back behind the last rows that went begins anew, to the same bits", (model, policy, what) => {
  const session = model.keeping(policy, { rows: TOKENS, batch: 16, logitRows: 1 });
  session.append(ids.slice(0, 100));
  const want = session.generate(30, 2);
  session.rewind(100);
  assert.is(session.evaluated, 0, `${what}: nothing is left of rows that were chosen later`);
  assert.equal(session.generate(30, 2), want, what);
  session.replace([...ids.slice(0, 120)]);
  session.generate(1);
  const fresh = model.keeping(policy, { rows: TOKENS, batch: 16, logitRows: 1 });
  fresh.append(ids.slice(0, 120));
  fresh.generate(1);
  assert.equal(end(session), end(fresh), what);
});

onPolicies("what no policy has left is refused", (model, policy, what) => {
  const shape = { rows: TOKENS, batch: 16, logitRows: 1, kv: F32 };
  const session = model.keeping(policy, shape);
  session.append(ids.slice(0, 100));
  session.generate(20);
  const saved = end(session);
  const other = model.keeping(policy, shape);
  const changed = (name: string, change: (view: DataView) => void): Uint8Array => {
    const sections = sectionsOf(saved).map((section) => ({ ...section, bytes: section.bytes.slice() }));
    change(new DataView(sections.find((section) => section.name === name)!.bytes.buffer));
    return sealed(sessionOf(sections, saved));
  };
  const wrong = /not those that its policy keeps/;
  const u32 = (at: number, value: number) => (view: DataView) => view.setUint32(at, value, true);
  const f32 = (at: number, value: number) => (view: DataView) => view.setFloat32(at, value, true);
  refuses(() => other.restore(changed("policy", u32(28, 0))), Code.BAD_FILE, wrong);
  refuses(() => other.restore(changed("policy", u32(28, 2 ** 32 - 1))), Code.BAD_FILE, wrong);
  refuses(() => other.restore(changed("policy", u32(32, 77))), Code.BAD_FILE, wrong);
  refuses(() => other.restore(changed("policy", f32(36, Number.POSITIVE_INFINITY))), Code.BAD_FILE, wrong);
  if (policy.scored !== false) {
    const scores = 36 + model.layers * (policy.shared ? 8 : 4);
    for (const value of [Number.NaN, -1, Number.POSITIVE_INFINITY])
      refuses(() => other.restore(changed("policy", f32(scores, value))), Code.BAD_FILE, wrong);
  }
  // Positions of the first layer: one twice, and one that is not there yet.
  const first = 8 + 20;
  refuses(() => other.restore(changed("state", u32(first + 4, 0))), Code.BAD_FILE, wrong);
  refuses(() => other.restore(changed("state", u32(first + 8, 190))), Code.BAD_FILE, wrong);
  for (const length of [0, 20, 40]) {
    const cut = sectionsOf(saved).map(({ name, bytes }) => ({
      name,
      bytes: name === "policy" ? bytes.slice(0, length) : bytes,
    }));
    refuses(() => other.restore(sealed(sessionOf(cut, saved))), Code.BAD_FILE, /policy/);
  }
  other.restore(saved);
  assert.equal(end(other), saved, what);
});

test("what cannot be is refused by name", () => {
  const model = engine.load(modelBytes("qwen2-tiny", "Q8_0"));
  const keep = (policy: Partial<KeptRows>, rows = TOKENS) => {
    const { used } = engine;
    try {
      end(model.keeping({ kept: 40, ...policy }, { rows }));
    } finally {
      assert.ok(engine.used >= used);
    }
  };
  refuses(() => keep({ kept: 201 }), Code.BAD_ARGUMENT, /of 200 tokens a layer keeps 1 to as many rows, not 201/);
  refuses(() => keep({ kept: 0 }), Code.BAD_ARGUMENT, /not 0/);
  refuses(() => keep({ every: 0 }), Code.BAD_ARGUMENT, /at least one row go/);
  refuses(() => keep({ every: 40 }), Code.BAD_ARGUMENT, /keeps at least one/);
  refuses(() => keep({ recent: 0 }), Code.BAD_ARGUMENT, /above 0/);
  refuses(() => keep({ recent: Number.NaN }), Code.BAD_ARGUMENT, /above 0/);
  refuses(() => keep({ merge: 3 }), Code.BAD_ARGUMENT, /rule 0, 1 or 2/);
  refuses(() => keep({ merge: 1, scored: false }), Code.BAD_ARGUMENT, /merges scored rows/);
  refuses(() => keep({ beta: 2 }), Code.BAD_ARGUMENT, /beta is from 0 to 1/);
  refuses(() => keep({ sinks: 30 }), Code.BAD_ARGUMENT, /16 recent ones leave no room for 30 sinks/);
  const session = model.keeping({ kept: 40 }, { rows: TOKENS, batch: 16, logitRows: 1 });
  refuses(() => engine.do("session_set_policy", session.handle, 1, 0.5, 4, 0, 8, 0.5), Code.WRONG_STATE, /stays/);
  session.append(ids.slice(0, 100));
  session.generate(2);
  refuses(() => engine.do("session_shift", session.handle, 4, 20), Code.UNSUPPORTED, /forgets no tokens/);
  end(session);
  const two = model.context({ sequences: 2 });
  const of = model.session({}, two);
  refuses(() => engine.do("session_set_policy", of.handle, 1, 0.5, 4, 0, 8, 0.5), Code.WRONG_STATE, /for itself/);
  end(of);
});

test("caches of all types", () => {
  const model = engine.load(modelBytes("qwen2-tiny", "Q8_0"));
  for (const kv of [F32, F16, Q8_0]) {
    const run = (batch: number) => {
      const session = model.keeping({ kept: 40, merge: Merge.MEAN }, { rows: TOKENS, batch, logitRows: 1, kv });
      session.append(ids.slice(0, 100));
      session.generate(60);
      return end(session);
    };
    assert.equal(run(64), run(9));
  }
  model.release();
});

test.run();
