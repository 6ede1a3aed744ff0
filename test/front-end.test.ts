/**
 * The audio front ends: in integers against pymicro-features 2.0.2, every feature of sounds that the test makes, and of
 * the recordings of ../shared; in real numbers against the formulas. Samples come in pieces of any length. Both builds run.
 */
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LimpetError, MelFrontend, MicroFrontend, WakeWord } from "../src/graph.ts";
import { checksum, Goldens, graphCore, lcg } from "./support/graph.ts";
import { shared } from "./support/shared.ts";

const refused = async (run: () => unknown, code: string, words: RegExp): Promise<void> => {
  try {
    await run();
  } catch (error) {
    assert.instance(error, LimpetError);
    assert.is((error as LimpetError).code, code);
    assert.match((error as LimpetError).message, words);
    return;
  }
  assert.unreachable("it was not refused");
};

const noise = new Int16Array(lcg(32000, 1).buffer);
const sound = (sample: (t: number) => number): Int16Array => Int16Array.from({ length: 16000 }, (_, t) => sample(t));

/** A second of sound, and the CRC-32 of its 98 frames of 40 as u16, 10 ms apart, by pymicro-features 2.0.2. */
const SOUNDS: readonly (readonly [string, Int16Array, string])[] = [
  ["noise", noise, "ffe7b2e2"],
  ["rising noise", sound((t) => (noise[t] * (t >> 4)) >> 10), "2ade7c64"],
  ["a square wave", sound((t) => (Math.floor(t / 37) % 2 === 0 ? 32767 : -32768)), "ecf42893"],
  ["spikes", sound((t) => (t % 700 === 240 ? -32768 : (t % 5) - 2)), "646caf7e"],
  ["a tone", sound((t) => ((t * 6900) % 16000 < 8000 ? 1 : -1) * (Math.floor((t * t) / 11500) % 3000)), "04446b15"],
  ["hardly anything", sound((t) => ((t * 7) % 3) - 1), "2b63c6a4"],
];

const folder = shared("data/graphs");
for (const build of ["limpet.graph.wasm", "limpet.graph.scalar.wasm"]) {
  const core = graphCore(build);

  /** The features of a sound in pieces of so many samples. */
  const featuresOf = (samples: Int16Array, step: number, piece: number): Uint16Array => {
    const front = core.call("front_end_create", core.core, step) >>> 0;
    const found: number[] = [];
    for (let at = 0; at < samples.length; at += piece) {
      const some = samples.slice(at, at + piece);
      const frames = core.call("front_end_frames", front, some.length);
      const [from, to] = [core.put(some), core.allocate(Math.max(frames, 1) * 80)];
      assert.is(core.call("front_end_push", front, from, some.length, to), frames);
      found.push(...core.u16(to, frames * 40));
      core.release(from);
      core.release(to);
    }
    core.call("front_end_release", core.core, front);
    assert.is(core.call("core_used", core.core), 0);
    return Uint16Array.from(found);
  };

  test(`${build}: sounds that the test makes`, () => {
    for (const [name, samples, sum] of SOUNDS) {
      for (const piece of [160, 16000, 77]) {
        const found = featuresOf(samples, 160, piece);
        assert.is(found.length, 98 * 40);
        assert.is(checksum(new Uint8Array(found.buffer)), sum, `${name}, ${piece} samples at once`);
      }
    }
  });

  if (!folder) continue;
  const goldens = new Goldens(folder);
  const recording = (file: string): Int16Array => new Int16Array(goldens.read(`inputs/${file}`).buffer);

  test(`${build}: words that wake, features as they are`, () => {
    for (const name of ["alexa", "hey_mycroft", "okay_nabu"]) {
      const clip = recording(`wake_${name}.i16.bin`);
      const samples = new Int16Array(16000 + clip.length + 12000);
      samples.set(clip, 16000);
      const wanted = new Uint16Array(goldens.read(`inputs/wake_${name}.features.u16.bin`).buffer);
      const found = featuresOf(samples, 160, 480);
      const wrong = wanted.findIndex((feature, i) => feature !== found[i]);
      assert.is(wrong, -1, `${name}: feature ${wrong} is ${found[wrong]}, not ${wanted[wrong]}`);
    }
  });
}

test("MicroFrontend: what it keeps goes from call to call, and is gone behind a reset", async () => {
  const whole = await MicroFrontend.create();
  const ears = await MicroFrontend.create({ build: "scalar", step: 160 });
  const wanted = whole.push(noise);
  for (const _ of ["first", "behind a reset"]) {
    const pieces = [ears.push(noise.subarray(0, 1000)), ears.push(new Int16Array(0)), ears.push(noise.subarray(1000))];
    assert.equal(Uint16Array.from(pieces.flatMap((piece) => [...piece])), wanted);
    ears.reset();
  }
  assert.equal(whole.bytes(Uint16Array.of(0, 1, 333, 665, 666, 65535)), Int8Array.of(-128, -128, 0, 127, 127, 127));
  await refused(() => MicroFrontend.create({ step: 481 }), "BAD_ARGUMENT", /step/);
  await refused(() => ears.push(new Float32Array(9) as never), "BAD_ARGUMENT", /Int16Array of 16 kHz/);
  ears.dispose();
  await refused(() => ears.push(noise), "WRONG_STATE", /disposed/);
  whole.dispose();
});

if (folder) {
  const goldens = new Goldens(folder);

  test("WakeWord: okay nabu wakes on its word and on no other, however the sound is cut", async () => {
    const word = await WakeWord.load(join(folder, "models/mww_okay_nabu.tflite"), { cutoff: 0.97 });
    for (const name of ["alexa", "okay_nabu", "hey_mycroft"]) {
      const clip = new Int16Array(goldens.read(`inputs/wake_${name}.i16.bin`).buffer);
      const samples = new Int16Array(16000 + clip.length + 12000);
      samples.set(clip, 16000);
      let heard = false;
      for (let at = 0; at < samples.length; at += 777) {
        if (await word.push(samples.subarray(at, at + 777))) heard = true;
      }
      assert.is(heard, name === "okay_nabu", name);
      word.reset();
      assert.is(word.probability, 0);
    }
    word.dispose();
    await refused(() => WakeWord.load(join(folder, "models/person_detect.tflite")), "UNSUPPORTED", /no wake word/);
    for (const cutoff of [NaN, 97]) {
      const load = () => WakeWord.load(join(folder, "models/mww_okay_nabu.tflite"), { cutoff });
      await refused(load, "BAD_ARGUMENT", /cutoff is a probability from 0 to 1/);
    }
  });
}

/** The formulas of tf.signal in f64, the transform by its definition. */
function melOf(sound: Float32Array, at: number, coefficients: number, bands: number, low: number, high: number) {
  const mel = (f: number): number => 1127 * Math.log(1 + f / 700);
  const edges = Array.from({ length: bands + 2 }, (_, i) => mel(low) + ((mel(high) - mel(low)) * i) / (bands + 1));
  const sums = new Float64Array(bands);
  for (let bin = 1; bin <= 256; bin++) {
    let [re, im] = [0, 0];
    for (let i = 0; i < 480; i++) {
      const value = sound[at + i] * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / 480));
      re += value * Math.cos((2 * Math.PI * ((bin * i) % 512)) / 512);
      im -= value * Math.sin((2 * Math.PI * ((bin * i) % 512)) / 512);
    }
    const place = mel((bin * 16000) / 512);
    for (let b = 0; b < bands; b++) {
      const rise = (place - edges[b]) / (edges[b + 1] - edges[b]);
      const fall = (edges[b + 2] - place) / (edges[b + 2] - edges[b + 1]);
      sums[b] += Math.hypot(re, im) * Math.max(0, Math.min(rise, fall));
    }
  }
  const logs = Array.from(sums, (sum) => Math.log(sum + 1e-6));
  if (coefficients === 0) return logs;
  return Array.from({ length: coefficients }, (_, k) => {
    const sum = logs.reduce((sum, value, n) => sum + value * Math.cos((Math.PI * k * (2 * n + 1)) / (2 * bands)), 0);
    return (2 * sum) / Math.sqrt(2 * bands);
  });
}

test("MelFrontend: the formulas in f64, however the sound is cut, in both builds", async () => {
  const samples = Float32Array.from(noise.subarray(0, 2000), (value) => value / 32768);
  for (const [coefficients, bands, low, high] of [
    [10, 40, 20, 4000],
    [0, 23, 125, 8000],
  ]) {
    const options = { coefficients, bands, low, high };
    const ears = await MelFrontend.create(options);
    const scalar = await MelFrontend.create({ ...options, build: "scalar" });
    const found = ears.push(samples);
    const values = coefficients || bands;
    assert.is(found.length, 5 * values);
    for (let frame = 0; frame < 5; frame++) {
      melOf(samples, 320 * frame, coefficients, bands, low, high).forEach((wanted, i) => {
        const value = found[frame * values + i];
        assert.ok(Math.abs(value - wanted) <= 1e-6 * Math.max(1, Math.abs(wanted)), `${value}, not ${wanted}`);
      });
    }
    for (const _ of ["first", "behind a reset"]) {
      const pieces = [scalar.push(samples.subarray(0, 777)), scalar.push(samples.subarray(777))];
      assert.equal(Float32Array.from(pieces.flatMap((piece) => [...piece])), found);
      scalar.reset();
    }
    ears.dispose();
    scalar.dispose();
    await refused(() => ears.push(samples), "WRONG_STATE", /disposed/);
  }
  await refused(() => MelFrontend.create({ length: 500 }), "BAD_ARGUMENT", /a power of two/);
  await refused(() => MelFrontend.create({ window: 513 }), "BAD_ARGUMENT", /a window of 513/);
  await refused(() => MelFrontend.create({ high: 8001 }), "BAD_ARGUMENT", /half the rate/);
  await refused(() => MelFrontend.create({ coefficients: 41 }), "BAD_ARGUMENT", /coefficients/);
});

test.run();
