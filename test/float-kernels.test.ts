/**
 * The float kernels against float64 formulas written out here, at the edges of their tiles, on unaligned pointers, and the
 * scalar build against the SIMD build bit for bit.
 */

import { test } from "uvu";
import * as assert from "uvu/assert";
import { sameBits, type TestCore } from "./support/core.ts";
import { fromHalf, near, onBoth, portable, put, scalar, toHalf, values } from "./support/floats.ts";
import { generator } from "./support/random.ts";

const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 100];

const EXP = 0;
const LOG = 1;
const SIN = 2;
const COS = 3;

test("f64 exp, log and pow", () => {
  const random = generator(1);
  for (let i = 0; i < 20000; i++) {
    const x = (random() * 2 - 1) * (i % 2 ? 700 : 3);
    near([portable.call("kernel_function", EXP, x)], [Math.exp(x)], 1e-15, `exp(${x})`, 0);
    const y = Math.exp(x);
    near([portable.call("kernel_function", LOG, y)], [Math.log(y)], 1e-15, `log(${y})`, 1e-3);
    const base = Math.exp(random() * 20 - 10);
    const power = (random() * 2 - 1) * 3;
    near([portable.call("kernel_pow", base, power)], [base ** power], 1e-14, `${base}^${power}`, 0);
  }
  const edges: [number, number, number][] = [
    [EXP, Infinity, Infinity],
    [EXP, -Infinity, 0],
    [EXP, 710, Infinity],
    [EXP, -746, 0],
    [EXP, 0, 1],
    [LOG, 0, -Infinity],
    [LOG, -1, NaN],
    [LOG, Infinity, Infinity],
    [LOG, 1, 0],
    [LOG, 5e-324, Math.log(5e-324)],
    [SIN, Infinity, NaN],
    [COS, NaN, NaN],
    [SIN, 0, 0],
    [COS, 0, 1],
  ];
  for (const [which, x, want] of edges) {
    for (const core of [portable, scalar]) {
      assert.ok(Object.is(core.call("kernel_function", which, x), want), `function ${which} of ${x}`);
    }
  }
  near([portable.call("kernel_function", EXP, -740)], [Math.exp(-740)], 1e-8, "a subnormal", 0);
  assert.is(portable.call("kernel_pow", 0, 0), 1);
  assert.is(portable.call("kernel_pow", 0, 2), 0);
});

test("f64 sine and cosine to 1e-12 up to a million", () => {
  const random = generator(2);
  for (let i = 0; i < 20000; i++) {
    const x = (random() * 2 - 1) * (i % 2 ? 1e6 : 8);
    near([portable.call("kernel_function", SIN, x)], [Math.sin(x)], 1e-12, `sin(${x})`);
    near([portable.call("kernel_function", COS, x)], [Math.cos(x)], 1e-12, `cos(${x})`);
  }
});

function expOf(x: Float32Array): Float32Array {
  return onBoth("exp", (core) => {
    const pointer = put(core, x);
    core.call("kernel_exp", pointer, x.length);
    const result = core.f32(pointer, x.length);
    core.release(pointer - 4);
    return result;
  });
}

test("f32 exp within 2 units in the last place; edges", () => {
  const random = generator(3);
  const x = values(random, 100001, 87);
  for (let i = 0; i < 50000; i++) x[i] = (x[i] as number) / 40;
  near(expOf(x), Array.from(x, Math.exp), 2.4e-7, "exp", 0);
  // The last of each row are the scalar tail's: the same value must give the same bits in a lane and in the tail.
  const edges = [-Infinity, Infinity, 0, -0, -87.3, -87.4, -1e30, 1e30, 88.3, 89, 1e-40];
  const want = [
    0,
    Infinity,
    1,
    1,
    Math.exp(Math.fround(-87.3)),
    0,
    0,
    Infinity,
    Math.exp(Math.fround(88.3)),
    Infinity,
    1,
  ];
  for (let i = 0; i < edges.length; i++) {
    const got = expOf(Float32Array.from({ length: 7 }, () => edges[i] as number));
    assert.ok(
      got.every((value) => value === got[0]),
      `exp(${edges[i]}) in lanes and tail`,
    );
    if (Number.isFinite(want[i])) near([got[0] as number], [want[i] as number], 2.4e-7, `exp(${edges[i]})`, 0);
    else assert.is(got[0], want[i]);
  }
  assert.ok(Number.isNaN(portable.f32(withNaN(), 1)[0]), "a NaN stays one");
});

function withNaN(): number {
  const pointer = put(portable, Float32Array.of(NaN, 1, 2, 3));
  portable.call("kernel_exp", pointer, 4);
  return pointer;
}

test("vectors: add, scale, axpy, dot", () => {
  for (const n of SIZES) {
    const random = generator(n + 10);
    const a = values(random, n);
    const b = values(random, n);
    const work = (name: string, run: (core: TestCore, x: number, y: number) => unknown) =>
      onBoth(name, (core) => {
        const x = put(core, a);
        const y = put(core, b);
        const result = run(core, x, y);
        return typeof result === "number" ? Float32Array.of(result) : core.f32(x, n);
      });
    const sum = work("add", (core, x, y) => void core.call("kernel_add", x, y, n));
    near(
      sum,
      Array.from(a, (v, i) => v + (b[i] as number)),
      1e-7,
      `add ${n}`,
    );
    const scaled = work("scale", (core, x) => void core.call("kernel_scale", x, 0.3, n));
    near(
      scaled,
      Array.from(a, (v) => v * 0.3),
      2e-7,
      `scale ${n}`,
    );
    const moved = work("axpy", (core, x, y) => void core.call("kernel_axpy", x, -1.7, y, n));
    near(
      moved,
      Array.from(a, (v, i) => v - 1.7 * (b[i] as number)),
      3e-7,
      `axpy ${n}`,
    );
    const product = work("dot", (core, x, y) => core.call("kernel_dot", x, y, n));
    near(product, [a.reduce((s, v, i) => s + v * (b[i] as number), 0)], 2e-6, `dot ${n}`);
  }
});

test("RMSNorm", () => {
  for (const n of SIZES) {
    const random = generator(n + 20);
    const rows = 3;
    const x = values(random, rows * n, 3);
    const weight = values(random, n);
    const got = onBoth(`rms norm ${n}`, (core) => {
      const target = core.allocate(4 * rows * n + 4);
      core.call("kernel_rms_norm", put(core, x), put(core, weight), rows, n, 1e-5, target);
      return core.f32(target, rows * n);
    });
    const want = Array.from(x, (value, i) => {
      const row = x.subarray(Math.floor(i / n) * n, Math.floor(i / n) * n + n);
      const mean = row.reduce((s, v) => s + v * v, 0) / n;
      return ((weight[i % n] as number) * value) / Math.sqrt(mean + 1e-5);
    });
    near(got, want, 3e-7, `rms norm ${n}`);
  }
  const zeros = put(portable, new Float32Array(5));
  portable.call("kernel_rms_norm", zeros, put(portable, new Float32Array(5).fill(1)), 1, 5, 0, zeros);
  assert.equal(portable.f32(zeros, 5), new Float32Array(5), "a row of zeros without epsilon");
  const large = put(portable, new Float32Array(9).fill(1e30));
  portable.call("kernel_rms_norm", large, put(portable, new Float32Array(9).fill(1)), 1, 9, 0, large);
  near(portable.f32(large, 9), new Float32Array(9).fill(1), 1e-7, "squares beyond f32");
});

test("layer norm, and RMSNorm with its epsilon outside the root, at every length", () => {
  for (const n of [1, 3, 4, 5, 7, 8, 9, 31, 64, 100, 640]) {
    const random = generator(n + 77);
    const rows = 2;
    // A mean that is large beside the deviation.
    const x = values(random, rows * n, 3).map((value) => value + 5);
    const [weight, bias] = [values(random, n), values(random, n)];
    const [layer, outside] = ["kernel_layer_norm", "kernel_rms_norm_outside"].map((name) =>
      onBoth(`${name} ${n}`, (core) => {
        const target = core.allocate(4 * rows * n);
        const vectors = (name === "kernel_layer_norm" ? [weight, bias] : [weight]).map((vector) => put(core, vector));
        core.call(name, put(core, x), ...vectors, rows, n, 1e-3, target);
        return core.f32(target, rows * n);
      }),
    );
    const row = (i: number) => x.subarray(i - (i % n), i - (i % n) + n);
    const mean = (of: Float32Array, power: number, from = 0) => of.reduce((s, v) => s + (v - from) ** power, 0) / n;
    near(
      outside,
      Array.from(x, (value, i) => (weight[i % n] * value) / (Math.sqrt(mean(row(i), 2)) + 1e-3)),
      3e-7,
      `ε outside ${n}`,
    );
    const centred = Array.from(x, (value, i) => {
      const middle = mean(row(i), 1);
      return (weight[i % n] * (value - middle)) / Math.sqrt(mean(row(i), 2, middle) + 1e-3) + bias[i % n];
    });
    near(layer, centred, 3e-6, `layer norm ${n}`);
  }
  const zeros = put(portable, new Float32Array(5));
  portable.call("kernel_rms_norm_outside", zeros, put(portable, new Float32Array(5).fill(1)), 1, 5, 0, zeros);
  assert.equal(portable.f32(zeros, 5), new Float32Array(5), "a row of zeros without epsilon");
});

function rope(
  core: TestCore,
  x: Float32Array,
  positions: number[],
  heads: number,
  pairs: number,
  halves: number,
  freqs = 0,
) {
  const headSize = x.length / positions.length / heads;
  const pointer = put(core, x);
  const at = put(core, Int32Array.from(positions));
  const scratch = core.allocate(8 * pairs);
  core.call("kernel_rope", pointer, positions.length, heads, headSize, pairs, at, 10000, freqs, halves, scratch);
  return core.f32(pointer, x.length);
}

test("RoPE: both pairings, any position, factors, and back again", () => {
  for (const pairs of [1, 2, 3, 4, 5, 16, 31, 32]) {
    for (const halves of [0, 1]) {
      const random = generator(pairs + 30);
      const positions = [0, 1, 7, 4095, 1000000, -3];
      const heads = 2;
      const headSize = 2 * pairs + 3;
      const x = values(random, positions.length * heads * headSize);
      const factors = Float32Array.from({ length: pairs }, (_, i) => 1 + (i % 3) * 3.5);
      const got = onBoth(`rope ${pairs}`, (core) => rope(core, x, positions, heads, pairs, halves, put(core, factors)));
      const want = Float64Array.from(x);
      for (let t = 0; t < positions.length; t++) {
        for (let h = 0; h < heads; h++) {
          const base = (t * heads + h) * headSize;
          for (let i = 0; i < pairs; i++) {
            const angle = ((positions[t] as number) * 10000 ** (-i / pairs)) / (factors[i] as number);
            const first = base + (halves ? i : 2 * i);
            const second = base + (halves ? i + pairs : 2 * i + 1);
            const [a, b] = [x[first] as number, x[second] as number];
            want[first] = a * Math.cos(angle) - b * Math.sin(angle);
            want[second] = a * Math.sin(angle) + b * Math.cos(angle);
          }
        }
      }
      near(got, want, 2e-7, `rope ${pairs} pairs, halves ${halves}`, 2);
      const there = rope(portable, x, positions, heads, pairs, halves);
      const back = rope(
        portable,
        there,
        positions.map((p) => -p),
        heads,
        pairs,
        halves,
      );
      near(back, x, 4e-7, "the negative angle turns back", 2);
    }
  }
});

test("softmax and log-sum-exp", () => {
  for (const n of SIZES) {
    const random = generator(n + 40);
    const rows = 2;
    const x = values(random, rows * n, 12);
    const got = onBoth(`softmax ${n}`, (core) => {
      const pointer = put(core, x);
      core.call("kernel_softmax", pointer, rows, n);
      return core.f32(pointer, rows * n);
    });
    for (let r = 0; r < rows; r++) {
      const row = Array.from(x.subarray(r * n, r * n + n));
      const top = Math.max(...row);
      const sum = row.reduce((s, v) => s + Math.exp(v - top), 0);
      // x − largest is rounded before the exponential: half a unit of 24 is 1e-6.
      near(
        got.subarray(r * n, r * n + n),
        row.map((v) => Math.exp(v - top) / sum),
        2e-6,
        `softmax ${n}`,
        1e-30,
      );
      const sums = [portable, scalar].map((core) =>
        core.call("kernel_log_sum_exp", put(core, Float32Array.from(row)), n),
      );
      assert.ok(Object.is(sums[0], sums[1]), "log-sum-exp: the scalar build gives other bits");
      if (n > 0) near(sums, [top + Math.log(sum), top + Math.log(sum)], 1e-6, `log-sum-exp ${n}`);
      else assert.equal(sums, [-Infinity, -Infinity]);
    }
  }
  const masked = onBoth("masked", (core) => {
    const pointer = put(core, Float32Array.of(-Infinity, 1, -Infinity, 1, -Infinity));
    core.call("kernel_softmax", pointer, 1, 5);
    return core.f32(pointer, 5);
  });
  assert.equal(masked, Float32Array.of(0, 0.5, 0, 0.5, 0));
  const nothing = onBoth("all masked", (core) => {
    const pointer = put(core, new Float32Array(6).fill(-Infinity));
    core.call("kernel_softmax", pointer, 1, 6);
    return core.f32(pointer, 6);
  });
  assert.equal(nothing, new Float32Array(6));
});

test("SiLU · up and ReLU²", () => {
  for (const n of SIZES) {
    const random = generator(n + 50);
    const gate = values(random, n, 20);
    const up = values(random, n);
    const got = onBoth(`silu ${n}`, (core) => {
      const pointer = put(core, gate);
      core.call("kernel_silu_multiply", pointer, put(core, up), n);
      return core.f32(pointer, n);
    });
    near(
      got,
      Array.from(gate, (v, i) => (v / (1 + Math.exp(-v))) * (up[i] as number)),
      6e-7,
      `silu ${n}`,
      1e-12,
    );
    const zeros: number[] = [];
    const squares = onBoth(`relu² ${n}`, (core) => {
      const pointer = put(core, gate);
      zeros.push(core.call("kernel_relu_squared", pointer, n));
      return core.f32(pointer, n);
    });
    assert.equal(
      squares,
      gate.map((v) => Math.max(v, 0) ** 2),
    );
    const expected = squares.filter((v) => v === 0).length;
    assert.equal(zeros, [expected, expected]);
  }
  const far = onBoth("silu far out", (core) => {
    const pointer = put(core, Float32Array.of(-200, -89, -1e30, 200, 1e30));
    core.call("kernel_silu_multiply", pointer, put(core, new Float32Array(5).fill(1)), 5);
    return core.f32(pointer, 5);
  });
  near(far, [0, 0, 0, 200, 1e30], 1e-6, "silu far out");
});

test("silu, gates, caps and gpt-oss's clamped silu", () => {
  const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
  const within = (x: number, most: number) => Math.max(-most, Math.min(x, most));
  const pair = (kernel: string, x: Float32Array, y: Float32Array) =>
    onBoth(kernel, (core) => {
      const pointer = put(core, x);
      core.call(kernel, pointer, put(core, y), x.length);
      return core.f32(pointer, x.length);
    });
  const alone = (kernel: string, x: Float32Array, ...numbers: number[]) =>
    onBoth(kernel, (core) => {
      const pointer = put(core, x);
      core.call(kernel, pointer, ...numbers, x.length);
      return core.f32(pointer, x.length);
    });
  for (const n of SIZES) {
    const x = values(generator(n + 80), n, 9);
    const y = values(generator(n + 81), n, 9);
    const of = (f: (x: number, y: number) => number) => Array.from(x, (v, i) => f(v, y[i] as number));
    near(
      alone("kernel_silu", x),
      of((v) => v * sigmoid(v)),
      4e-7,
      `silu ${n}`,
    );
    near(
      pair("kernel_multiply", x, y),
      of((v, w) => v * w),
      1e-7,
      `multiply ${n}`,
    );
    near(
      pair("kernel_sigmoid_multiply", x, y),
      of((v, w) => v * sigmoid(w)),
      4e-7,
      `gate ${n}`,
    );
    near(
      alone("kernel_softcap", x, 2.5),
      of((v) => 2.5 * Math.tanh(v / 2.5)),
      4e-7,
      `cap ${n}`,
    );
    const clamped = (v: number, w: number) => Math.min(v, 7) * sigmoid(1.702 * Math.min(v, 7)) * (within(w, 7) + 1);
    near(pair("kernel_clamped_silu_multiply", x, y), of(clamped), 6e-7, `clamped ${n}`);
  }
  for (const x of [-Infinity, -1e30, -0, 0, 1e-30, 1e30, Infinity]) {
    // Seven: the first lies in a lane, the last in the tail.
    const got = alone("kernel_softcap", new Float32Array(7).fill(x), 30);
    assert.ok(
      got.every((value) => Object.is(value, got[0])),
      `cap of ${x} in lanes and tail`,
    );
    near([got[0] as number], [30 * Math.tanh(x / 30)], 1e-6, `cap of ${x}`);
  }
  const nan = new Float32Array(5).fill(NaN);
  assert.ok(alone("kernel_softcap", nan, 30).every(Number.isNaN), "a NaN stays one");
});

test("xIELU", () => {
  // Apertus's ε, and one that shows.
  for (const [positive, negative, beta, epsilon] of [
    [0.9, 1.3, 0.5, -1e-6],
    [2.5, 0.25, -0.5, -0.125],
  ]) {
    const xielu = (x: number) => {
      if (x > 0) return positive * x * x + beta * x;
      const m = Math.min(x, Math.fround(epsilon));
      return (Math.expm1(m) - x) * negative + beta * x;
    };
    const of = (x: Float32Array) =>
      onBoth("xielu", (core) => {
        const pointer = put(core, x);
        core.call("kernel_xielu", pointer, positive, negative, beta, epsilon, x.length);
        return core.f32(pointer, x.length);
      });
    for (const n of SIZES) {
      const x = values(generator(n + 90), n, n % 2 ? 8 : 0.7);
      near(of(x), Array.from(x, xielu), 6e-7, `xielu ${n}`);
    }
    // Seven: the first lies in a lane, the last in the tail.
    for (const x of [-1e30, -200, -0.51, -0.5, -0.49, -1e-3, -1e-6, -1e-7, -0, 0, 1e-7, 3, 1e10]) {
      const got = of(new Float32Array(7).fill(x));
      assert.ok(
        got.every((value) => Object.is(value, got[0])),
        `xielu(${x}) in lanes and tail`,
      );
      near([got[0] as number], [xielu(Math.fround(x))], 1e-6, `xielu(${x})`, 0);
    }
    assert.ok(of(new Float32Array(5).fill(NaN)).every(Number.isNaN), "a NaN stays one");
  }
});

test("angles of linear scaling and of YaRN", () => {
  const pairs = 32;
  const cases = [
    { scale: 0.25, yarn: 0, low: 0, high: 0, magnitude: 1 },
    { scale: 1 / 40, yarn: 1, low: 10, high: 23, magnitude: 1.2608 },
    { scale: 1 / 8, yarn: 1, low: 3, high: 3, magnitude: 1 },
  ];
  for (const { scale, yarn, low, high, magnitude } of cases)
    for (const position of [0, 1, 77, 4095, 131071]) {
      const got = onBoth(`angles at ${position}`, (core) => {
        const target = put(core, new Float32Array(2 * pairs));
        core.call("kernel_scaled_angles", position, pairs, 1e4, 0, scale, yarn, low, high, magnitude, target);
        return core.f32(target, 2 * pairs);
      });
      const angles = Array.from({ length: pairs }, (_, i) => {
        const ramp = Math.min(1, Math.max(0, (i - low) / Math.max(0.001, high - low)));
        const kept = yarn * (1 - ramp);
        return position * 1e4 ** (-i / pairs) * (Math.fround(scale) * (1 - kept) + kept);
      });
      const large = Math.fround(magnitude);
      const want = [...angles.map((a) => large * Math.cos(a)), ...angles.map((a) => large * Math.sin(a))];
      near(got, want, 1e-6, `angles at ${position}`);
    }
});

test("the choice of experts", () => {
  const softmax = (x: number[]) => {
    const e = x.map((v) => Math.exp(v - Math.max(...x)));
    const sum = e.reduce((a, b) => a + b, 0);
    return e.map((v) => v / sum);
  };
  const random = generator(90);
  const shapes: [experts: number, used: number, groups: number, kept: number][] = [
    [1, 1, 1, 1],
    [8, 3, 1, 1],
    [60, 4, 1, 1],
    [16, 4, 4, 2],
  ];
  for (const [experts, used, groups, kept] of shapes)
    for (const gating of [1, 2, 3])
      for (const normalised of [0, 1])
        for (const withBias of [false, true]) {
          const what = `${used} of ${experts}, gating ${gating}, ${normalised}, bias ${withBias}`;
          const scores = values(random, experts, 3);
          const bias = values(random, experts, 0.4);
          const got = onBoth(what, (core) => {
            const ids = put(core, new Uint32Array(used));
            const weights = put(core, new Float32Array(used));
            const operands = [put(core, scores), experts, used, gating, withBias ? put(core, bias) : 0, groups, kept];
            const scratch = put(core, new Float32Array(2 * experts));
            core.call("kernel_route", ...operands, normalised, 2.5, scratch, ids, weights);
            return Float32Array.from([...core.u32(ids, used), ...core.f32(weights, used)]);
          });
          const raw = Array.from(scores);
          const chances = gating === 1 ? softmax(raw) : gating === 2 ? raw.map((v) => 1 / (1 + Math.exp(-v))) : raw;
          const wanted = chances.map((p, e) => p + (withBias ? (bias[e] as number) : 0));
          const size = experts / groups;
          const best = Array.from({ length: groups }, (_, g) =>
            wanted
              .slice(g * size, (g + 1) * size)
              .sort((a, b) => b - a)
              .slice(0, 2)
              .reduce((a, b) => a + b, 0),
          );
          const groupsKept = best.map((_, g) => g).sort((a, b) => (best[b] as number) - (best[a] as number));
          const allowed = new Set(groups === 1 ? [0] : groupsKept.slice(0, kept));
          const chosen = wanted
            .map((_, e) => e)
            .filter((e) => allowed.has(Math.floor(e / size)))
            .sort((a, b) => (wanted[b] as number) - (wanted[a] as number))
            .slice(0, used);
          const own = chosen.map((e) => chances[e] as number);
          const weights = gating === 3 ? softmax(own) : own;
          const sum = normalised ? weights.reduce((a, b) => a + b, 0) : 1;
          assert.equal([...got.subarray(0, used)], chosen, what);
          near(
            got.subarray(used),
            weights.map((w) => (2.5 * w) / sum),
            1e-6,
            what,
          );
        }
});

test("a softmax with a sink", () => {
  for (const n of SIZES)
    for (const sink of [-3, 0, 40]) {
      const x = values(generator(n + 95), n, 4);
      const got = onBoth(`sink ${n}`, (core) => {
        const pointer = put(core, x);
        core.call("kernel_softmax_with_sink", pointer, n, sink);
        return core.f32(pointer, n);
      });
      const top = Math.max(sink, ...x);
      const sum = Math.exp(sink - top) + x.reduce((a, v) => a + Math.exp(v - top), 0);
      near(
        got,
        Array.from(x, (v) => Math.exp(v - top) / sum),
        1e-6,
        `sink ${n}`,
      );
    }
});

test("GELU by tanh", () => {
  const gelu = (x: number) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
  const of = (name: string, x: Float32Array) =>
    onBoth(name, (core) => {
      const pointer = put(core, x);
      core.call("kernel_gelu", pointer, x.length);
      return core.f32(pointer, x.length);
    });
  for (const n of SIZES) {
    const x = values(generator(n + 70), n, 6);
    near(of(`gelu ${n}`, x), Array.from(x, gelu), 4e-7, `gelu ${n}`, 1);
  }
  const far = Float32Array.of(-Infinity, -1e30, -200, -13, 0, 13, 200, 1e30, Infinity);
  for (const x of far.subarray(1)) {
    // Seven: the first lies in a lane, the last in the tail.
    const got = of(`gelu(${x})`, new Float32Array(7).fill(x));
    assert.ok(
      got.every((value) => value === got[0]),
      `gelu(${x}) in lanes and tail`,
    );
    assert.ok(x > 0 ? got[0] === x : Math.abs(got[0]) < 1e-30, `gelu(${x}) is ${got[0]}`);
  }
  assert.ok(of("gelu(NaN)", new Float32Array(5).fill(NaN)).every(Number.isNaN), "a NaN stays one");
});

/** erf by its series, and by its continued fraction where that is long (Abramowitz and Stegun 7.1.5, 7.1.14). */
function erf(x: number): number {
  const a = Math.abs(x);
  if (a < 3) {
    let [sum, term] = [0, a];
    for (let k = 0; k < 100; k++) {
      sum += term / (2 * k + 1);
      term *= -(a * a) / (k + 1);
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = 0;
  for (let k = 60; k > 0; k--) fraction = k / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * (a + fraction)));
}

test("GELU by erf", () => {
  const gelu = (x: number) => (x / 2) * (1 + erf(x / Math.SQRT2));
  const of = (name: string, x: Float32Array) =>
    onBoth(name, (core) => {
      const pointer = put(core, x);
      core.call("kernel_gelu_erf", pointer, x.length);
      return core.f32(pointer, x.length);
    });
  for (const n of SIZES) {
    const x = values(generator(n + 71), n, 6);
    near(of(`gelu ${n}`, x), Array.from(x, gelu), 1e-7, `gelu by erf ${n}`, 1);
  }
  for (const x of [-Infinity, -1e30, -200, -14, 0, 14, 200, 1e30, Infinity]) {
    const got = of(`gelu by erf(${x})`, new Float32Array(7).fill(x));
    assert.ok(
      got.every((value) => (x > 0 ? value === Math.fround(x) : Math.abs(value) < 1e-30)),
      `gelu(${x}) is ${got}`,
    );
  }
  assert.ok(of("gelu(NaN)", new Float32Array(5).fill(NaN)).every(Number.isNaN), "a NaN stays one");
});

test("the largest values of a row, above the mean by so many deviations", () => {
  for (const n of SIZES) {
    const x = values(generator(n + 72), n, 3).map((value) => value + 0.5);
    const mean = x.reduce((sum, value) => sum + value, 0) / n;
    const deviation = Math.sqrt(x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n);
    const got = onBoth(`sparsify ${n}`, (core) => {
      const pointer = put(core, x);
      core.call("kernel_sparsify", pointer, n, 0.7);
      return core.f32(pointer, n);
    });
    const want = Array.from(x, (value) => Math.max(value - mean - Math.fround(0.7) * deviation, 0));
    near(got, want, 1e-6, `sparsify ${n}`, 1);
  }
});

test("four streams mix, and one is made as long as another", () => {
  for (const n of SIZES) {
    const random = generator(n + 73);
    const [x, by, model] = [values(random, 4 * n, 2), values(random, 16, 1), values(random, n, 5)];
    const mixed = onBoth(`mix ${n}`, (core) => {
      const pointer = put(core, x);
      core.call("kernel_mix_streams", pointer, put(core, by), n);
      return core.f32(pointer, 4 * n);
    });
    const want = Array.from(x, (value, i) => {
      const others = [0, 1, 2, 3].map((k) => by[Math.floor(i / n) * 4 + k] * x[k * n + (i % n)]);
      return value + others.reduce((sum, part) => sum + part, 0);
    });
    near(mixed, want, 1e-6, `mix ${n}`, 1);
    const level = (source: Float32Array) =>
      onBoth(`level ${n}`, (core) => {
        const target = core.allocate(4 * n);
        core.call("kernel_level", put(core, source), put(core, model), n, 1e-5, target);
        return core.f32(target, n);
      });
    const square = (row: Float32Array) => row.reduce((sum, value) => sum + value * value, 0) / n;
    const own = x.subarray(0, n);
    const factor = Math.sqrt(square(model) / Math.max(square(own), Math.fround(1e-5)));
    near(
      level(own),
      Array.from(own, (value) => value * factor),
      1e-6,
      `level ${n}`,
      1,
    );
    assert.ok(
      level(new Float32Array(n)).every((value) => value === 0),
      "nothing stays nothing",
    );
  }
});

test("cache rows: halves and floats", () => {
  for (const n of SIZES) {
    const random = generator(n + 60);
    const x = Float32Array.from({ length: n }, () => (random() * 2 - 1) * 2 ** (random() * 50 - 30));
    for (let i = 0; i < n; i += 3) x[i] = fromHalf(Math.floor(random() * 0x7bff)) * (1 + 2 ** -11);
    const codes = onBoth(`encode ${n}`, (core) => {
      const target = core.allocate(2 * n + 3);
      core.call("kernel_encode_row", 1, put(core, x), n, target + 1);
      return Float32Array.from(new Uint16Array(core.u8(target + 1, 2 * n).buffer));
    });
    assert.equal(Array.from(codes), Array.from(x, toHalf), `encode ${n}`);
    const copied = onBoth(`copy ${n}`, (core) => {
      const row = core.allocate(4 * n + 4);
      core.call("kernel_encode_row", 0, put(core, x), n, row);
      core.call("kernel_decode_row", 0, row, n, row);
      return core.f32(row, n);
    });
    assert.ok(sameBits(copied, x));
  }
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const decoded = onBoth("decode", (core) => {
    const target = core.allocate(4 * 65536);
    core.call("kernel_decode_row", 1, core.put(all), 65536, target);
    return core.f32(target, 65536);
  });
  const finite = decoded.every((value, code) => (code & 0x7c00) === 0x7c00 || Object.is(value, fromHalf(code)));
  assert.ok(finite, "all finite codes are exact");
  assert.is(decoded[0x7c00], 65536, "the code of infinity is a large number");
  const odd = [NaN, Infinity, -Infinity, 65519, 65520, 1e-8, -0];
  const edges = onBoth("encode edges", (core) => {
    const target = core.allocate(32);
    core.call("kernel_encode_row", 1, put(core, Float32Array.of(...odd, ...odd, 1, 2)), 16, target);
    return Float32Array.from(core.u16(target, 16));
  });
  assert.equal(Array.from(edges).slice(0, 7), odd.map(toHalf));
});

test.run();
