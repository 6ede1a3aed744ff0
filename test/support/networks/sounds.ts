/** Sounds of ten kinds, each with its own pitch, loudness, place and noise: what a Tiny Transformer learns to tell apart. */
import { MicroFrontend } from "../../../src/graph.ts";
import { generator } from "../random.ts";

const RATE = 16_000;
/** Frames of a second, each 20 ms. */
export const FRAMES = 49;
export const CHANNELS = 40;
const STEP = 320;
/** The front end's largest feature. */
const LOUDEST = 670;

type Random = () => number;
/** A second of sound, −1 … 1, by its time. */
type Sound = (t: number) => number;

const wave = (phase: number): number => Math.sin(2 * Math.PI * phase);
/** Between two numbers, as pitches are: by ratios. */
const pitch = (random: Random, low: number, high: number): number => low * (high / low) ** random();

export const KINDS: Readonly<Record<string, (random: Random) => Sound>> = {
  silence: () => () => 0,
  tone: (random) => {
    const f = pitch(random, 250, 3000);
    return (t) => wave(f * t);
  },
  chord: (random) => {
    const f = pitch(random, 250, 1500);
    const ratio = 1.4 + 0.8 * random();
    return (t) => (wave(f * t) + wave(f * ratio * t) + wave(f * ratio * 1.5 * t)) / 3;
  },
  rising: (random) => {
    const [low, octaves] = [pitch(random, 200, 600), 2 + random()];
    return (t) => wave((low * (2 ** (octaves * t) - 1)) / (octaves * Math.LN2));
  },
  falling: (random) => {
    const [low, octaves] = [pitch(random, 200, 600), 2 + random()];
    return (t) => wave((low * (2 ** (octaves * (1 - t)) - 1)) / (octaves * Math.LN2));
  },
  noise: (random) => () => 2 * random() - 1,
  clicks: (random) => {
    const [rate, start] = [5 + 9 * random(), random()];
    return (t) => ((t * rate + start) % 1 < 0.02 ? 2 * random() - 1 : 0);
  },
  warble: (random) => {
    const [f, depth, rate] = [pitch(random, 500, 2000), 0.15 + 0.15 * random(), 3 + 4 * random()];
    return (t) => wave(f * t + ((f * depth) / (2 * Math.PI * rate)) * wave(rate * t));
  },
  tremolo: (random) => {
    const [f, rate] = [pitch(random, 250, 3000), 3 + 4 * random()];
    return (t) => wave(f * t) * (0.5 + 0.5 * wave(rate * t));
  },
  knock: (random) => {
    const [f, at, decay] = [pitch(random, 200, 900), 0.1 + 0.5 * random(), 15 + 25 * random()];
    return (t) => (t < at ? 0 : Math.exp(-decay * (t - at)) * (0.6 * wave(f * t) + 0.4 * (2 * random() - 1)));
  },
};
export const NAMES: readonly string[] = Object.keys(KINDS);

/** A second of one kind, with some noise in the room. */
export function sound(kind: number, random: Random): Int16Array {
  const of = KINDS[NAMES[kind]](random);
  const loud = 3000 + 17_000 * random();
  const room = 20 + 150 * random();
  return Int16Array.from({ length: RATE }, (_, i) => Math.round(loud * of(i / RATE) + room * (2 * random() - 1)));
}

/** Sounds of all kinds in turn, as the network takes them: f32 [count, 49, 40], each feature between 0 and 1. */
export async function soundSet(count: number, seed: number): Promise<{ features: Float32Array; kinds: Uint8Array }> {
  const random = generator(seed);
  const ears = await MicroFrontend.create({ step: STEP });
  const features = new Float32Array(count * FRAMES * CHANNELS);
  const kinds = Uint8Array.from({ length: count }, (_, i) => i % NAMES.length);
  for (const [i, kind] of kinds.entries()) {
    ears.reset();
    features.set(
      Float32Array.from(ears.push(sound(kind, random)), (value) => value / LOUDEST),
      i * FRAMES * CHANNELS,
    );
  }
  ears.dispose();
  return { features, kinds };
}
