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
}

const DEFAULT_NAMES = "default";
const GPT2_NAMES = "gpt-2 gpt2 phi-2 mpt olmo jais gigachat a.x-4.0 mellum exaone4 trillion granite-docling";
const JINA_NAMES = "roberta-bpe jina-v1-en jina-v2-code jina-v2-es jina-v2-de jina-es jina-de";
const DIGIT_GPT2_NAMES = "smollm starcoder refact command-r codeshell exaone minerva-7b";
const QWEN2_NAMES = "qwen2 deepseek-r1-qwen stablelm2 megrez kormo hunyuan grok-2";
const LLAMA3_NAMES = "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 dbrx smaug-bpe";
const GLM_NAMES = "glm4 chatglm-bpe";
const GPT4O_NAMES = "gpt-4o llama4 minimax-m2";
const TEKKEN_NAMES = "tekken";
const DEEPSEEK_LLM_NAMES = "deepseek-llm";
const DEEPSEEK_CODER_NAMES = "deepseek-coder";
const DEEPSEEK3_NAMES = "deepseek-v3 hunyuan-dense";
const FALCON_NAMES = "falcon";

/** A whole word that is a token is that token, whatever the merges say. */
const IGNORE_MERGES = "llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 tekken";
/** A text begins with BOS. */
const ADD_BOS = IGNORE_MERGES;
/** The clean-up of spaces is off, as in all of the schemes of gpt-4o, tekken and deepseek. */
const KEEP_SPACES = "smollm command-r qwen2 deepseek-r1-qwen kormo hunyuan grok-2 trillion granite-docling";
/** The family has no BOS, whatever the default. */
const NO_BOS = GLM_NAMES;
/** White space before `<mask>` belongs to it. */
const STRIP_BEFORE_MASK = "jina-v2-de jina-v2-es jina-v2-code";

/** The scheme of a name; UNKNOWN when there is none. */
export function schemeOf(name: usize, length: usize): u32 {
  if (isOneOf(name, length, DEFAULT_NAMES)) return Scheme.DEFAULT;
  if (isOneOf(name, length, GPT2_NAMES) || isOneOf(name, length, JINA_NAMES)) return Scheme.GPT2;
  if (isOneOf(name, length, DIGIT_GPT2_NAMES)) return Scheme.DIGIT_GPT2;
  if (isOneOf(name, length, QWEN2_NAMES)) return Scheme.QWEN2;
  if (isOneOf(name, length, LLAMA3_NAMES) || isOneOf(name, length, GLM_NAMES)) return Scheme.LLAMA3;
  if (isOneOf(name, length, GPT4O_NAMES)) return Scheme.GPT4O;
  if (isOneOf(name, length, TEKKEN_NAMES)) return Scheme.TEKKEN;
  if (isOneOf(name, length, DEEPSEEK_LLM_NAMES)) return Scheme.DEEPSEEK_LLM;
  if (isOneOf(name, length, DEEPSEEK_CODER_NAMES)) return Scheme.DEEPSEEK_CODER;
  if (isOneOf(name, length, DEEPSEEK3_NAMES)) return Scheme.DEEPSEEK3;
  if (isOneOf(name, length, FALCON_NAMES)) return Scheme.FALCON;
  return Scheme.UNKNOWN;
}

export function ignoresMerges(name: usize, length: usize): bool {
  return isOneOf(name, length, IGNORE_MERGES);
}

export function addsBos(name: usize, length: usize): bool {
  return isOneOf(name, length, ADD_BOS);
}

export function cleansSpaces(name: usize, length: usize): bool {
  switch (schemeOf(name, length)) {
    case Scheme.GPT4O:
    case Scheme.TEKKEN:
    case Scheme.DEEPSEEK_LLM:
    case Scheme.DEEPSEEK_CODER:
    case Scheme.DEEPSEEK3: return false;
    default: return !isOneOf(name, length, KEEP_SPACES);
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
  say(core, DEFAULT_NAMES);
  sayMore(core, GPT2_NAMES);
  sayMore(core, JINA_NAMES);
  sayMore(core, DIGIT_GPT2_NAMES);
  sayMore(core, QWEN2_NAMES);
  sayMore(core, LLAMA3_NAMES);
  sayMore(core, GLM_NAMES);
  sayMore(core, GPT4O_NAMES);
  sayMore(core, TEKKEN_NAMES);
  sayMore(core, DEEPSEEK_LLM_NAMES);
  sayMore(core, DEEPSEEK_CODER_NAMES);
  sayMore(core, DEEPSEEK3_NAMES);
  sayMore(core, FALCON_NAMES);
}

function sayMore(core: Core, names: string): void {
  say(core, " ");
  say(core, names);
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
