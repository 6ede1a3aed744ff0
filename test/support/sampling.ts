/** Samplers as their papers have them, in f64 and over plain lists, and the generator that the core draws with. */
import * as assert from "uvu/assert";
import type { SamplingOptions } from "../../src/generate/sampling.ts";

/** A token with its logit. */
export type Candidate = readonly [id: number, logit: number];

/** xoshiro256** seeded by splitmix64. */
export function* xoshiro(seed: bigint): Generator<number> {
  const mask = (1n << 64n) - 1n;
  const rotate = (x: bigint, k: bigint) => ((x << k) | (x >> (64n - k))) & mask;
  const state: bigint[] = [];
  for (let z = seed; state.length < 4; ) {
    z = (z + 0x9e3779b97f4a7c15n) & mask;
    let mixed = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask;
    mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & mask;
    state.push(mixed ^ (mixed >> 31n));
  }
  for (;;) {
    const result = (rotate((state[1] * 5n) & mask, 7n) * 9n) & mask;
    const t = (state[1] << 17n) & mask;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= t;
    state[3] = rotate(state[3], 45n);
    yield Number(result >> 11n) / 2 ** 53;
  }
}

/** Whether tokens came as often as they should, by chi-square: those that should come ten times or more, and the rest. */
export function assertFrequencies(counts: Map<number, number>, expected: Map<number, number>, draws: number): void {
  let [square, classes, rare, rareCount] = [0, 0, 0, 0];
  for (const [id, probability] of expected) {
    const count = counts.get(id) ?? 0;
    if (probability * draws >= 10) {
      square += (count - probability * draws) ** 2 / (probability * draws);
      classes++;
    } else {
      rare += probability * draws;
      rareCount += count;
    }
  }
  if (rare >= 5) {
    square += (rareCount - rare) ** 2 / rare;
    classes++;
  }
  // Four standard deviations above the mean of the distribution; the seed is fixed, so this holds or it does not.
  const freedom = Math.max(classes - 1, 0);
  assert.ok(square <= freedom + 4 * Math.sqrt(2 * freedom) + 1e-6, `chi-square ${square} with ${freedom} degrees`);
}

/** Options of the samplers; f32 where the core keeps them so. */
export type Sampling = Omit<SamplingOptions, "temperature" | "banTokens" | "forceTokens" | "seed"> & {
  temperature: number;
  banTokens?: readonly number[];
  forceTokens?: readonly number[];
};

const f32 = Math.fround;

function softmax(list: readonly Candidate[], temperature = 1): number[] {
  const top = Math.max(...list.map(([, logit]) => logit));
  const weights = list.map(([, logit]) => Math.exp((logit - top) / temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

const sortedList = (list: readonly Candidate[]): Candidate[] => [...list].sort((a, b) => b[1] - a[1] || a[0] - b[0]);

/** OpenAI: logit − count·frequency − (count > 0)·presence; CTRL: logit ÷ or · penalty. */
function penalties(list: readonly Candidate[], o: Sampling, seen: readonly number[]): Candidate[] {
  const window = o.repeatWindow ?? 64;
  const recent = window === 0 ? seen : seen.slice(-window);
  const penalty = f32(o.repeatPenalty ?? 1);
  return list.map(([id, logit]): Candidate => {
    const count = recent.filter((token) => token === id).length;
    if (count === 0) return [id, logit];
    const scaled = penalty === 1 ? logit : f32(logit > 0 ? logit / penalty : logit * penalty);
    return [id, scaled - count * f32(o.frequencyPenalty ?? 0) - f32(o.presencePenalty ?? 0)];
  });
}

/** DRY: for every earlier end of what the text ends with, the token behind it, by its longest match. */
function dry(list: readonly Candidate[], o: Sampling, seen: readonly number[], textOf: (id: number) => string) {
  if (!o.dryMultiplier) return list;
  const text = o.dryWindow ? seen.slice(-o.dryWindow) : seen;
  const breakers = o.dryBreakers ?? ["\n", ":", '"', "*"];
  const breaks = (id: number) => breakers.some((breaker) => textOf(id).includes(breaker));
  const longest = new Map<number, number>();
  for (let end = 1; end < text.length; end++) {
    let n = 0;
    while (n < end && text[end - 1 - n] === text[text.length - 1 - n] && !breaks(text[end - 1 - n])) n++;
    if (!breaks(text[end])) longest.set(text[end], Math.max(longest.get(text[end]) ?? 0, n));
  }
  const allowed = o.dryAllowedLength ?? 2;
  return list.map(([id, logit]): Candidate => {
    const n = longest.get(id) ?? 0;
    return [id, n < allowed ? logit : logit - f32(o.dryMultiplier!) * f32(o.dryBase ?? 1.75) ** (n - allowed)];
  });
}

function biases(list: readonly Candidate[], o: Sampling): Candidate[] {
  const forced = o.forceTokens && new Set(o.forceTokens);
  return list
    .filter(([id]) => !o.banTokens?.includes(id) && (!forced || forced.has(id)))
    .map(([id, logit]): Candidate => [id, logit + f32(o.logitBias?.[id] ?? 0)])
    .filter(([, logit]) => logit !== Number.NEGATIVE_INFINITY);
}

function topNSigma(list: Candidate[], sigmas: number): Candidate[] {
  const mean = list.reduce((sum, [, logit]) => sum + logit, 0) / list.length;
  const deviation = Math.sqrt(list.reduce((sum, [, logit]) => sum + (logit - mean) ** 2, 0) / list.length);
  return list.filter(([, logit]) => logit >= list[0][1] - f32(sigmas) * deviation);
}

/** Sorted by |−ln p − H|, the fewest whose probabilities reach τ. */
function typical(list: Candidate[], share: number): Candidate[] {
  const p = softmax(list);
  const entropy = -p.reduce((sum, x) => sum + (x > 0 ? x * Math.log(x) : 0), 0);
  const order = p.map((x, i) => [Math.abs(-Math.log(x) - entropy), i]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const kept = new Set<number>();
  let mass = 0;
  for (const [, i] of order) {
    kept.add(i);
    mass += p[i];
    if (mass >= f32(share)) break;
  }
  return list.filter((_, i) => kept.has(i));
}

function topP(list: Candidate[], share: number): Candidate[] {
  const p = softmax(list);
  let mass = 0;
  return list.filter((_, i) => {
    const keeps = i === 0 || mass < f32(share);
    mass += p[i];
    return keeps;
  });
}

function minP(list: Candidate[], share: number): Candidate[] {
  const p = softmax(list);
  return list.filter((_, i) => i === 0 || p[i] >= f32(share) * p[0]);
}

function xtc(list: Candidate[], threshold: number): Candidate[] {
  const above = softmax(list).filter((p) => p >= f32(threshold)).length;
  return list.slice(Math.max(above - 1, 0));
}

function heat(list: Candidate[], o: Sampling): number {
  const temperature = f32(o.temperature);
  const range = f32(o.dynamicRange ?? 0);
  if (range === 0 || list.length < 2) return temperature;
  const entropy = -softmax(list).reduce((sum, x) => sum + (x > 0 ? x * Math.log(x) : 0), 0);
  const low = Math.max(temperature - range, 0);
  return low + (temperature + range - low) * (entropy / Math.log(list.length)) ** f32(o.dynamicExponent ?? 1);
}

/** The sampler: `next` gives what it would draw behind `seen`. */
export class Oracle {
  readonly #options: Sampling;
  readonly #uniform: Generator<number>;
  readonly #textOf: (id: number) => string;
  #bound: number;

  constructor(options: Sampling, seed: bigint, textOf: (id: number) => string = () => "") {
    this.#options = options;
    this.#uniform = xoshiro(seed);
    this.#textOf = textOf;
    this.#bound = 2 * f32(options.mirostat ?? 0);
  }

  /** What may come, in falling order, with its probabilities. */
  distribution(logits: ArrayLike<number>, seen: readonly number[]): [id: number, probability: number][] {
    const o = this.#options;
    let list: readonly Candidate[] = Array.from(logits, (logit, id): Candidate => [id, logit]);
    list = dry(penalties(biases(list, o), o, seen), o, seen, this.#textOf);
    let left = sortedList(list);
    if (o.topNSigma) left = topNSigma(left, o.topNSigma);
    if (o.topK) left = left.slice(0, o.topK);
    if (o.typicalP !== undefined && o.typicalP < 1) left = typical(left, o.typicalP);
    if (o.topP !== undefined && o.topP < 1) left = topP(left, o.topP);
    if (o.minP) left = minP(left, o.minP);
    if (o.xtcProbability && this.#draw() < f32(o.xtcProbability)) left = xtc(left, o.xtcThreshold ?? 0.1);
    const temperature = heat(left, o);
    if (o.mirostat) {
      const p = softmax(left, temperature);
      left = left.filter((_, i) => i === 0 || -Math.log2(p[i]) <= this.#bound);
    }
    const p = softmax(left, temperature);
    return left.map(([id], i) => [id, p[i]]);
  }

  next(logits: ArrayLike<number>, seen: readonly number[]): number {
    const found = this.distribution(logits, seen);
    let at = this.#draw();
    const [id, p] = found.find(([, probability]) => (at -= probability) < 0) ?? found[found.length - 1];
    const { mirostat, mirostatRate = 0.1 } = this.#options;
    if (mirostat) this.#bound -= f32(mirostatRate) * (-Math.log2(p) - f32(mirostat));
    return id;
  }

  #draw(): number {
    return this.#uniform.next().value as number;
  }
}
