/**
 * The names of `tokenizer.ggml.pre` that limpet knows, and what follows from a name: the scheme by which texts are cut,
 * and three defaults (a key of the file overrides them).
 */
import { letterAt, letterCount } from "../memory/bytes";
import { Core, say } from "../memory/core";

export namespace Scheme {
  export const UNKNOWN: u32 = 0;
  export const DEFAULT: u32 = 1;
  export const GPT2: u32 = 2;
  export const DIGIT_GPT2: u32 = 3;
  export const QWEN2: u32 = 4;
  export const LLAMA3: u32 = 5;
  export const GPT4O: u32 = 6;
  export const TEKKEN: u32 = 7;
  export const DEEPSEEK_LLM: u32 = 8;
  export const DEEPSEEK_CODER: u32 = 9;
  export const DEEPSEEK3: u32 = 10;
  export const FALCON: u32 = 11;
  export const QWEN35: u32 = 12;
  export const UFAKZEKA: u32 = 13;
  export const SEED_CODER: u32 = 14;
  export const MINICPM5: u32 = 15;
  export const TINY_AYA: u32 = 16;
  export const GRANITE_MULTI: u32 = 17;
  export const AFMOE: u32 = 18;
  export const BLOOM: u32 = 19;
  export const VIKING: u32 = 20;
  /** No words but lines: spaces are U+2581, as SentencePiece has them (spm.ts). */
  export const LINES: u32 = 21;
}

const DEFAULT_NAMES = "default";
const GPT2_NAMES =
  "gpt-2 gpt2 phi-2 mpt olmo jais gigachat a.x-4.0 mellum exaone4 trillion granite-docling modern-bert roberta-bpe \
jina-v1-en jina-v2-code jina-v2-es jina-v2-de jina-es jina-de";
const DIGIT_GPT2_NAMES = "smollm starcoder refact command-r codeshell exaone minerva-7b mellum2";
const QWEN2_NAMES =
  "qwen2 deepseek-r1-qwen stablelm2 megrez kormo hunyuan grok-2 f2llmv2 solar-open bailingmoe bailingmoe2 llada-moe";
const LLAMA3_NAMES =
  "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano dbrx smaug-bpe glm4 chatglm-bpe";
const GPT4O_NAMES = "gpt-4o llama4 minimax-m2 kanana2 talkie";
const TEKKEN_NAMES = "tekken";
const DEEPSEEK_LLM_NAMES = "deepseek-llm";
const DEEPSEEK_CODER_NAMES = "deepseek-coder";
const DEEPSEEK3_NAMES = "deepseek-v3 hunyuan-dense joyai-llm hy_v4";
const FALCON_NAMES = "falcon";
const QWEN35_NAMES = "qwen35";
const UFAKZEKA_NAMES = "ufakzeka";
const SEED_CODER_NAMES = "seed-coder";
const MINICPM5_NAMES = "minicpm5";
const TINY_AYA_NAMES = "tiny_aya cohere2moe";
const GRANITE_MULTI_NAMES = "granite-embed-multi-97m";
const AFMOE_NAMES = "afmoe";
const BLOOM_NAMES = "bloom poro-chat gpt3-finnish";
const VIKING_NAMES = "viking";
const LINES_NAMES = "gemma4 granite-embed-multi-311m";

/** A text begins with BOS. */
const ADD_BOS = "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano tekken";
/** Beside those, a whole word that is a token is that token, whatever the merges say. */
const IGNORE_MERGES = "minicpm5 granite-embed-multi-97m";
/** The clean-up of spaces is on for these alone of the schemes that have none, and off for those of the others. */
const CLEAN_SPACES = "stablelm2 megrez";
const KEEP_SPACES = "smollm command-r trillion granite-docling poro-chat";
/** The family has no BOS, whatever the default. */
const NO_BOS = "glm4 chatglm-bpe";
/** White space before `<mask>` belongs to it. */
const STRIP_BEFORE_MASK = "jina-v2-de jina-v2-es jina-v2-code";

/** The names of a scheme, words with single spaces between. */
function namesOf(scheme: u32): string {
  switch (scheme) {
    case Scheme.DEFAULT: return DEFAULT_NAMES;
    case Scheme.GPT2: return GPT2_NAMES;
    case Scheme.DIGIT_GPT2: return DIGIT_GPT2_NAMES;
    case Scheme.QWEN2: return QWEN2_NAMES;
    case Scheme.LLAMA3: return LLAMA3_NAMES;
    case Scheme.GPT4O: return GPT4O_NAMES;
    case Scheme.TEKKEN: return TEKKEN_NAMES;
    case Scheme.DEEPSEEK_LLM: return DEEPSEEK_LLM_NAMES;
    case Scheme.DEEPSEEK_CODER: return DEEPSEEK_CODER_NAMES;
    case Scheme.DEEPSEEK3: return DEEPSEEK3_NAMES;
    case Scheme.FALCON: return FALCON_NAMES;
    case Scheme.QWEN35: return QWEN35_NAMES;
    case Scheme.UFAKZEKA: return UFAKZEKA_NAMES;
    case Scheme.SEED_CODER: return SEED_CODER_NAMES;
    case Scheme.MINICPM5: return MINICPM5_NAMES;
    case Scheme.TINY_AYA: return TINY_AYA_NAMES;
    case Scheme.GRANITE_MULTI: return GRANITE_MULTI_NAMES;
    case Scheme.AFMOE: return AFMOE_NAMES;
    case Scheme.BLOOM: return BLOOM_NAMES;
    case Scheme.VIKING: return VIKING_NAMES;
    default: return LINES_NAMES;
  }
}

/** The scheme of a name; UNKNOWN when there is none. */
export function schemeOf(name: usize, length: usize): u32 {
  for (let scheme: u32 = Scheme.DEFAULT; scheme <= Scheme.LINES; scheme++) {
    if (isOneOf(name, length, namesOf(scheme))) return scheme;
  }
  return Scheme.UNKNOWN;
}

export function ignoresMerges(name: usize, length: usize): bool {
  return isOneOf(name, length, ADD_BOS) || isOneOf(name, length, IGNORE_MERGES);
}

export function addsBos(name: usize, length: usize): bool {
  return isOneOf(name, length, ADD_BOS);
}

export function cleansSpaces(name: usize, length: usize): bool {
  switch (schemeOf(name, length)) {
    case Scheme.UNKNOWN:
    case Scheme.DEFAULT:
    case Scheme.GPT2:
    case Scheme.DIGIT_GPT2:
    case Scheme.LLAMA3:
    case Scheme.FALCON:
    case Scheme.BLOOM:
    case Scheme.MINICPM5: return !isOneOf(name, length, KEEP_SPACES);
    default: return isOneOf(name, length, CLEAN_SPACES);
  }
}

export function hasNoBos(name: usize, length: usize): bool {
  return isOneOf(name, length, NO_BOS);
}

export function stripsBeforeMask(name: usize, length: usize): bool {
  return isOneOf(name, length, STRIP_BEFORE_MASK);
}

/** Appends all names to the message. */
export function sayNames(core: Core): void {
  for (let scheme: u32 = Scheme.DEFAULT; scheme <= Scheme.LINES; scheme++) {
    if (scheme > Scheme.DEFAULT) say(core, " ");
    say(core, namesOf(scheme));
  }
}

/** Whether the bytes are one of the words of `list`, which single spaces part. */
function isOneOf(name: usize, length: usize, list: string): bool {
  if (length == 0) return false;
  const count = letterCount(list);
  let at: u32 = 0;
  while (at < count) {
    let same = true;
    let i: usize = 0;
    for (; at < count && letterAt(list, at) != 0x20; i++, at++) {
      if (i >= length || <u32>load<u8>(name + i) != letterAt(list, at)) same = false;
    }
    if (same && i == length) return true;
    at++;
  }
  return false;
}
