/**
 * What changes single logits, while the candidates lie in the order of their ids: biases, the penalties of what was
 * seen, and DRY.
 *
 *     a candidate   │ logit f32 │ id u32 │     while tokens are counted, MARK and the count stand in the id's place
 */
import { tokenBytes } from "../text/detokenize";
import { Tokenizer } from "../text/tokenizer";
import { pow } from "../kernels/float/math";
import { u32At } from "../memory/bytes";
import { Sampler } from "./sampler_options";

const MARK: u32 = 0x8000_0000;
/** DRY counts repetitions up to this length: longer ones cost what can be told from an infinite penalty by nobody. */
const LONGEST_REPETITION: u32 = 256;

/** The logit of what cannot come. */
export const IMPOSSIBLE: f32 = -f32.MAX_VALUE;

@inline
function at(candidates: usize, index: u32): usize {
  return candidates + ((<usize>index) << 3);
}

@inline
export function finite(logit: f32): f32 {
  return logit == logit ? max<f32>(min<f32>(logit, f32.MAX_VALUE), IMPOSSIBLE) : IMPOSSIBLE;
}

/** Adds the biases; a token that is banned, or not forced where others are, becomes impossible. */
export function addBiases(s: Sampler, candidates: usize, vocabulary: u32): void {
  const list = s.biases;
  for (let entry = list.at, end = list.at + list.length; entry < end; entry += 8) {
    const candidate = at(candidates, load<u32>(entry));
    const bias = load<f32>(entry, 4);
    if (bias == Infinity) store<u32>(candidate, load<u32>(candidate, 4) | MARK, 4);
    else store<f32>(candidate, finite(load<f32>(candidate) + bias));
  }
  if (s.forcedCount == 0) return;
  for (let i: u32 = 0; i < vocabulary; i++) {
    if (!(load<u32>(at(candidates, i), 4) & MARK)) store<f32>(at(candidates, i), IMPOSSIBLE);
    store<u32>(at(candidates, i), i, 4);
  }
}

/**
 * The penalties of what was seen in the last tokens: repetition (Keskar et al. 2019, arXiv:1909.05858; a token counts
 * once), then frequency and presence, as OpenAI's API defines them.
 */
export function penalize(s: Sampler, candidates: usize, vocabulary: u32, tokens: usize, count: u32): void {
  if (s.repeatPenalty == 1 && s.presencePenalty == 0 && s.frequencyPenalty == 0) return;
  const window = windowOf(s.penaltyWindow, count);
  tokens += (<usize>(count - window)) << 2;
  for (let i: u32 = 0; i < window; i++) {
    const token = u32At(tokens, i);
    if (token >= vocabulary) continue;
    const seen = load<u32>(at(candidates, token), 4);
    store<u32>(at(candidates, token), (seen & MARK ? seen : MARK) + 1, 4);
  }
  for (let i: u32 = 0; i < window; i++) {
    const token = u32At(tokens, i);
    if (token >= vocabulary) continue;
    const candidate = at(candidates, token);
    const seen = load<u32>(candidate, 4);
    if (!(seen & MARK)) continue;
    store<u32>(candidate, token, 4);
    let value = load<f32>(candidate);
    if (s.repeatPenalty != 1) value = finite(value > 0 ? value / s.repeatPenalty : value * s.repeatPenalty);
    const taken = <f32>(seen ^ MARK) * s.frequencyPenalty + s.presencePenalty;
    store<f32>(candidate, taken == 0 ? value : finite(value - taken));
  }
}

/** How many of the last `count` tokens a window holds. */
function windowOf(window: f32, count: u32): u32 {
  return window == 0 ? count : min(count, <u32>window);
}

/**
 * DRY ("don't repeat yourself", p-e-w 2024, oobabooga/text-generation-webui#5677; the details are llama.cpp's): where
 * the last n tokens stood before, the token that followed them there loses multiplier · base^(n − allowed), n being
 * the longest such match. No match goes past a breaker, and no breaker is made less likely.
 */
export function dontRepeat(
  s: Sampler, t: Tokenizer, candidates: usize, vocabulary: u32, tokens: usize, count: u32,
): void {
  const window = windowOf(s.dryWindow, count);
  tokens += (<usize>(count - window)) << 2;
  const allowed = <u32>s.dryAllowedLength;
  let longest: u32 = 0;
  while (longest < min(window, LONGEST_REPETITION) && !breaks(s, t, u32At(tokens, window - 1 - longest))) longest += 1;
  if (longest < allowed) return;
  for (let i: u32 = allowed; i < window; i++) {
    const token = u32At(tokens, i);
    let length: u32 = 0;
    while (length < min(i, longest) && u32At(tokens, i - 1 - length) == u32At(tokens, window - 1 - length)) length += 1;
    if (length < allowed || token >= vocabulary) continue;
    const seen = load<u32>(at(candidates, token), 4);
    if (!(seen & MARK) || length > (seen ^ MARK)) store<u32>(at(candidates, token), MARK | length, 4);
  }
  for (let i: u32 = allowed; i < window; i++) {
    const token = u32At(tokens, i);
    if (token >= vocabulary) continue;
    const candidate = at(candidates, token);
    const seen = load<u32>(candidate, 4);
    if (!(seen & MARK)) continue;
    store<u32>(candidate, token, 4);
    if (breaks(s, t, token)) continue;
    const penalty = <f64>s.dryMultiplier * pow(<f64>s.dryBase, <f64>((seen ^ MARK) - allowed));
    store<f32>(candidate, finite(<f32>(<f64>load<f32>(candidate) - penalty)));
  }
}

/** Whether the text of a token holds one of the texts that break a repetition. */
function breaks(s: Sampler, t: Tokenizer, token: u32): bool {
  const list = s.breakers;
  if (changetype<usize>(list) == 0 || list.length == 0) return false;
  const text = list.at + list.length;
  const length = tokenBytes(t, token, true, text, list.capacity - list.length);
  for (let entry = list.at; entry < text; ) {
    const size = load<u32>(entry);
    for (let from: i32 = 0; from + <i32>size <= length; from++) {
      if (memory.compare(text + from, entry + 4, size) == 0) return true;
    }
    entry += 4 + size;
  }
  return false;
}
