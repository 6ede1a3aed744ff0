/**
 * The sampler: a row of logits → a token. The order, which is llama.cpp's:
 *
 *     biases, bans → repetition, frequency, presence → DRY │ every logit, in the order of ids (sampler_logits.ts)
 *     top-nσ → top-k → typical-p → top-p → min-p → XTC     │ a range of the candidates in falling order
 *     temperature, or the dynamic one → mirostat 2 → draw  │ by the weights at that temperature
 *
 * Temperature 0 is greedy: the largest logit behind the first line, the lowest id among equals.
 *
 * Candidates come off a heap in falling order, so that only as many are sorted as the filters let through; where all
 * pass, none is. Each filter keeps a range of that order: the likeliest, or (typical-p, XTC) some behind them. A filter
 * sees the shares of what those before it have left. A logit that is no number is the least of all, an infinite one the
 * largest that is finite. Probabilities are f64 and the generator is xoshiro256** seeded by splitmix64 (Blackman and
 * Vigna, 2018): the same seed gives the same tokens in every host.
 */
import { Core, ErrorCode, fail } from "../memory/core";
import { exp, log, pow } from "../kernels/float/math";
import { HAS_SAMPLERS } from "../parts";
import { Tokenizer } from "../text/tokenizer";
import { IMPOSSIBLE, addBiases, dontRepeat, finite, penalize } from "./sampler_logits";
import { Sampler } from "./sampler_options";

const LN2: f64 = 0.693147180559945309;
/** The least dynamic temperature: 0 would be no number in a quotient. */
const COLDEST: f64 = 1e-6;

/** The bytes of scratch that `sample` wants: (logit f32, id u32) a token of the vocabulary. */
export function sampleScratchBytes(vocabulary: u32): u64 {
  return <u64>vocabulary * 8;
}

/**
 * Where in the scratch a host may change a copy of the logits, f32[vocabulary], before `sample` is given it: its upper
 * half, from which the candidates are made in place.
 */
export function changedLogits(scratch: usize, vocabulary: u32): usize {
  return scratch + ((<usize>vocabulary) << 2);
}

/** Starts the generator from a seed. */
export function seed(s: Sampler, value: u64): void {
  s.state0 = splitmix(value + 0x9e37_79b9_7f4a_7c15);
  s.state1 = splitmix(value + 0x3c6e_f372_fe94_f82a);
  s.state2 = splitmix(value + 0xdaa6_6d2c_7ddf_743f);
  s.state3 = splitmix(value + 0x78dd_e6e5_fd29_f054);
}

/**
 * Draws a token from `logits` f32[vocabulary], which stay as they are, or lie in the scratch (`changedLogits`).
 * `tokens` u32[count]: those of the prompt and of the answer so far, which the penalties look at. Below zero: an error.
 */
export function sample(
  core: Core, s: Sampler, t: Tokenizer, logits: usize, vocabulary: u32, scratch: usize, tokens: usize, count: u32,
): i32 {
  if (s.temperature == 0 && !changesLogits(s)) return argmax(logits, vocabulary);
  const made = makeCandidates(core, s, t, logits, vocabulary, scratch, tokens, count);
  return made < 0 ? made : <i32>idAt(scratch, choose(s, scratch, <u32>made));
}

/**
 * Makes the candidates of the logits: (logit behind biases and penalties, id) in the order of ids. Gives their number;
 * below zero: an error.
 */
export function makeCandidates(
  core: Core, s: Sampler, t: Tokenizer, logits: usize, vocabulary: u32, scratch: usize, tokens: usize, count: u32,
): i32 {
  for (let i: u32 = 0; i < vocabulary; i++) {
    const value = finite(load<f32>(logits + ((<usize>i) << 2)));
    store<f32>(place(scratch, i), value);
    store<u32>(place(scratch, i), i, 4);
  }
  if (hasBiases(s)) addBiases(s, scratch, vocabulary);
  penalize(s, scratch, vocabulary, tokens, count);
  if (HAS_SAMPLERS && s.dryMultiplier != 0) dontRepeat(s, t, scratch, vocabulary, tokens, count);
  const left = hasBiases(s) ? dropImpossible(scratch, vocabulary) : vocabulary;
  if (left == 0) return fail(core, ErrorCode.BAD_ARGUMENT, "every token is banned: none is left to be drawn");
  return <i32>left;
}

/** Chooses one of `count` candidates, one at least: its place. Filters sort them, else they stay where they are. */
export function choose(s: Sampler, candidates: usize, count: u32): u32 {
  if (s.temperature == 0) return largest(candidates, count);
  narrow(s, candidates, count);
  return draw(s, candidates);
}

@inline
function hasBiases(s: Sampler): bool {
  return HAS_SAMPLERS && changetype<usize>(s.biases) != 0 && s.biases.length != 0;
}

/** Whether logits are changed before anything else. */
export function changesLogits(s: Sampler): bool {
  if (s.repeatPenalty != 1) return true;
  return HAS_SAMPLERS && (s.presencePenalty != 0 || s.frequencyPenalty != 0 || s.dryMultiplier != 0 || hasBiases(s));
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

/** The place of the largest candidate, the lowest id among equals. */
function largest(candidates: usize, count: u32): u32 {
  let best: u32 = 0;
  for (let i: u32 = 1; i < count; i++) if (above(candidates, i, best)) best = i;
  return best;
}

/** Moves the candidates that can come together; gives their number. */
function dropImpossible(candidates: usize, count: u32): u32 {
  let kept: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    if (logitAt(candidates, i) == IMPOSSIBLE) continue;
    store<u64>(place(candidates, kept), load<u64>(place(candidates, i)));
    kept += 1;
  }
  return kept;
}

/**
 * The filters: makes [begin, end) the places of the candidates that they let through, and `heat` the temperature. The
 * candidates that are sorted lie from the end down: number i of the falling order is at count − 1 − i.
 */
function narrow(s: Sampler, heap: usize, count: u32): void {
  s.begin = 0;
  s.end = count;
  s.heap = count;
  s.heat = <f64>s.temperature;
  let to = s.topK == 0 || s.topK > count ? count : s.topK;
  let cuts = to < count || s.topP < 1 || s.minP > 0;
  if (HAS_SAMPLERS) {
    cuts = cuts || s.topNSigma > 0 || s.typicalP < 1 || s.xtcProbability > 0 || s.mirostat > 0;
  }
  if (cuts) {
    makeHeap(heap, count);
    let from: u32 = 0;
    if (HAS_SAMPLERS && s.topNSigma > 0) to = nearLargest(s, heap, count, to);
    if (HAS_SAMPLERS && s.typicalP < 1) {
      from = mostTypical(s, heap, count, to);
      to = count - s.begin;
    }
    if (s.topP < 1 || s.minP > 0) to = likeliest(s, heap, count, from, to);
    if (HAS_SAMPLERS && s.xtcProbability > 0 && uniform(s) < <f64>s.xtcProbability) {
      from = withoutTopChoices(s, heap, count, from, to);
    }
    if (to < count) sorted(s, heap, count, to - 1);
    s.begin = count - to;
    s.end = count - from;
  }
  if (HAS_SAMPLERS && s.dynamicRange > 0) s.heat = dynamicTemperature(s, heap);
  if (HAS_SAMPLERS && s.mirostat > 0) boundSurprise(s, heap, count);
}

/** Takes candidates off the heap up to number `index` of the falling order, and gives its logit. */
function sorted(s: Sampler, heap: usize, count: u32, index: u32): f32 {
  while (count - s.heap <= index) {
    s.heap -= 1;
    takeLargest(heap, s.heap);
  }
  return logitAt(heap, count - 1 - index);
}

/** The logit of number `from`; the root of the heap where nothing is sorted yet. */
@inline
function first(s: Sampler, heap: usize, count: u32, from: u32): f32 {
  return s.heap == count && from == 0 ? logitAt(heap, 0) : sorted(s, heap, count, from);
}

/** Σ exp(logit − top) of numbers [from, to). */
function massOf(s: Sampler, heap: usize, count: u32, from: u32, to: u32, top: f32): f64 {
  let mass: f64 = 0;
  if (from == 0 && to == count) {
    for (let i: u32 = 0; i < count; i++) mass += exp(<f64>logitAt(heap, i) - <f64>top);
    return mass;
  }
  for (let i = from; i < to; i++) mass += exp(<f64>sorted(s, heap, count, i) - <f64>top);
  return mass;
}

/** Top-nσ (Tang et al. 2024, arXiv:2411.07641): keeps logits ≥ largest − n·σ, σ being that of all that can come. */
function nearLargest(s: Sampler, heap: usize, count: u32, to: u32): u32 {
  let sum: f64 = 0;
  let possible: f64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    if (logitAt(heap, i) == IMPOSSIBLE) continue;
    sum += <f64>logitAt(heap, i);
    possible += 1;
  }
  const mean = sum / possible;
  let squares: f64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    if (logitAt(heap, i) == IMPOSSIBLE) continue;
    const away = <f64>logitAt(heap, i) - mean;
    squares += away * away;
  }
  const least = <f64>logitAt(heap, 0) - <f64>s.topNSigma * sqrt(squares / possible);
  let kept: u32 = 1;
  while (kept < to && <f64>sorted(s, heap, count, kept) >= least) kept += 1;
  return kept;
}

/**
 * Typical-p (Meister et al. 2022, arXiv:2202.00666): keeps the tokens whose surprise −ln p is nearest to the entropy,
 * until they make up the probability; of two that are as near, the likelier. In falling order they are neighbours, so
 * the range grows from where the surprise passes the entropy. Gives the first number; `begin` says where it ends.
 */
function mostTypical(s: Sampler, heap: usize, count: u32, end: u32): u32 {
  const top = first(s, heap, count, 0);
  const mass = massOf(s, heap, count, 0, end, top);
  let sum: f64 = 0;
  for (let i: u32 = 0; i < end; i++) {
    // Where all are there, their order does not matter.
    const below = <f64>logitAt(heap, end == count ? i : count - 1 - i) - <f64>top;
    const weight = exp(below);
    if (weight > 0) sum += weight * below;
  }
  // surprise = ln(mass) − below, and its mean is the entropy: what is compared is how far `below` lies from its mean.
  const mean = sum / mass;
  let to: u32 = 0;
  while (to < end && <f64>sorted(s, heap, count, to) - <f64>top > mean) to += 1;
  let from = to;
  let kept: f64 = 0;
  do {
    const before = from > 0 ? <f64>sorted(s, heap, count, from - 1) - <f64>top - mean : Infinity;
    const behind = to < end ? mean - (<f64>sorted(s, heap, count, to) - <f64>top) : Infinity;
    if (before <= behind) from -= 1;
    else to += 1;
    kept += exp(<f64>sorted(s, heap, count, before <= behind ? from : to - 1) - <f64>top);
  } while (kept < <f64>s.typicalP * mass && to - from < end);
  s.begin = count - to;
  return from;
}

/** Top-p and min-p: the end of the likeliest of numbers [from, to) that both let through. */
function likeliest(s: Sampler, heap: usize, count: u32, from: u32, to: u32): u32 {
  const top = first(s, heap, count, from);
  const whole = s.topP < 1 ? massOf(s, heap, count, from, to, top) : 0;
  let mass: f64 = 0;
  let kept = from;
  for (; kept < to; kept++) {
    const weight = exp(<f64>sorted(s, heap, count, kept) - <f64>top);
    if (kept > from && ((s.topP < 1 && mass >= <f64>s.topP * whole) || weight < <f64>s.minP)) break;
    mass += weight;
  }
  return kept;
}

/**
 * XTC ("exclude top choices", p-e-w 2024, oobabooga/text-generation-webui#6335): of the tokens whose probability
 * reaches the threshold all go but the least likely. Gives the first number that stays.
 */
function withoutTopChoices(s: Sampler, heap: usize, count: u32, from: u32, to: u32): u32 {
  const top = first(s, heap, count, from);
  const least = <f64>s.xtcThreshold * massOf(s, heap, count, from, to, top);
  let last = from;
  while (last + 1 < to && exp(<f64>sorted(s, heap, count, last + 1) - <f64>top) >= least) last += 1;
  return last;
}

/**
 * Dynamic temperature (kalomaze 2023, as in llama.cpp): low + (high − low)·(entropy / its largest)^exponent of the
 * candidates that are left.
 */
function dynamicTemperature(s: Sampler, candidates: usize): f64 {
  const left = s.end - s.begin;
  if (left < 2) return s.heat;
  const top = largestOf(s, candidates);
  let mass: f64 = 0;
  let sum: f64 = 0;
  for (let i = s.begin; i < s.end; i++) {
    const below = <f64>logitAt(candidates, i) - <f64>top;
    const weight = exp(below);
    mass += weight;
    if (weight > 0) sum += weight * below;
  }
  const entropy = log(mass) - sum / mass;
  const low = max<f64>(s.heat - <f64>s.dynamicRange, 0);
  const high = s.heat + <f64>s.dynamicRange;
  const share = max<f64>(entropy, 0) / log(<f64>left);
  return max<f64>(low + (high - low) * pow(share, <f64>s.dynamicExponent), COLDEST);
}

/**
 * Mirostat 2 (Basu et al. 2021, arXiv:2007.14966): keeps tokens whose surprise −log₂ p is at most the bound, which
 * begins at twice the surprise that is aimed at; one at least.
 */
function boundSurprise(s: Sampler, heap: usize, count: u32): void {
  if (s.surprise != s.surprise) s.surprise = 2 * <f64>s.mirostat;
  const top = largestOf(s, heap);
  let mass: f64 = 0;
  for (let i = s.begin; i < s.end; i++) mass += weightOf(s, heap, i, top);
  const to = count - s.begin;
  let kept = count - s.end + 1;
  while (kept < to) {
    const share = exp((<f64>sorted(s, heap, count, kept) - <f64>top) / s.heat) / mass;
    if (-log(share) / LN2 > s.surprise) break;
    kept += 1;
  }
  s.begin = count - kept;
}

/** Draws one of the candidates at [begin, end), in whatever order they lie, by their weights at the temperature. */
function draw(s: Sampler, candidates: usize): u32 {
  const top = largestOf(s, candidates);
  let total: f64 = 0;
  for (let i = s.end; i > s.begin; i--) total += weightOf(s, candidates, i - 1, top);
  let left = uniform(s) * total;
  let chosen = s.end;
  do {
    chosen -= 1;
    left -= weightOf(s, candidates, chosen, top);
  } while (left >= 0 && chosen > s.begin);
  if (HAS_SAMPLERS && s.mirostat > 0) {
    const surprise = -log(weightOf(s, candidates, chosen, top) / total) / LN2;
    s.surprise -= <f64>s.mirostatRate * (surprise - <f64>s.mirostat);
  }
  return chosen;
}

function largestOf(s: Sampler, candidates: usize): f32 {
  let most: f32 = IMPOSSIBLE;
  for (let i = s.begin; i < s.end; i++) most = max<f32>(most, logitAt(candidates, i));
  return most;
}

@inline
export function place(candidates: usize, index: u32): usize {
  return candidates + ((<usize>index) << 3);
}

@inline
export function logitAt(candidates: usize, index: u32): f32 {
  return load<f32>(place(candidates, index));
}

@inline
export function idAt(candidates: usize, index: u32): u32 {
  return load<u32>(place(candidates, index), 4);
}

@inline
function weightOf(s: Sampler, candidates: usize, index: u32, top: f32): f64 {
  return exp((<f64>logitAt(candidates, index) - <f64>top) / s.heat);
}

/** Larger logit first; of equals the lower id. */
@inline
function above(heap: usize, a: u32, b: u32): bool {
  const left = logitAt(heap, a);
  const right = logitAt(heap, b);
  return left != right ? left > right : idAt(heap, a) < idAt(heap, b);
}

/** Puts candidates in the order of a heap: the likeliest first. */
export function makeHeap(candidates: usize, count: u32): void {
  for (let i = count >> 1; i > 0; i--) siftDown(candidates, i - 1, count);
}

/** Takes the likeliest off a heap of `last` + 1 candidates, to the place behind the others. */
export function takeLargest(heap: usize, last: u32): void {
  swap(heap, 0, last);
  siftDown(heap, 0, last);
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
  const left = load<u64>(place(heap, a));
  store<u64>(place(heap, a), load<u64>(place(heap, b)));
  store<u64>(place(heap, b), left);
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
