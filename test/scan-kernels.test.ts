/**
 * The kernels of recurrent states against float64 formulas written out here, at the edges of their tiles, on unaligned
 * pointers, and the scalar build against the SIMD build bit for bit.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { TestCore } from "./support/core.ts";
import { near, onBoth, put, values } from "./support/floats.ts";
import { generator } from "./support/random.ts";

const SIZES = [1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 32, 33, 64, 65];

/** Runs a kernel on arrays, and gives what it left in the first `results` of them, one behind the other. */
function run(
  name: string,
  arrays: readonly Float32Array[],
  results: number,
  call: (core: TestCore, at: number[]) => void,
) {
  return onBoth(name, (core) => {
    const at = arrays.map((array) => put(core, array));
    call(core, at);
    const out = at.slice(0, results).flatMap((pointer, i) => [...core.f32(pointer, arrays[i].length)]);
    for (const pointer of at) core.release(pointer - 4);
    return Float32Array.from(out);
  });
}

const softplus = (x: number) => Math.log1p(Math.exp(x));
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

test("softplus, sigmoid and L2 norms", () => {
  for (const n of SIZES) {
    const x = values(generator(n), n, 12);
    const soft = run("softplus", [x], 1, (core, [at]) => void core.call("kernel_softplus", at, n));
    near(soft, Array.from(x, softplus), 3e-7, `softplus of ${n}`, 1e-3);
    const open = run("sigmoid", [x], 1, (core, [at]) => void core.call("kernel_sigmoid", at, n, at));
    near(open, Array.from(x, sigmoid), 3e-7, `sigmoid of ${n}`, 1e-3);
    const length = Math.sqrt(x.reduce((sum, value) => sum + value * value, 1e-6));
    const unit = run("l2", [x], 1, (core, [at]) => void core.call("kernel_l2_norm", at, n, 1e-6, at));
    near(
      unit,
      Array.from(x, (value) => value / length),
      2e-7,
      `L2 norm of ${n}`,
    );
  }
  const edges = Float32Array.of(-200, -80, 0, 20, 21, 200, 3e38);
  const far = run("softplus", [edges], 1, (core, [at]) => void core.call("kernel_softplus", at, edges.length));
  near(far, [0, 0, Math.LN2, 20, 21, 200, edges[6]], 1e-6, "softplus at its edges");
  const zeros = run("l2", [new Float32Array(5)], 1, (core, [at]) => void core.call("kernel_l2_norm", at, 5, 0, at));
  assert.equal([...zeros], [0, 0, 0, 0, 0], "nothing has no length");
});

test("causal convolution", () => {
  for (const channels of SIZES) {
    for (const taps of [2, 3, 4, 7]) {
      const random = generator(channels * 10 + taps);
      const inputs = Array.from({ length: taps }, () => values(random, channels));
      const [weight, bias] = [values(random, channels * taps), values(random, channels)];
      for (const biased of [false, true]) {
        const got = run("convolution", [new Float32Array(channels), weight, bias, ...inputs], 1, (core, at) => {
          const list = put(core, Uint32Array.from(at.slice(3)));
          core.call("kernel_convolution", list, taps, at[1], biased ? at[2] : 0, channels, at[0]);
          core.release(list - 4);
        });
        const want = Array.from({ length: channels }, (_, c) =>
          inputs.reduce((sum, x, j) => sum + weight[c * taps + j] * x[c], biased ? bias[c] : 0),
        );
        near(got, want, 1e-6, `${channels} channels, ${taps} taps`);
      }
    }
  }
});

test("the selective scan of a channel", () => {
  for (const n of SIZES) {
    const random = generator(n + 1000);
    const [state, b, c] = [values(random, n), values(random, n), values(random, n)];
    const a = values(random, n, 0.9).map((value) => value - 1);
    for (const [delta, x] of [
      [0.01, 1.5],
      [0.7, -2],
      [9, 0.25],
    ]) {
      const [d, u] = [Math.fround(delta), Math.fround(x)];
      const got = run("selective scan", [state, Float32Array.of(0), a, b, c], 2, (core, at) => {
        const y = core.call("kernel_selective_scan", at[0], at[2], at[3], at[4], n, d, u);
        core.memory.write(at[1], Float32Array.of(y));
      });
      const want = Array.from(state, (s, j) => s * Math.exp(d * a[j]) + b[j] * d * u);
      near(got, [...want, want.reduce((sum, s, j) => sum + s * c[j], 0)], 2e-6, `${n} values, Δ ${delta}`);
    }
  }
});

test("states that are matrices: written, corrected by what is found, read before they are written", () => {
  for (const keys of [1, 3, 16, 20]) {
    for (const count of SIZES) {
      const random = generator(keys * 1000 + count);
      const state = values(random, keys * count);
      const w = values(random, keys, 0.5).map((value) => value + 0.5);
      const [k, r, a, b, u] = Array.from({ length: 5 }, () => values(random, keys, 0.7));
      const v = values(random, count);
      const column = (i: number) => Array.from({ length: keys }, (_, j) => state[j * count + i]);
      const rows = (values: (j: number, i: number) => number) =>
        Array.from(state, (_, place) => values(Math.floor(place / count), place % count));
      const read = (s: number[]) =>
        Array.from(v, (_, i) => r.reduce((sum, value, j) => sum + value * s[j * count + i], 0));
      const what = `${keys} keys, ${count} values`;
      const arrays = [state, new Float32Array(count), w, k, v, r];

      const written = rows((j, i) => w[j] * state[j * count + i] + k[j] * v[i]);
      const write = run("write", arrays, 2, (core, [s, o, w, k, v, r]) => {
        core.call("kernel_write_state", s, keys, count, w, k, v, r, o);
      });
      near(write, [...written, ...read(written)], 2e-6, `written, ${what}`);

      const found = Array.from(v, (_, i) => a.reduce((sum, value, j) => sum + value * column(i)[j], 0));
      const corrected = written.map((s, place) => s + b[Math.floor(place / count)] * found[place % count]);
      const delta = run("delta", [...arrays, a, b], 2, (core, [s, o, w, k, v, r, a, b]) => {
        core.call("kernel_write_delta", s, keys, count, w, k, v, a, b, r, o);
      });
      near(delta, [...corrected, ...read(corrected)], 4e-6, `corrected, ${what}`);

      const seen = read(rows((j, i) => state[j * count + i] + u[j] * k[j] * v[i]));
      const bonus = run("bonus", [...arrays, u], 2, (core, [s, o, w, k, v, r, u]) => {
        core.call("kernel_write_behind_bonus", s, keys, count, w, k, v, u, r, o);
      });
      near(bonus, [...written, ...seen], 2e-6, `read before, ${what}`);
    }
  }
});

test.run();
