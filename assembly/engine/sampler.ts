/**
 * The sampler: a row of logits → a token. The order of llama.cpp's default chain: repetition penalty, top-k, top-p,
 * min-p, temperature, draw. Temperature 0 is greedy: the largest logit after the penalty, the lowest id among equals.
 *
 * Candidates come off a heap in falling order, so that only as many are sorted as top-k, top-p and min-p let through;
 * where all pass, none is. A logit that is no number is the least of all, an infinite one the largest that is finite.
 * Probabilities are f64 and the generator is xoshiro256** seeded by splitmix64 (Blackman and Vigna, 2018): the same
 * seed gives the same tokens in every host.
 */
import { u32At } from "../memory/bytes";
import { Core, ErrorCode, fail } from "../memory/core";
import { exp } from "../kernels/float/math";

/** The repetition penalty looks at this many of the last tokens. */
export const PENALTY_WINDOW: u32 = 64;

@unmanaged
export class Sampler {
  temperature: f32;
  /** 0: all. */
  topK: u32;
  /** 1: all. */
  topP: f32;
  /** 0: all. */
  minP: f32;
  /** 1: none. */
  repeatPenalty: f32;
  /** xoshiro256**; both builds and every host draw the same. */
  state0: u64;
  state1: u64;
  state2: u64;
  state3: u64;
}

export const SAMPLER_BYTES: usize = offsetof<Sampler>();

/** The bytes of scratch that `sample` wants: (logit f32, id u32) a token of the vocabulary. */
export function sampleScratchBytes(vocabulary: u32): u64 {
  return <u64>vocabulary * 8;
}

/** Greedy, until `configure` says otherwise. */
export function initSampler(s: Sampler): void {
  memory.fill(changetype<usize>(s), 0, SAMPLER_BYTES);
  s.topP = 1;
  s.repeatPenalty = 1;
  seed(s, 0);
}

/** Sets every option. Status 0, or BAD_ARGUMENT that names the one that is out of range. */
export function configure(
  core: Core, s: Sampler, temperature: f32, topK: u32, topP: f32, minP: f32, repeatPenalty: f32,
): i32 {
  const status = checkOptions(core, temperature, topP, minP, repeatPenalty);
  if (status != 0) return status;
  s.temperature = temperature;
  s.topK = topK;
  s.topP = topP;
  s.minP = minP;
  s.repeatPenalty = repeatPenalty;
  return 0;
}

/** Status 0, or BAD_ARGUMENT that names the option that is out of range. */
export function checkOptions(core: Core, temperature: f32, topP: f32, minP: f32, repeatPenalty: f32): i32 {
  if (!(temperature >= 0 && temperature <= 1000)) {
    return fail(core, ErrorCode.BAD_ARGUMENT, "temperature must lie between 0 (greedy) and 1000");
  }
  if (!(topP > 0 && topP <= 1)) {
    return fail(core, ErrorCode.BAD_ARGUMENT, "top-p must lie above 0 and at most at 1 (all)");
  }
  if (!(minP >= 0 && minP <= 1)) return fail(core, ErrorCode.BAD_ARGUMENT, "min-p must lie between 0 (all) and 1");
  if (!(repeatPenalty > 0 && repeatPenalty <= 100)) {
    return fail(core, ErrorCode.BAD_ARGUMENT, "the repeat penalty must lie above 0 and at most at 100; 1 is none");
  }
  return 0;
}

/** Starts the generator from a seed. */
export function seed(s: Sampler, value: u64): void {
  s.state0 = splitmix(value + 0x9e37_79b9_7f4a_7c15);
  s.state1 = splitmix(value + 0x3c6e_f372_fe94_f82a);
  s.state2 = splitmix(value + 0xdaa6_6d2c_7ddf_743f);
  s.state3 = splitmix(value + 0x78dd_e6e5_fd29_f054);
}

/**
 * Draws a token from `logits` f32[vocabulary], which stay as they are. `tokens` u32[count]: those of the prompt and of
 * the answer so far, for the repetition penalty.
 */
export function sample(s: Sampler, logits: usize, vocabulary: u32, scratch: usize, tokens: usize, count: u32): u32 {
  if (s.temperature == 0 && s.repeatPenalty == 1) return argmax(logits, vocabulary);
  for (let i: u32 = 0; i < vocabulary; i++) {
    store<f32>(scratch + ((<usize>i) << 3), finite(load<f32>(logits + ((<usize>i) << 2))));
    store<u32>(scratch + ((<usize>i) << 3) + 4, i);
  }
  if (s.repeatPenalty != 1) {
    const window = min<u32>(count, PENALTY_WINDOW);
    penalize(s, scratch, vocabulary, tokens + ((<usize>(count - window)) << 2), window);
  }
  if (s.temperature != 0 && (s.topK == 0 || s.topK >= vocabulary) && s.topP == 1 && s.minP == 0) {
    return pick(s, scratch, vocabulary, vocabulary);
  }
  for (let i = vocabulary >> 1; i > 0; i--) siftDown(scratch, i - 1, vocabulary);
  if (s.temperature == 0) return load<u32>(scratch + 4);
  return drawFrom(s, scratch, vocabulary);
}

/** The id of the largest logit, the lowest among equals. NaN is never the largest. */
export function argmax(logits: usize, vocabulary: u32): u32 {
  let best: u32 = 0;
  let most = -f32.MAX_VALUE;
  for (let i: u32 = 0; i < vocabulary; i++) {
    const value = load<f32>(logits + ((<usize>i) << 2));
    if (value > most) {
      most = value;
      best = i;
    }
  }
  return best;
}

/** `candidates` still lie in the order of their ids. A token counts once, however often it was seen. */
function penalize(s: Sampler, candidates: usize, vocabulary: u32, tokens: usize, window: u32): void {
  for (let i: u32 = 0; i < window; i++) {
    const token = u32At(tokens, i);
    let again = token >= vocabulary;
    for (let j: u32 = 0; j < i && !again; j++) again = u32At(tokens, j) == token;
    if (again) continue;
    const at = candidates + ((<usize>token) << 3);
    const value = load<f32>(at);
    store<f32>(at, finite(value > 0 ? value / s.repeatPenalty : value * s.repeatPenalty));
  }
}

@inline
function finite(logit: f32): f32 {
  return logit == logit ? max<f32>(min<f32>(logit, f32.MAX_VALUE), -f32.MAX_VALUE) : -f32.MAX_VALUE;
}

/** Pops candidates off a heap while top-k, top-p and min-p let them through, then draws one of those. */
function drawFrom(s: Sampler, heap: usize, count: u32): u32 {
  const limit = s.topK == 0 || s.topK > count ? count : s.topK;
  // The popped candidate goes to the end of the shrinking heap: the last `kept` places hold them in falling order.
  let kept: u32 = 0;
  let mass: f64 = 0;
  const largest = load<f32>(heap);
  // Behind top-k, top-p is a share of what top-k left.
  const whole = s.topP < 1 ? topMass(heap, count, limit, largest) : 0;
  while (kept < limit) {
    const value = load<f32>(heap);
    if (kept > 0) {
      if (s.topP < 1 && mass >= <f64>s.topP * whole) break;
      if (exp(<f64>value - <f64>largest) < <f64>s.minP) break;
    }
    mass += exp(<f64>value - <f64>largest);
    kept += 1;
    swap(heap, 0, count - kept);
    siftDown(heap, 0, count - kept);
  }
  return pick(s, heap, count, kept);
}

/**
 * Draws from the last `kept` of `count` candidates, in whatever order they lie, by their weights at the temperature.
 */
function pick(s: Sampler, candidates: usize, count: u32, kept: u32): u32 {
  let largest: f32 = -f32.MAX_VALUE;
  for (let i: u32 = 1; i <= kept; i++) largest = max<f32>(largest, load<f32>(candidates + ((<usize>(count - i)) << 3)));
  let total: f64 = 0;
  for (let i: u32 = 1; i <= kept; i++) total += weightOf(s, candidates, count - i, largest);
  let left = uniform(s) * total;
  for (let i: u32 = 1; i < kept; i++) {
    left -= weightOf(s, candidates, count - i, largest);
    if (left < 0) return load<u32>(candidates + ((<usize>(count - i)) << 3) + 4);
  }
  return load<u32>(candidates + ((<usize>(count - kept)) << 3) + 4);
}

/** Σ exp(logit − largest) of the `limit` largest. The heap holds the same afterwards, in another valid order. */
function topMass(heap: usize, count: u32, limit: u32, largest: f32): f64 {
  let mass: f64 = 0;
  if (limit == count) {
    for (let i: u32 = 0; i < count; i++) mass += exp(<f64>load<f32>(heap + ((<usize>i) << 3)) - <f64>largest);
    return mass;
  }
  for (let i: u32 = 1; i <= limit; i++) {
    mass += exp(<f64>load<f32>(heap) - <f64>largest);
    swap(heap, 0, count - i);
    siftDown(heap, 0, count - i);
  }
  for (let i = count >> 1; i > 0; i--) siftDown(heap, i - 1, count);
  return mass;
}

@inline
function weightOf(s: Sampler, heap: usize, index: u32, largest: f32): f64 {
  return exp((<f64>load<f32>(heap + ((<usize>index) << 3)) - <f64>largest) / <f64>s.temperature);
}

/** Larger logit first; of equals the lower id. */
@inline
function above(heap: usize, a: u32, b: u32): bool {
  const left = load<f32>(heap + ((<usize>a) << 3));
  const right = load<f32>(heap + ((<usize>b) << 3));
  if (left != right) return left > right;
  return load<u32>(heap + ((<usize>a) << 3) + 4) < load<u32>(heap + ((<usize>b) << 3) + 4);
}

function siftDown(heap: usize, at: u32, count: u32): void {
  while (true) {
    let next: u32 = 2 * at + 1;
    if (next >= count) return;
    if (next + 1 < count && above(heap, next + 1, next)) next += 1;
    if (!above(heap, next, at)) return;
    swap(heap, at, next);
    at = next;
  }
}

@inline
function swap(heap: usize, a: u32, b: u32): void {
  const left = load<u64>(heap + ((<usize>a) << 3));
  store<u64>(heap + ((<usize>a) << 3), load<u64>(heap + ((<usize>b) << 3)));
  store<u64>(heap + ((<usize>b) << 3), left);
}

/** The next number in [0, 1), of 53 bits. */
function uniform(s: Sampler): f64 {
  return <f64>(next(s) >> 11) * (1.0 / 9007199254740992.0);
}

function next(s: Sampler): u64 {
  const result = rotl<u64>(s.state1 * 5, 7) * 9;
  const t = s.state1 << 17;
  s.state2 ^= s.state0;
  s.state3 ^= s.state1;
  s.state1 ^= s.state2;
  s.state0 ^= s.state3;
  s.state2 ^= t;
  s.state3 = rotl<u64>(s.state3, 45);
  return result;
}

function splitmix(z: u64): u64 {
  z = (z ^ (z >> 30)) * 0xbf58_476d_1ce4_e5b9;
  z = (z ^ (z >> 27)) * 0x94d0_49bb_1331_11eb;
  return z ^ (z >> 31);
}
