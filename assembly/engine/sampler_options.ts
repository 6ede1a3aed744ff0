/**
 * The sampler's record and its options: what they are called, between which numbers they lie, and what they are until
 * somebody says otherwise.
 */
import { release } from "../memory/arena";
import { Buffer, appendBytes, createBuffer, reserveBytes } from "../memory/buffer";
import { Core, ErrorCode, fail, wordsOf } from "../memory/core";
import { HAS_SAMPLERS } from "../parts";
import { streamCapacity } from "../text/detokenize";
import { Tokenizer } from "../text/tokenizer";

/** Options beside the five of `configure`; each is an f32. */
export namespace SamplerOption {
  /** How many of the last tokens the repetition, presence and frequency penalties look at: 64; 0: all. */
  export const PENALTY_WINDOW: u32 = 0;
  /** Taken from the logit of each token that was seen: 0. */
  export const PRESENCE_PENALTY: u32 = 1;
  /** Taken from a token's logit for each time that it was seen: 0. */
  export const FREQUENCY_PENALTY: u32 = 2;
  /** DRY: the penalty of a token that makes a repetition one longer than the allowed length; 0: off. */
  export const DRY_MULTIPLIER: u32 = 3;
  /** DRY: so many times as much for each token that the repetition is longer: 1.75. */
  export const DRY_BASE: u32 = 4;
  /** DRY: repetitions up to this length cost nothing: 2. */
  export const DRY_ALLOWED_LENGTH: u32 = 5;
  /** DRY: how many of the last tokens it looks at; 0: all. */
  export const DRY_WINDOW: u32 = 6;
  /** Top-nσ: keeps logits within so many standard deviations of the largest; 0: all. */
  export const TOP_N_SIGMA: u32 = 7;
  /** Typical-p: keeps the tokens of most typical surprise that make up this probability; 1: all. */
  export const TYPICAL_P: u32 = 8;
  /** XTC: how often the likeliest tokens are excluded; 0: never. */
  export const XTC_PROBABILITY: u32 = 9;
  /** XTC: what counts as likely: 0.1. */
  export const XTC_THRESHOLD: u32 = 10;
  /** Dynamic temperature: how far it may move from the temperature, by the entropy; 0: not. */
  export const DYNAMIC_RANGE: u32 = 11;
  /** Dynamic temperature: the exponent of the normalised entropy: 1. */
  export const DYNAMIC_EXPONENT: u32 = 12;
  /** Mirostat 2: the surprise that is aimed at [bits]; 0: off. */
  export const MIROSTAT: u32 = 13;
  /** Mirostat 2: how quickly it learns: 0.1. */
  export const MIROSTAT_RATE: u32 = 14;
  export const COUNT: u32 = 15;
}

/** Windows of tokens are counted in an f32: whole numbers up to this are exact, and no context is longer. */
const LONGEST_WINDOW: i32 = 1_000_000;

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
  /** In the order of `SamplerOption`, of which each has one. */
  penaltyWindow: f32;
  presencePenalty: f32;
  frequencyPenalty: f32;
  dryMultiplier: f32;
  dryBase: f32;
  dryAllowedLength: f32;
  dryWindow: f32;
  topNSigma: f32;
  typicalP: f32;
  xtcProbability: f32;
  xtcThreshold: f32;
  dynamicRange: f32;
  dynamicExponent: f32;
  mirostat: f32;
  mirostatRate: f32;
  /** xoshiro256**; both builds and every host draw the same. */
  state0: u64;
  state1: u64;
  state2: u64;
  state3: u64;
  /** Mirostat's bound of a token's surprise [bits]; NaN until the first draw. */
  surprise: f64;
  /** (token u32, bias f32) each; 0: none. −Infinity bans, and where some are +Infinity no others can come. */
  biases: Buffer;
  forcedCount: u32;
  /** Texts that end a repetition, (length u32, bytes) each; 0: none. */
  breakers: Buffer;

  /**
   * Of the draw at work: how many candidates are still a heap, the places [begin, end) of those that may be drawn, and
   * the temperature.
   */
  heap: u32;
  begin: u32;
  end: u32;
  heat: f64;
}

export const SAMPLER_BYTES: usize = offsetof<Sampler>();

/** Greedy, until `configure` says otherwise. */
export function initSampler(s: Sampler): void {
  memory.fill(changetype<usize>(s), 0, SAMPLER_BYTES);
  s.topP = 1;
  s.repeatPenalty = 1;
  turnOff(s);
}

/**
 * Sets the five options that most want, and turns all others off. Status 0, or BAD_ARGUMENT; nothing has changed then.
 */
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
  turnOff(s);
  return 0;
}

/** Turns all off but the five of `configure`. */
export function turnOff(s: Sampler): void {
  for (let i: u32 = 0; i < SamplerOption.COUNT; i++) store<f32>(optionAt(s, i), defaultOf(i));
  s.surprise = NaN;
  s.forcedCount = 0;
  if (changetype<usize>(s.biases) != 0) s.biases.length = 0;
  if (changetype<usize>(s.breakers) != 0) s.breakers.length = 0;
}

/** What an option is until somebody says otherwise. */
function defaultOf(option: u32): f32 {
  switch (option) {
    case SamplerOption.PENALTY_WINDOW: return 64;
    case SamplerOption.DRY_BASE: return 1.75;
    case SamplerOption.DRY_ALLOWED_LENGTH: return 2;
    case SamplerOption.XTC_THRESHOLD:
    case SamplerOption.MIROSTAT_RATE: return 0.1;
    case SamplerOption.TYPICAL_P:
    case SamplerOption.DYNAMIC_EXPONENT: return 1;
    default: return 0;
  }
}

/** Gives what the sampler holds back to the arena. */
export function releaseSampler(core: Core, s: Sampler): void {
  releaseBuffer(core, s.biases);
  releaseBuffer(core, s.breakers);
}

function releaseBuffer(core: Core, b: Buffer): void {
  if (changetype<usize>(b) == 0) return;
  release(core, b.at);
  release(core, changetype<usize>(b));
}

/** Makes a sampler what another one is, which loses its lists to it. */
export function moveSampler(core: Core, s: Sampler, from: Sampler): void {
  releaseSampler(core, s);
  memory.copy(changetype<usize>(s), changetype<usize>(from), SAMPLER_BYTES);
  from.biases = changetype<Buffer>(0);
  from.breakers = changetype<Buffer>(0);
}

/** Where an option lies: an f32. */
@inline
export function optionAt(s: Sampler, option: u32): usize {
  return changetype<usize>(s) + offsetof<Sampler>("penaltyWindow") + ((<usize>option) << 2);
}

/** Sets one more option. Status 0, or BAD_ARGUMENT that names it. */
export function setOption(core: Core, s: Sampler, option: u32, value: f32): i32 {
  const status = checkOption(core, option, value);
  if (status != 0) return status;
  store<f32>(optionAt(s, option), value);
  return 0;
}

/** Status 0, or BAD_ARGUMENT that names the option that is out of range. */
export function checkOption(core: Core, option: u32, value: f32): i32 {
  if (!HAS_SAMPLERS) return value == defaultOf(option) ? 0 : noSampler(core);
  if (option == SamplerOption.PENALTY_WINDOW) return within(core, value, 0, LONGEST_WINDOW, "the repeat window");
  if (option == SamplerOption.PRESENCE_PENALTY) return within(core, value, -100, 100, "the presence penalty");
  if (option == SamplerOption.FREQUENCY_PENALTY) return within(core, value, -100, 100, "the frequency penalty");
  if (option == SamplerOption.DRY_MULTIPLIER) return within(core, value, 0, 100, "the multiplier of DRY");
  if (option == SamplerOption.DRY_BASE) return within(core, value, 1, 100, "the base of DRY");
  if (option == SamplerOption.DRY_ALLOWED_LENGTH) return within(core, value, 1, 200, "the allowed length of DRY");
  if (option == SamplerOption.DRY_WINDOW) return within(core, value, 0, LONGEST_WINDOW, "the window of DRY");
  if (option == SamplerOption.TOP_N_SIGMA) return within(core, value, 0, 1000, "top-n-sigma");
  if (option == SamplerOption.TYPICAL_P) return within(core, value, 0, 1, "typical-p");
  if (option == SamplerOption.XTC_PROBABILITY) return within(core, value, 0, 1, "the probability of XTC");
  if (option == SamplerOption.XTC_THRESHOLD) return within(core, value, 0, 1, "the threshold of XTC");
  if (option == SamplerOption.DYNAMIC_RANGE) return within(core, value, 0, 1000, "the range of the temperature");
  if (option == SamplerOption.DYNAMIC_EXPONENT) return within(core, value, 0, 100, "the exponent of the temperature");
  if (option == SamplerOption.MIROSTAT) return within(core, value, 0, 100, "mirostat's surprise");
  if (option == SamplerOption.MIROSTAT_RATE) return within(core, value, 0, 100, "mirostat's rate");
  return fail(core, ErrorCode.BAD_ARGUMENT, "the sampler has no option {}", option);
}

function noSampler(core: Core): i32 {
  return fail(core, ErrorCode.UNSUPPORTED, "this build has no such sampler; take limpet.wasm");
}

function within(core: Core, value: f32, least: i32, most: i32, what: string): i32 {
  if (value >= <f32>least && value <= <f32>most) return 0;
  return fail(core, ErrorCode.BAD_ARGUMENT, "{w} must lie between {i} and {}", wordsOf(what), <u64>(<i64>least), most);
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

/** Adds to a token's logit: −Infinity bans the token; where some get +Infinity, no others can come. */
export function addBias(core: Core, s: Sampler, vocabulary: u32, token: u32, bias: f32): i32 {
  if (!HAS_SAMPLERS) return noSampler(core);
  if (token >= vocabulary) {
    return fail(
      core, ErrorCode.BAD_ARGUMENT, "the token {i} is not in the vocabulary of {}", <u64>(<i64>(<i32>token)),
      vocabulary,
    );
  }
  if (bias != bias) return fail(core, ErrorCode.BAD_ARGUMENT, "the bias of token {} is no number", token);
  if (changetype<usize>(s.biases) == 0) s.biases = createBuffer(core, 64, "the biases of tokens");
  const status = reserveBytes(core, s.biases, 8);
  if (status < 0) return status;
  const b = s.biases;
  if (b.length >> 3 >= vocabulary) {
    return fail(core, ErrorCode.BAD_ARGUMENT, "there are more biases than tokens in the vocabulary of {}", vocabulary);
  }
  store<u32>(b.at + b.length, token);
  store<f32>(b.at + b.length, bias, 4);
  b.length += 8;
  if (bias == Infinity) s.forcedCount += 1;
  return 0;
}

const MOST_BREAKER_BYTES: u32 = 4096;

/** Ends repetitions, as DRY counts them, at tokens whose text holds this one. */
export function addBreaker(core: Core, s: Sampler, t: Tokenizer, text: usize, length: u32): i32 {
  if (!HAS_SAMPLERS) return noSampler(core);
  if (length == 0) return fail(core, ErrorCode.BAD_ARGUMENT, "what breaks a repetition has at least one byte");
  if (changetype<usize>(s.breakers) == 0) s.breakers = createBuffer(core, 64, "the breakers of repetitions");
  const have: u32 = changetype<usize>(s.breakers) == 0 ? 0 : s.breakers.length;
  if (length > MOST_BREAKER_BYTES || have + 4 + length > MOST_BREAKER_BYTES) {
    return fail(core, ErrorCode.BAD_ARGUMENT, "what breaks repetitions takes more than 4096 bytes together");
  }
  // Behind them is room for the text of a token, which is searched there.
  const status = reserveBytes(core, s.breakers, 4 + length + streamCapacity(t));
  if (status < 0) return status;
  const b = s.breakers;
  store<u32>(b.at + b.length, length);
  b.length += 4;
  return appendBytes(core, b, text, length);
}
