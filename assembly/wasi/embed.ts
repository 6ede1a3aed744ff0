/**
 * `embed` and `rerank`: vectors of texts, and documents by their scores, a line of JSON each. Texts go one by one: what
 * one gives does not depend on the others.
 */
import { loadModel, readAsked, useAdapters } from "./load";
import { Command, FAILURE, SUCCESS, argument, failure, flag, given, hostScratch, wholeUpTo } from "./command";
import { readText } from "./files";
import { putByte, putFloat32, putJson, putNumber, putText } from "./output";
import { tokensOf } from "./tokenize";
import { Bytes, bytesOf, endOf, equals, lengthOf, startOf } from "./bytes";
import { Model } from "../engine/model";
import { openForTexts } from "../engine/open";
import { pairTokens } from "../engine/pairs";
import { entryText, findKeyBytes, stringBytes, stringLength } from "../files/gguf";
import { exp } from "../kernels/float/math";
import { copy, normalize } from "../kernels/float/vector";
import { KvType } from "../kernels/attention/kv_codec";
import { Buffer, appendBytes, createBuffer } from "../memory/buffer";
import { allocateRaw, release } from "../memory/arena";
import { copyText, f32At, setU32, u32At } from "../memory/bytes";
import { ErrorCode, Status, bytesOf as wordsOfBytes, fail } from "../memory/core";
import { beginPass, putToken } from "../pass/batch";
import { BATCH_LIMIT, Context, releaseContext } from "../pass/context";
import { Pooling } from "../program/program";
import { stepPass } from "../run/run";
import { TokenizeFlag } from "../text/tokenize";
import { Tokenizer } from "../text/tokenizer";

const LINE: u8 = 0x0a;
const RETURN: u8 = 0x0d;

export function embed(c: Command): i32 {
  const texts = collectTexts(c, 1);
  if (changetype<usize>(texts) == 0) return FAILURE;
  const model = loadModel(c, argument(c, 0), false);
  if (changetype<usize>(model) == 0) return FAILURE;
  const p = model.program;
  const width = p.value(p.vectors).width;
  const asked = wholeUpTo(c, "dimensions", u32.MAX_VALUE);
  if (asked > width) {
    fail(c.core, ErrorCode.BAD_ARGUMENT, "dimensions is {}, and the model's vectors have {} values", asked, width);
    return failure(c);
  }
  const dimensions = asked ? asked : width;
  const before = promptNamed(c, model);
  if (before < 0) return FAILURE;
  const pooling = poolingAsked(c, p.pooling == Pooling.RANK ? Pooling.MEAN : p.pooling);
  const target = allocateRaw(c.core, (<u64>dimensions) << 2, "a vector");
  if (target == 0) return failure(c);
  for (let i: u32 = 0; i < texts.length >> 3; i++) {
    const text = joined(c, <usize>before, textAt(texts, i));
    if (startOf(text) == 0) return failure(c);
    const ids = tokensOf(c, model, text, TokenizeFlag.ADD_SPECIAL);
    if (startOf(ids) == 0) return FAILURE;
    putText(c.out, '{"index":');
    putNumber(c.out, i);
    putText(c.out, ',"embedding":[');
    if (putVectors(c, model, ids, i, pooling, dimensions, target) != SUCCESS) return FAILURE;
    putText(c.out, "]}\n");
    release(c.core, startOf(ids));
    release(c.core, startOf(text));
  }
  return SUCCESS;
}

export function rerank(c: Command): i32 {
  const texts = collectTexts(c, 2);
  if (changetype<usize>(texts) == 0) return FAILURE;
  const model = loadModel(c, argument(c, 0), false);
  if (changetype<usize>(model) == 0) return FAILURE;
  const query = argument(c, 1);
  const count = texts.length >> 3;
  // f32 score, u32 index
  const scores = allocateRaw(c.core, <u64>count * 8, "the scores");
  if (scores == 0) return failure(c);
  for (let i: u32 = 0; i < count; i++) {
    const ids = pairOf(c, model, query, textAt(texts, i));
    if (startOf(ids) == 0) return failure(c);
    const context = pass(c, model, ids, i, Pooling.RANK);
    if (changetype<usize>(context) == 0) return FAILURE;
    const p = model.program;
    const score = scoreOf(context.at(p.vectors), p.value(p.vectors).width);
    insert(scores, i, score);
    releaseContext(context);
    release(c.core, startOf(ids));
  }
  const top = wholeUpTo(c, "top", u32.MAX_VALUE);
  for (let i: u32 = 0; i < count && (top == 0 || i < top); i++) {
    const text = textAt(texts, u32At(scores, 2 * i + 1));
    putText(c.out, '{"index":');
    putNumber(c.out, u32At(scores, 2 * i + 1));
    putText(c.out, ',"score":');
    putFloat32(c.out, f32At(scores, 2 * i));
    putText(c.out, ',"text":');
    putJson(c.out, startOf(text), lengthOf(text));
    putText(c.out, "}\n");
  }
  return SUCCESS;
}

/** Of one score its sigmoid, of two the share of the first: yes, and no. */
function scoreOf(scores: usize, count: u32): f32 {
  const first = <f64>f32At(scores, 0);
  return <f32>(1.0 / (1.0 + exp(-(count == 2 ? first - <f64>f32At(scores, 1) : first))));
}

/** Puts the score of text `index` among those before it, the best first. */
function insert(scores: usize, index: u32, score: f32): void {
  let at = index;
  while (at > 0 && f32At(scores, 2 * (at - 1)) < score) {
    store<u64>(scores + ((<usize>at) << 3), load<u64>(scores + ((<usize>(at - 1)) << 3)));
    at -= 1;
  }
  store<f32>(scores + ((<usize>at) << 3), score);
  setU32(scores, 2 * at + 1, index);
}

/** The texts of the command line from argument `first` on, (address, length) u32 each; of `-` the lines of stdin. */
function collectTexts(c: Command, first: u32): Buffer {
  const texts = createBuffer(c.core, 256, "the texts");
  for (let i = first; i < c.argumentCount && changetype<usize>(texts) != 0; i++) {
    const text = argument(c, i);
    if (!equals(text, "-")) {
      if (addText(c, texts, startOf(text), endOf(text)) < 0) break;
      continue;
    }
    const all = readText(c, text);
    if (startOf(all) == 0) return changetype<Buffer>(0);
    for (let at = startOf(all), end = endOf(all); at < end; ) {
      let to = at;
      while (to < end && load<u8>(to) != LINE) to += 1;
      const line = to > at && load<u8>(to - 1) == RETURN ? to - 1 : to;
      if (addText(c, texts, at, line) < 0) break;
      at = to + 1;
    }
  }
  if (c.core.errorLength == 0) return texts;
  failure(c);
  return changetype<Buffer>(0);
}

function addText(c: Command, texts: Buffer, begin: usize, end: usize): i32 {
  const pair = hostScratch(c);
  setU32(pair, 0, <u32>begin);
  setU32(pair, 1, <u32>(end - begin));
  return appendBytes(c.core, texts, pair, 8);
}

function textAt(texts: Buffer, index: u32): Bytes {
  return bytesOf(<usize>u32At(texts.at, 2 * index), u32At(texts.at, 2 * index + 1));
}

/** The string of the prompt that --prompt-name names, 0: none is asked for; below zero: the failure is printed. */
function promptNamed(c: Command, model: Model): i32 {
  if (!given(c, "prompt-name")) return 0;
  const name = flag(c, "prompt-name");
  const words = "sentence_transformers.prompts.";
  const key = createBuffer(c.core, 64 + lengthOf(name), "a key");
  if (changetype<usize>(key) == 0 || key.at == 0) return -failure(c);
  key.length = copyText(key.at, key.capacity, words);
  appendBytes(c.core, key, startOf(name), lengthOf(name));
  const entry = findKeyBytes(model.gguf, key.at, key.length);
  if (entry) return <i32>entryText(c.core, model.gguf, entry);
  fail(
    c.core, ErrorCode.BAD_ARGUMENT, "the file has no prompt {s}: put its words before the texts",
    wordsOfBytes(startOf(name), lengthOf(name)),
  );
  return -failure(c);
}

/** A text behind a prompt, which may be 0: a copy. */
function joined(c: Command, prompt: usize, text: Bytes): Bytes {
  const before: u32 = prompt ? stringLength(prompt) : 0;
  const copied = allocateRaw(c.core, <u64>before + lengthOf(text) + 1, "a text");
  if (copied == 0) return 0;
  if (prompt) memory.copy(copied, stringBytes(prompt), before);
  memory.copy(copied + before, startOf(text), lengthOf(text));
  return bytesOf(copied, before + lengthOf(text));
}

function poolingAsked(c: Command, otherwise: u32): u32 {
  const asked = flag(c, "pooling");
  if (equals(asked, "mean")) return Pooling.MEAN;
  if (equals(asked, "cls")) return Pooling.CLS;
  if (equals(asked, "last")) return Pooling.LAST;
  return equals(asked, "none") ? Pooling.NONE : otherwise;
}

/** Prints the vector of a text, or those of its tokens; zeros of one that has no token. */
function putVectors(
  c: Command, model: Model, ids: Bytes, index: u32, pooling: u32, dimensions: u32, target: usize,
): i32 {
  const context = pass(c, model, ids, index, pooling);
  if (changetype<usize>(context) == 0) return FAILURE;
  const p = model.program;
  const rows = lengthOf(ids) ? context.active : 1;
  for (let row: u32 = 0; row < rows; row++) {
    memory.fill(target, 0, (<usize>dimensions) << 2);
    if (lengthOf(ids)) copy(target, context.at(p.vectors) + <usize>row * context.stride(p.vectors), dimensions);
    if (!given(c, "raw")) normalize(target, dimensions);
    for (let i: u32 = 0; i < dimensions; i++) {
      if (row > 0 || i > 0) putByte(c.out, 0x2c);
      putFloat32(c.out, f32At(target, i));
    }
  }
  releaseContext(context);
  return SUCCESS;
}

/** A context behind the pass of a text; 0: the failure is printed. */
function pass(c: Command, model: Model, ids: Bytes, index: u32, pooling: u32): Context {
  const p = model.program;
  const none = changetype<Context>(0);
  let count = lengthOf(ids) >> 2;
  const longest = min(p.contextLength, BATCH_LIMIT);
  if (count > longest) {
    if (!given(c, "truncate")) {
      fail(
        c.core, ErrorCode.CONTEXT_FULL,
        "the text {} has {} tokens, and the model takes {}: give parts of it, or cut it with --truncate", index, count,
        longest,
      );
      failure(c);
      return none;
    }
    cut(changetype<Tokenizer>(model.tokenizer), startOf(ids), count, longest);
    count = longest;
  }
  const kv = flag(c, "kv");
  const type = equals(kv, "f32") ? KvType.F32 : equals(kv, "q8_0") ? KvType.Q8_0 : KvType.F16;
  const size = max<u32>(count, 1);
  const context = openForTexts(c.core, model, size, size, 1, type, pooling);
  if (changetype<usize>(context) == 0 || count == 0) {
    if (changetype<usize>(context) == 0) failure(c);
    return context;
  }
  const rule = context.pooling;
  const one = rule == Pooling.CLS ? 0 : rule == Pooling.LAST ? count - 1 : count;
  for (let i: u32 = 0; i < count; i++) {
    putToken(context, i, u32At(startOf(ids), i), 0, <i32>i, one == count || i == one);
  }
  let status = useAdapters(c, model, context, startOf(ids), count);
  if (status >= 0) status = beginPass(context, count, 0, p.layerCount);
  while (status >= 0) {
    status = stepPass(context);
    if (status == Status.DONE) return context;
    if (status == Status.NEED_DATA) status = readAsked(c, context);
  }
  failure(c);
  return none;
}

/** What ends a text ends what is left of it. */
function cut(t: Tokenizer, ids: usize, count: u32, longest: u32): void {
  const last = <i32>u32At(ids, count - 1);
  if (last == t.eos || last == t.sep) setU32(ids, longest - 1, <u32>last);
}

/** The ids of a query and a document; an address of 0: see the error. */
function pairOf(c: Command, model: Model, query: Bytes, document: Bytes): Bytes {
  const core = c.core;
  let count = pairTokens(core, model, startOf(query), lengthOf(query), startOf(document), lengthOf(document), 0, 0);
  const ids: usize = count < 0 ? 0 : allocateRaw(core, 4 * <u64>count + 4, "the tokens");
  if (ids == 0) return 0;
  count = pairTokens(
    core, model, startOf(query), lengthOf(query), startOf(document), lengthOf(document), ids, <u32>count,
  );
  return count < 0 ? 0 : bytesOf(ids, 4 * <u32>count);
}
