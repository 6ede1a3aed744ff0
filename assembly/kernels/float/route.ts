/**
 * The choice of experts (Shazeer et al. 2017, arXiv:1701.06538; DeepSeek-V3, arXiv:2412.19437, 2.1.2):
 *
 *     p = softmax(scores) │ sigmoid(scores) │ scores         q = p + bias        bias counts in the choice alone
 *     groups: those whose two largest q add up to most       S = the largest q among them, best first
 *     weights = p of S (scores: their softmax), divided by their sum if `normalised`, times `factor`
 *
 * SparseMixer (Liu et al. 2024, arXiv:2409.12136) as it is run: the weight of each chosen one is its share in the
 * softmax over those that were not chosen before it and whose scores are within 2 % of its own.
 *
 * Of equal ones the first is taken. Cost: `used` passes over `experts` values.
 */
import { expf } from "./math";
import { softmax } from "./softmax";

/** Numbers of `gating`: program/program.ts, Gating. */
const SOFTMAX: u32 = 1;
const SIGMOID: u32 = 2;
const MIXER: u32 = 16;
/** Scores that lie farther below the best, by the larger of their sizes, are no choice. */
const MIXER_REACH: f32 = 0.02;
/** Weights are divided by no less than this. */
const LEAST_SUM: f32 = 6.103515625e-5;

/**
 * ids u32[used], weights f32[used] ← the choice by `scores` f32[experts]. `bias`: 0, or f32[experts]. `scratch`:
 * f32[2 · experts].
 */
export function routeRow(
  scores: usize, experts: u32, used: u32, gating: u32, bias: usize, groups: u32, usedGroups: u32, normalised: bool,
  factor: f32, scratch: usize, ids: usize, weights: usize,
): void {
  const chances = scratch;
  const wanted = scratch + ((<usize>experts) << 2);
  memory.copy(chances, scores, (<usize>experts) << 2);
  if (gating == SOFTMAX) softmax(chances, experts);
  else if (gating == SIGMOID) {
    for (let e: u32 = 0; e < experts; e++) setF32(chances, e, <f32>1.0 / (<f32>1.0 + expf(-f32At(chances, e))));
  }
  for (let e: u32 = 0; e < experts; e++) {
    const more: f32 = bias == 0 ? 0 : f32At(bias, e);
    setF32(wanted, e, f32At(chances, e) + more);
  }
  if (usedGroups < groups) leaveOutGroups(wanted, experts / groups, groups, usedGroups);
  let sum: f32 = 0;
  for (let j: u32 = 0; j < used; j++) {
    const best = largestOf(wanted, experts);
    setF32(weights, j, gating == MIXER ? shareOf(wanted, experts, f32At(wanted, best)) : f32At(chances, best));
    setF32(wanted, best, -Infinity);
    store<u32>(ids + ((<usize>j) << 2), best);
  }
  if (gating != SOFTMAX && gating != SIGMOID && gating != MIXER) softmax(weights, used);
  for (let j: u32 = 0; j < used; j++) sum += f32At(weights, j);
  const divisor: f32 = normalised ? max<f32>(sum, LEAST_SUM) : 1;
  for (let j: u32 = 0; j < used; j++) setF32(weights, j, (f32At(weights, j) / divisor) * factor);
}

/** SparseMixer: the share of the best among the scores that are left. */
function shareOf(scores: usize, experts: u32, best: f32): f32 {
  let sum: f32 = 0;
  for (let e: u32 = 0; e < experts; e++) {
    const score = f32At(scores, e);
    // Of nothing by nothing it is not farther.
    if (score == -Infinity || (best - score) / max<f32>(abs<f32>(score), best) > MIXER_REACH) continue;
    sum += expf(score - best);
  }
  return <f32>1.0 / sum;
}

/** What is in none of the best groups cannot be chosen. */
function leaveOutGroups(wanted: usize, size: u32, groups: u32, used: u32): void {
  for (let left = groups - used; left > 0; left--) {
    let worst: u32 = 0;
    let least: f32 = Infinity;
    for (let g: u32 = 0; g < groups; g++) {
      const first = wanted + ((<usize>(g * size)) << 2);
      const best = twoLargest(first, size);
      // Of equal groups the last one goes.
      if (best != -Infinity && best <= least) {
        least = best;
        worst = g;
      }
    }
    for (let i: u32 = 0; i < size; i++) setF32(wanted, worst * size + i, -Infinity);
  }
}

function twoLargest(x: usize, n: u32): f32 {
  let first: f32 = -Infinity;
  let second: f32 = -Infinity;
  for (let i: u32 = 0; i < n; i++) {
    const value = f32At(x, i);
    if (value > first) {
      second = first;
      first = value;
    } else if (value > second) second = value;
  }
  return n > 1 ? first + second : first;
}

function largestOf(x: usize, n: u32): u32 {
  let best: u32 = 0;
  for (let i: u32 = 1; i < n; i++) if (f32At(x, i) > f32At(x, best)) best = i;
  return best;
}

@inline
function f32At(base: usize, index: u32): f32 {
  return load<f32>(base + ((<usize>index) << 2));
}

@inline
function setF32(base: usize, index: u32, value: f32): void {
  store<f32>(base + ((<usize>index) << 2), value);
}
