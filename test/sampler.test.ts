/**
 * The sampler against a reference in float64: which tokens each filter lets through, how often they come, and draw by draw
 * the generator of Blackman and Vigna. Logits come from scripted models, so any row of numbers can be tried.
 */

import { test } from "uvu";
import * as assert from "uvu/assert";
import { Engine, type EngineSession, type Options, SCRIPT_VOCABULARY, scriptedModel } from "./support/engine.ts";
import { normals } from "./support/random.ts";
import { assertFrequencies, xoshiro } from "./support/sampling.ts";

const engines = { portable: new Engine("portable"), scalar: new Engine("scalar") };
const engine = engines.portable;

/** A session behind one token of a model that gives these logits always. */
function always(logits: ArrayLike<number>, target = engine): EngineSession {
  const model = target.load(scriptedModel(() => logits));
  const session = model.session({ rows: 600, batch: 1 });
  session.append([0]);
  return session;
}

/** One draw; the session stays where it is. */
function draw(session: EngineSession): number {
  const count = session.tokens.length;
  const { ids } = session.generate(1);
  session.rewind(count);
  return ids[0];
}

/** The logits that the core computed: what the reference starts from. */
const logitsOf = (session: EngineSession): Float32Array => session.context.logits(1)[0];

/** Probabilities after every filter, [id, probability] in falling order: penalty, top-k, top-p, min-p, temperature. */
function reference(logits: Float32Array, options: Options, seen: number[] = []): [id: number, probability: number][] {
  const { temperature = 0, topK = 0, repeatPenalty = 1 } = options;
  const [topP, minP] = [Math.fround(options.topP ?? 1), Math.fround(options.minP ?? 0)];
  const penalty = Math.fround(repeatPenalty);
  const recent = new Set(seen.slice(-64));
  let list = Array.from(logits, (value, id) => {
    if (!recent.has(id) || penalty === 1) return [id, value] as [number, number];
    return [id, Math.fround(value > 0 ? value / penalty : value * penalty)] as [number, number];
  });
  list.sort((a, b) => b[1] - a[1] || a[0] - b[0]);
  if (temperature === 0) return [[list[0][0], 1]];
  if (topK > 0) list = list.slice(0, topK);
  const largest = list[0][1];
  const weights = list.map(([, value]) => Math.exp(value - largest));
  const whole = weights.reduce((a, b) => a + b, 0);
  let mass = 0;
  let kept = list.length;
  for (const [i, weight] of weights.entries()) {
    if (i > 0 && ((topP < 1 && mass >= topP * whole) || weight < minP)) {
      kept = i;
      break;
    }
    mass += weight;
  }
  const shares = list.slice(0, kept).map(([, value]) => Math.exp((value - largest) / Math.fround(temperature)));
  const total = shares.reduce((a, b) => a + b, 0);
  return shares.map((share, i) => [list[i][0], share / total]);
}

/** Logits of a model: most are small, some stand out. */
const logits = normals(SCRIPT_VOCABULARY, 7).map((value, i) => (i % 16 === 3 ? value + 5 : value));

const cases: [name: string, options: Options][] = [
  ["temperature", { temperature: 1 }],
  ["temperature 0.5", { temperature: 0.5 }],
  ["temperature 2, top-k 7", { temperature: 2, topK: 7 }],
  ["top-k 1", { temperature: 1, topK: 1 }],
  ["top-k beyond the vocabulary", { temperature: 1, topK: 100_000 }],
  ["top-p 0.9", { temperature: 1, topP: 0.9 }],
  ["top-p 0.000001", { temperature: 1, topP: 1e-6 }],
  ["min-p 0.1", { temperature: 1.5, minP: 0.1 }],
  ["min-p 1", { temperature: 1.5, minP: 1 }],
  ["all of them", { temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05, repeatPenalty: 1.3 }],
  ["penalty below 1", { temperature: 1, topK: 12, repeatPenalty: 0.7 }],
];

for (const [name, options] of cases) {
  test(`${name}: each token comes as often as it should, and no other`, () => {
    const session = always(logits);
    session.append([3, 19, 5, 5, 19]);
    session.configure({ ...options, seed: 11 });
    draw(session);
    const expected = new Map(reference(logitsOf(session), options, [0, 3, 19, 5, 5, 19]));
    const draws = 3000;
    const counts = new Map<number, number>();
    for (let i = 0; i < draws; i++) {
      const id = draw(session);
      assert.ok(expected.has(id), `${id} should never come`);
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    assertFrequencies(counts, expected, draws);
    session.release();
  });
}

test("draws follow the generator, seed by seed, in both builds", () => {
  const options = { temperature: 0.9, topK: 20 };
  const sessions = Object.values(engines).map((target) => always(logits, target));
  for (const session of sessions) draw(session);
  const expected = reference(logitsOf(sessions[0]), options);
  const seen = new Set<string>();
  for (const seed of [0n, 1n, 2n, 12345678901234567890n, (1n << 64n) - 1n]) {
    const [ids, others] = sessions.map((session) => {
      session.configure({ ...options, seed: BigInt.asIntN(64, seed) });
      return Array.from({ length: 60 }, () => draw(session));
    });
    assert.equal(ids, others, "the scalar build draws the same");
    const uniform = xoshiro(seed);
    for (const id of ids) {
      let left = uniform.next().value as number;
      const chosen = expected.find(([, probability]) => (left -= probability) < 0) ?? expected[expected.length - 1];
      assert.is(id, chosen[0]);
    }
    seen.add(ids.join());
  }
  assert.is(seen.size, 5, "each seed has its own draws");
  for (const session of sessions) session.release();
});

test("greedy takes the largest, the lowest id among equals, with and without a penalty", () => {
  const row = new Float32Array(SCRIPT_VOCABULARY).fill(-3);
  for (const id of [40, 41, 200]) row[id] = 2;
  for (const [repeatPenalty, seen, want] of [
    [1, [], 40],
    [1, [40], 40],
    [1.5, [40], 41],
    [1.5, [40, 41, 40], 200],
    [1.5, [40, 41, 200], 40],
    [0.5, [200], 200],
    // Only the last 64 tokens count.
    [1.5, [40, ...Array.from({ length: 64 }, () => 7)], 40],
    [1.5, [40, ...Array.from({ length: 63 }, () => 7)], 41],
  ] as const) {
    const session = always(row);
    session.append([...seen]);
    session.configure({ repeatPenalty });
    assert.is(draw(session), want, `penalty ${repeatPenalty}, seen ${seen.slice(0, 4)}`);
    session.release();
    session.context.release();
    session.context.model.release();
  }
  // A negative logit is made smaller, not larger.
  const negative = new Float32Array(SCRIPT_VOCABULARY).fill(-5);
  negative[9] = -1;
  negative[10] = -1.5;
  const session = always(negative);
  session.append([9]);
  session.configure({ repeatPenalty: 2 });
  assert.is(draw(session), 10);
  session.release();
});

test("logits that are no finite numbers never trap, hang, or win against numbers", () => {
  const [nan, infinity] = [Number.NaN, Number.POSITIVE_INFINITY];
  const rows: [name: string, row: (i: number) => number, want: (id: number) => boolean][] = [
    ["NaN beside numbers", (i) => (i % 2 ? nan : i === 50 ? 30 : 0), (id) => id === 50],
    ["NaN first", (i) => (i === 0 ? nan : i === 50 ? 30 : 0), (id) => id === 50],
    ["one infinity", (i) => (i === 77 ? infinity : 1), (id) => id === 77],
    ["an infinity among NaN", (i) => (i === 77 ? infinity : nan), (id) => id === 77],
    ["−infinity but for one", (i) => (i === 78 ? -1e30 : -infinity), (id) => id === 78],
    ["all NaN", () => nan, () => true],
    ["all infinite", () => infinity, () => true],
    ["all −infinite", () => -infinity, () => true],
    ["the ends of f32", (i) => (i === 79 ? 3.4e38 : -3.4e38), (id) => id === 79],
  ];
  for (const [name, row, want] of rows) {
    // Behind token 0 alone: what is infinite in another's column would make NaN of all.
    const numbers = Array.from({ length: SCRIPT_VOCABULARY }, (_, i) => row(i));
    const zeros = numbers.map(() => 0);
    const model = engine.load(scriptedModel((token) => (token === 0 ? numbers : zeros)));
    const session = model.session({ rows: 16, batch: 1 });
    session.append([0]);
    for (const options of [
      {},
      ...cases.map(([, options]) => options),
      { temperature: 1e-30 },
      { temperature: 1000, minP: 0.5 },
    ]) {
      // A penalty or a temperature that makes all alike is no case for "who wins".
      const fair = (options.temperature ?? 0) <= 1 || (options.topK ?? 0) === 1;
      session.configure({ ...options, seed: 2 });
      for (let i = 0; i < 5; i++) {
        const id = draw(session);
        assert.ok(id >= 0 && id < SCRIPT_VOCABULARY);
        if (fair) assert.ok(want(id), `${name}, ${JSON.stringify(options)}: ${id}`);
      }
    }
    session.generate(1, 20);
    session.release();
    session.context.release();
    model.release();
  }
});

test.run();
