/** How the next token is chosen: the options of the core's sampler, in the order in which it takes them. */
import { DRY_BREAKERS } from "../../assembly/wasi/commands.ts";
import type { Pointer } from "../../bindings/exports.ts";
import { encodeText } from "../../bindings/memory.ts";
import { SamplerOption } from "../../bindings/numbers.ts";
import { type Check, type OptionTable, printable, real, texts, whole, wide } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import type { Core } from "../host/instance.ts";
import { tokenIds } from "./tokenizer.ts";

/**
 * How the next token is chosen. Default: always the likeliest one. In this order: biases, banned and forced tokens;
 * repetition, frequency and presence; DRY; top-nσ; top-k; typical-p; top-p; min-p; XTC; temperature; mirostat. Each
 * sees what those before it have left.
 */
export interface SamplingOptions {
  /** 0 (the default) always takes the likeliest token. */
  temperature?: number;
  /** Draw from that many of the likeliest tokens; 0: from all. */
  topK?: number;
  /** Draw from the likeliest tokens that make up this probability; 1: from all. */
  topP?: number;
  /** Drop tokens below this share of the likeliest one's probability; 0: none. */
  minP?: number;
  /** Makes the last tokens less likely: their logits are divided by it (multiplied, below 0); 1: not. */
  repeatPenalty?: number;
  /** How many of the last tokens, the prompt's too, the three penalties look at. Default: 64; 0: all. */
  repeatWindow?: number;
  /** Taken from the logits of those tokens. Default: 0. */
  presencePenalty?: number;
  /** Taken from their logits for each time that they came. Default: 0. */
  frequencyPenalty?: number;
  /** DRY: the penalty of the token that makes a repetition one longer than is allowed. Default: 0, off. */
  dryMultiplier?: number;
  /** DRY: so many times as much for each further token of the repetition. Default: 1.75. */
  dryBase?: number;
  /** DRY: repetitions up to this length cost nothing. Default: 2. */
  dryAllowedLength?: number;
  /** DRY: how many of the last tokens it looks at; 0, the default: all. */
  dryWindow?: number;
  /** DRY: no repetition goes past a token whose text holds one of these. Default: `\n`, `:`, `"`, `*`. */
  dryBreakers?: readonly string[];
  /** Keep logits within so many standard deviations of the largest; 0: all. */
  topNSigma?: number;
  /** Draw from the tokens of most typical surprise that make up this probability; 1: from all. */
  typicalP?: number;
  /** XTC: how often the tokens that reach the threshold are excluded, all but the least likely. Default: 0, never. */
  xtcProbability?: number;
  /** XTC: the probability that a token has to reach. Default: 0.1. */
  xtcThreshold?: number;
  /** How far the temperature may move up or down, by the entropy of what is left. Default: 0, not. */
  dynamicRange?: number;
  /** The exponent of the entropy (as a share of the largest there can be) in that. Default: 1. */
  dynamicExponent?: number;
  /** Mirostat 2: the surprise to aim at [bits a token]. Default: 0, off. */
  mirostat?: number;
  /** Mirostat 2: how quickly it learns. Default: 0.1. */
  mirostatRate?: number;
  /** Added to the logits of tokens, by their ids; −Infinity bans one. */
  logitBias?: Readonly<Record<number, number>>;
  /** Tokens that never come. */
  banTokens?: ArrayLike<number>;
  /** Draw from these tokens alone. */
  forceTokens?: ArrayLike<number>;
  /** The same seed gives the same text in every host. Default: 0, and a session goes on with its own numbers. */
  seed?: number | bigint;
}

/** The core's number of each option that has one. */
const NUMBERS = {
  repeatWindow: SamplerOption.PENALTY_WINDOW,
  presencePenalty: SamplerOption.PRESENCE_PENALTY,
  frequencyPenalty: SamplerOption.FREQUENCY_PENALTY,
  dryMultiplier: SamplerOption.DRY_MULTIPLIER,
  dryBase: SamplerOption.DRY_BASE,
  dryAllowedLength: SamplerOption.DRY_ALLOWED_LENGTH,
  dryWindow: SamplerOption.DRY_WINDOW,
  topNSigma: SamplerOption.TOP_N_SIGMA,
  typicalP: SamplerOption.TYPICAL_P,
  xtcProbability: SamplerOption.XTC_PROBABILITY,
  xtcThreshold: SamplerOption.XTC_THRESHOLD,
  dynamicRange: SamplerOption.DYNAMIC_RANGE,
  dynamicExponent: SamplerOption.DYNAMIC_EXPONENT,
  mirostat: SamplerOption.MIROSTAT,
  mirostatRate: SamplerOption.MIROSTAT_RATE,
} as const satisfies Partial<Record<keyof SamplingOptions, number>>;

const LONGEST_WINDOW = 1_000_000;

/** What each of `SamplingOptions` has to be; the ranges of real numbers are the core's. */
export const SAMPLING_OPTIONS: OptionTable<SamplingOptions> = {
  temperature: real,
  topK: whole(0, 2 ** 32 - 1),
  topP: real,
  minP: real,
  repeatPenalty: real,
  repeatWindow: whole(0, LONGEST_WINDOW),
  presencePenalty: real,
  frequencyPenalty: real,
  dryMultiplier: real,
  dryBase: real,
  dryAllowedLength: whole(1, 200),
  dryWindow: whole(0, LONGEST_WINDOW),
  dryBreakers: texts,
  topNSigma: real,
  typicalP: real,
  xtcProbability: real,
  xtcThreshold: real,
  dynamicRange: real,
  dynamicExponent: real,
  mirostat: real,
  mirostatRate: real,
  logitBias: biases,
  banTokens: (name, value) => tokenIds(value, name),
  forceTokens: (name, value) => {
    const ids = tokenIds(value, name);
    if (ids.length > 0) return ids;
    throw new LimpetError("BAD_ARGUMENT", `${name} names one token at least: none else can come`);
  },
  seed: wide,
};

function biases(name: string, value: unknown): Record<number, number> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new LimpetError("BAD_ARGUMENT", `${name} is an object of token ids and what is added to their logits`);
  }
  const read: Record<number, number> = {};
  const bias: Check<number> = (of, given) => {
    if (typeof given === "number" && !Number.isNaN(given)) return given;
    throw new LimpetError("BAD_ARGUMENT", `${of} is a number, not ${printable(given)}`);
  };
  for (const [id, given] of Object.entries(value)) {
    if (!/^\d{1,10}$/.test(id) || Number(id) >= 2 ** 32) {
      throw new LimpetError(
        "BAD_ARGUMENT",
        `${printable(id)} of ${name} is not a token id: ids are whole numbers from 0`,
      );
    }
    read[Number(id)] = bias(`${name}[${id}]`, given);
  }
  return read;
}

/** Tells a session's sampler how tokens are chosen: what is not given is off. */
export function configureSampler(core: Core, session: Pointer, options: SamplingOptions): void {
  const { exports } = core;
  const { temperature = 0, topK = 0, topP = 1, minP = 0, repeatPenalty = 1, seed } = options;
  core.check(exports.session_configure(session, temperature, topK, topP, minP, repeatPenalty));
  for (const [name, number] of Object.entries(NUMBERS)) {
    const value = options[name as keyof typeof NUMBERS];
    if (value !== undefined) core.check(exports.session_set_option(session, number, value));
  }
  if (options.dryMultiplier) {
    for (const text of options.dryBreakers ?? DRY_BREAKERS) {
      core.scoped((arena) => {
        const bytes = encodeText(text);
        core.check(exports.session_add_breaker(session, arena.put(bytes), bytes.length));
      });
    }
  }
  const bias = (token: number, value: number) => core.check(exports.session_add_bias(session, token, value));
  for (const [token, value] of Object.entries(options.logitBias ?? {})) bias(Number(token), value);
  for (const token of Array.from(options.forceTokens ?? [])) bias(token, Number.POSITIVE_INFINITY);
  for (const token of Array.from(options.banTokens ?? [])) bias(token, Number.NEGATIVE_INFINITY);
  if (seed !== undefined) exports.session_seed(session, BigInt.asUintN(64, BigInt(seed)));
}
