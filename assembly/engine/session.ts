/**
 * A session: one sequence of a context as a user knows it: its tokens, the text that comes out of it, and how tokens
 * are chosen. Tokens are appended (as text or ids), then a generation is stepped: the host gets one token a step with
 * the bytes of text that are safe to show, and never a piece of a UTF-8 character or the beginning of a stop string.
 *
 *     tokens   │ evaluated: rows in the cache │ appended, not evaluated yet │ … capacity
 *     text     │ shown │ ready to show │ held back: may be the beginning of a stop string │
 */
import { Core, ErrorCode, Status, fail } from "../memory/core";
import { allocate, allocateRaw, blockBytes, release, resize } from "../memory/arena";
import { setU32, u32At } from "../memory/bytes";
import { abortPass, beginPass, putToken } from "../pass/batch";
import { Context, POSITION_LIMIT, isContext } from "../pass/context";
import { canRewindTo, dropAll } from "./sequence";
import { modelOf } from "./model";
import { stepPass } from "../run/run";
import { SAMPLER_BYTES, Sampler, initSampler, sampleScratchBytes } from "./sampler";
import { Tokenizer, endsGeneration, suppressTokens } from "../text/tokenizer";
import { TokenizeFlag, tokenize } from "../text/tokenize";
import { DetokenizeFlag, Stream, flushStream, pushToken, startStream, streamCapacity } from "../text/detokenize";
import { Constraint, createConstraint, draw, isThrough, releaseConstraint, restartConstraint } from "./constrained";
import { logSumExp } from "../kernels/float/softmax";

/** A step of a session that made a token. */
export const STATUS_TOKEN: i32 = 3;

export namespace Finish {
  export const NONE: u32 = 0;
  /** A token that ends the generation. */
  export const STOP: u32 = 1;
  /** As many tokens as were asked for. */
  export const LENGTH: u32 = 2;
  /** A stop string. */
  export const STOP_STRING: u32 = 3;
  /** The context is full. */
  export const CONTEXT: u32 = 4;
}

const SESSION_TAG: u32 = 0x53534553; // "SESS"
/** Most of the best tokens whose probabilities can be asked for. */
export const TOP_LIMIT: u32 = 20;
const STOP_BYTES: u32 = 4096;
const TEXT_BYTES: u32 = 4096;

@unmanaged
export class Session {
  tag: u32;
  core: Core;
  context: Context;
  /** The model's tokenizer. */
  tokenizer: usize;
  sequence: u32;
  /** u32[capacity] */
  tokens: usize;
  capacity: u32;
  count: u32;
  evaluated: u32;
  /** Tokens that the pass at work will have evaluated, and which pass of the context it is. */
  inFlight: u32;
  pass: u64;

  /** What an encoder reads: u32[sourceCount] of a block of its own, and whether its rows are there. */
  source: usize;
  sourceCount: u32;
  isSourceRead: u32;

  generating: u32;
  remaining: u32;
  finish: u32;
  /** The token of the last step, its log probability, and the best ones of its row. */
  token: u32;
  logprob: f32;
  wantLogprobs: u32;
  topCount: u32;
  topIds: usize;
  topLogprobs: usize;

  /** The text not shown yet: `ready` of `textLength` bytes may be shown. */
  text: usize;
  textCapacity: u32;
  textLength: u32;
  ready: u32;
  /** Stop strings: u32 length and bytes, one behind the other. */
  stops: usize;
  stopsLength: u32;

  sampler: Sampler;
  stream: Stream;
  scratch: usize;
  /** The grammar that answers obey; 0: none. */
  constraint: Constraint;
}

/** Bytes of linear memory that a session over such a context takes, until a piece of text is longer than 4 KiB. */
export function sessionBytes(context: Context): u64 {
  return blockBytes(recordBytes(context)) + blockBytes(TEXT_BYTES);
}

/** The record and what lies behind it: sampler, stream, scratch, best tokens, stop strings, tokens. */
function recordBytes(context: Context): u64 {
  const records = align(offsetof<Session>()) + align(SAMPLER_BYTES) + align(offsetof<Stream>());
  const lists = <u64>TOP_LIMIT * 8 + STOP_BYTES + <u64>context.rowCapacity * 4;
  return records + sampleScratchBytes(context.program.vocabulary) + lists;
}

/** Makes a session over one sequence of a context. 0: see the error. */
export function createSession(core: Core, context: Context, sequence: u32): Session {
  const none = changetype<Session>(0);
  if (sequence >= context.sequences) {
    fail(core, ErrorCode.BAD_ARGUMENT, "the context has not that many sequences");
    return none;
  }
  const capacity = context.rowCapacity;
  const scratchBytes = sampleScratchBytes(context.program.vocabulary);
  const memory = allocate(core, recordBytes(context), "a session");
  if (memory == 0) return none;
  const s = changetype<Session>(memory);
  s.text = allocateRaw(core, TEXT_BYTES, "a session's text");
  if (s.text == 0) {
    release(core, memory);
    return none;
  }
  s.textCapacity = TEXT_BYTES;
  let at = memory + align(offsetof<Session>());
  s.sampler = changetype<Sampler>(at);
  at += align(SAMPLER_BYTES);
  s.stream = changetype<Stream>(at);
  at += align(offsetof<Stream>());
  s.scratch = at;
  at += <usize>scratchBytes;
  s.topIds = at;
  s.topLogprobs = at + TOP_LIMIT * 4;
  s.stops = at + TOP_LIMIT * 8;
  s.tokens = s.stops + STOP_BYTES;
  s.core = core;
  s.context = context;
  s.tokenizer = modelOf(context).tokenizer;
  s.sequence = sequence;
  s.capacity = capacity;
  s.tag = SESSION_TAG;
  initSampler(s.sampler);
  return s;
}

/** A handle that came from a host: false for anything that is not a session. */
@inline
export function isSession(s: Session): bool {
  return changetype<usize>(s) != 0 && s.tag == SESSION_TAG;
}

export function releaseSession(s: Session): void {
  // A context that was released first took the rows with it.
  if (isContext(s.context)) forget(s);
  s.tag = 0;
  release(s.core, s.source);
  releaseConstraint(s.constraint);
  release(s.core, s.text);
  release(s.core, changetype<usize>(s));
}

/** Forgets all tokens, and every row of the sequence. */
export function forget(s: Session): void {
  stopGeneration(s);
  s.count = 0;
  s.evaluated = 0;
  s.isSourceRead = 0;
  dropAll(s.context, s.sequence, i32.MIN_VALUE, i32.MAX_VALUE);
}

/**
 * The tokens that an encoder reads before the decoder begins: what was there before is forgotten, and the decoder's
 * first token is put.
 */
export function setSource(s: Session, ids: usize, count: u32): i32 {
  const c = s.context;
  if (c.program.decoderLayer == 0) {
    return fail(s.core, ErrorCode.UNSUPPORTED, "this model has no encoder: append the tokens to the session");
  }
  const status = checkSourceTokens(s, ids, count);
  if (status != 0) return status;
  const copied = allocateRaw(s.core, (<u64>count) << 2, "the source of an answer");
  if (copied == 0) return s.core.errorCode;
  memory.copy(copied, ids, (<usize>count) << 2);
  forget(s);
  release(s.core, s.source);
  s.source = copied;
  s.sourceCount = count;
  setU32(s.tokens, 0, c.program.startToken);
  s.count = 1;
  return 0;
}

/** Whether an encoder can read these tokens in this context. */
export function checkSourceTokens(s: Session, ids: usize, count: u32): i32 {
  const c = s.context;
  if (count < 1 || count > c.batchCapacity) {
    return fail(
      s.core, ErrorCode.CONTEXT_FULL,
      "the encoder reads 1 to {} tokens at once in this context, not {}: make it longer \
(--ctx N, { context: N }) or give less text", c.batchCapacity, count,
    );
  }
  const vocabulary = c.program.vocabulary;
  for (let i: u32 = 0; i < count; i++) {
    const id = u32At(ids, i);
    if (id >= vocabulary) {
      return fail(
        s.core, ErrorCode.BAD_ARGUMENT, "the token {i} is not in the vocabulary of {}", <i64>(<i32>id), vocabulary,
      );
    }
  }
  return 0;
}

/** Begins the pass of the source. */
function beginSource(s: Session): i32 {
  const c = s.context;
  if (c.running) {
    return fail(s.core, ErrorCode.WRONG_STATE, "another session of this context is in the middle of a pass");
  }
  for (let i: u32 = 0; i < s.sourceCount; i++) putToken(c, i, u32At(s.source, i), s.sequence, <i32>i, false);
  const status = beginPass(c, s.sourceCount, 0, c.program.layerCount, 1);
  if (status == 0) {
    s.inFlight = s.sourceCount;
    s.pass = c.passes;
  }
  return status;
}

/** Forgets the tokens from index `count` on, and their rows; a generation at work ends. */
export function rewind(s: Session, count: u32): void {
  stopGeneration(s);
  if (count < s.count) s.count = count;
  if (count >= s.evaluated) return;
  // State that cannot go back is made anew, from the first token on.
  s.evaluated = canRewindTo(s.context, s.sequence, count) ? count : 0;
  dropAll(s.context, s.sequence, <i32>s.evaluated, POSITION_LIMIT);
}

/** Appends token ids. */
export function appendTokens(s: Session, ids: usize, count: u32): i32 {
  if (count > s.capacity - s.count) return tooLong(s, count);
  const vocabulary = s.context.program.vocabulary;
  for (let i: u32 = 0; i < count; i++) {
    const id = load<u32>(ids + ((<usize>i) << 2));
    if (id < vocabulary) continue;
    return fail(
      s.core, ErrorCode.BAD_ARGUMENT, "the token {i} is not in the vocabulary of {}", <i64>(<i32>id), vocabulary,
    );
  }
  memory.copy(s.tokens + ((<usize>s.count) << 2), ids, (<usize>count) << 2);
  s.count += count;
  return 0;
}

/**
 * Appends text: `flags` of text/tokenize.ts; a BOS only where nothing stands before it. Returns the tokens it became.
 */
export function appendText(s: Session, text: usize, length: u32, flags: u32): i32 {
  const tokenizer = changetype<Tokenizer>(s.tokenizer);
  if (s.count > 0) flags &= ~TokenizeFlag.ADD_SPECIAL;
  const room = s.capacity - s.count;
  const count = tokenize(s.core, tokenizer, text, length, flags, s.tokens + ((<usize>s.count) << 2), room);
  if (count < 0) return count;
  if (<u32>count > room) return tooLong(s, <u32>count);
  s.count += <u32>count;
  return count;
}

/** Makes the session's tokens these: what they share with the tokens before is not evaluated again. */
export function replaceTokens(s: Session, ids: usize, count: u32): i32 {
  let common: u32 = 0;
  const most = min(count, s.count);
  while (common < most && tokenAt(s, common) == load<u32>(ids + ((<usize>common) << 2))) common += 1;
  rewind(s, common);
  return appendTokens(s, ids + ((<usize>common) << 2), count - common);
}

/**
 * Begins to generate at most `maxTokens`; `logprobs`: how many of the best tokens to report (0: none, not even the
 * own).
 */
export function beginGeneration(s: Session, maxTokens: u32, wantLogprobs: u32, logprobs: u32): i32 {
  if (s.context.program.decoderLayer != 0 && s.sourceCount == 0) {
    return fail(s.core, ErrorCode.BAD_ARGUMENT, "there is nothing to answer: the model's encoder wants a text to read");
  }
  if (s.count == 0) {
    return fail(s.core, ErrorCode.BAD_ARGUMENT, "there is nothing to go on from: the prompt has no tokens");
  }
  if (logprobs > TOP_LIMIT) {
    return fail(s.core, ErrorCode.BAD_ARGUMENT, "at most 20 log probabilities a token can be had");
  }
  stopWork(s);
  leaveLast(s);
  s.generating = 1;
  s.remaining = maxTokens;
  s.finish = Finish.NONE;
  s.wantLogprobs = wantLogprobs;
  s.topCount = logprobs;
  s.textLength = 0;
  s.ready = 0;
  restartConstraint(s.constraint);
  // As llama.cpp streams: the text goes on from the prompt, and spaces stay as the model makes them.
  const tokenizer = changetype<Tokenizer>(s.tokenizer);
  startStream(s.stream, tokenizer, DetokenizeFlag.KEEP | DetokenizeFlag.CONTINUE);
  return 0;
}

/** The logits of the last token are not kept: its row is made once more, to the same bits. */
function leaveLast(s: Session): void {
  const count = s.count;
  if (count == 0 || s.evaluated < count) return;
  rewind(s, count - 1);
  s.count = count;
}

/** The next slice: MORE (nothing to show yet), STATUS_TOKEN (a token, and `ready` bytes of text), DONE, or an error. */
export function stepGeneration(s: Session): i32 {
  const c = s.context;
  if (!s.generating) return fail(s.core, ErrorCode.WRONG_STATE, "no generation has begun");
  forgetShown(s);
  if (s.finish == Finish.NONE && isThrough(s.constraint)) s.finish = Finish.STOP;
  if (s.finish != Finish.NONE || s.remaining == 0) return finishGeneration(s);
  const isReading = s.sourceCount != 0 && !s.isSourceRead;
  if (!owns(s)) {
    const status = isReading ? beginSource(s) : beginChunk(s);
    if (status < 0) return giveUp(s, status);
  }
  const status = stepPass(c);
  if (status < 0) return giveUp(s, status);
  if (status != Status.DONE) return status;
  if (isReading) s.isSourceRead = 1;
  else s.evaluated += s.inFlight;
  s.inFlight = 0;
  if (s.evaluated < s.count) return Status.MORE;
  return takeToken(s);
}

/**
 * Goes on with the generation of another session of the model, which has the same tokens and was stopped between two of
 * them: for who moves to a larger context. What is held back of the text, the stop strings and the sampler come along.
 */
export function continueGeneration(s: Session, from: Session): i32 {
  if (s.tokenizer != from.tokenizer || s.count != from.count) {
    return fail(s.core, ErrorCode.BAD_ARGUMENT, "a generation goes on where the tokens of its session are");
  }
  stopWork(s);
  leaveLast(s);
  if (from.textCapacity > s.textCapacity) {
    const moved = resize(s.core, s.text, from.textCapacity, "a session's text");
    if (moved == 0) return s.core.errorCode;
    s.text = moved;
    s.textCapacity = from.textCapacity;
  }
  memory.copy(s.text, from.text, from.textLength);
  s.textLength = from.textLength;
  s.ready = from.ready;
  memory.copy(s.stops, from.stops, from.stopsLength);
  s.stopsLength = from.stopsLength;
  memory.copy(changetype<usize>(s.sampler), changetype<usize>(from.sampler), SAMPLER_BYTES);
  memory.copy(changetype<usize>(s.stream), changetype<usize>(from.stream), offsetof<Stream>());
  s.remaining = from.remaining;
  s.finish = from.finish;
  s.token = from.token;
  s.logprob = from.logprob;
  s.wantLogprobs = from.wantLogprobs;
  s.topCount = from.topCount;
  memory.copy(s.topIds, from.topIds, TOP_LIMIT * 8);
  releaseConstraint(s.constraint);
  s.constraint = from.constraint;
  from.constraint = changetype<Constraint>(0);
  s.generating = 1;
  return 0;
}

/** Ends a generation before its time; what was evaluated stays. */
export function stopGeneration(s: Session): void {
  stopWork(s);
  s.generating = 0;
}

/** Has answers obey a grammar, a table of src/grammar; without bytes: none any more. */
export function setGrammar(s: Session, table: usize, length: u32): i32 {
  if (s.generating) return fail(s.core, ErrorCode.WRONG_STATE, "a generation keeps the grammar that it began with");
  releaseConstraint(s.constraint);
  s.constraint = changetype<Constraint>(0);
  if (length == 0) return 0;
  s.constraint = createConstraint(s.core, table, length, s.context.program.vocabulary);
  return changetype<usize>(s.constraint) != 0 ? 0 : s.core.errorCode;
}

/** Adds a stop string. */
export function addStop(s: Session, text: usize, length: u32): i32 {
  if (length == 0) return fail(s.core, ErrorCode.BAD_ARGUMENT, "a stop string has at least one byte");
  if (length > STOP_BYTES || s.stopsLength + 4 + length > STOP_BYTES) {
    return fail(s.core, ErrorCode.BAD_ARGUMENT, "the stop strings take more than 4096 bytes together");
  }
  store<u32>(s.stops + s.stopsLength, length);
  memory.copy(s.stops + s.stopsLength + 4, text, length);
  s.stopsLength += 4 + length;
  return 0;
}

@inline
function tokenAt(s: Session, index: u32): u32 {
  return load<u32>(s.tokens + ((<usize>index) << 2));
}

@inline
function align(bytes: usize): usize {
  return (bytes + 15) & ~(<usize>15);
}

function tooLong(s: Session, more: u32): i32 {
  return fail(
    s.core, ErrorCode.CONTEXT_FULL,
    "the context holds {} tokens: {} are there, and {} more do not fit; make it longer (--ctx N, { context: N })",
    s.capacity, s.count, more,
  );
}

/** A pass of this session that is not through is undone. */
function stopWork(s: Session): void {
  if (owns(s)) abortPass(s.context);
  s.inFlight = 0;
}

/** Whether the pass that the context is in is this session's. */
export function owns(s: Session): bool {
  const c = s.context;
  return s.inFlight != 0 && c.running != 0 && c.passes == s.pass;
}

function giveUp(s: Session, status: i32): i32 {
  stopWork(s);
  s.generating = 0;
  return status;
}

/** Fills the batch with the next tokens that are not evaluated; logits are asked of the very last. */
function beginChunk(s: Session): i32 {
  const c = s.context;
  if (c.running) {
    return fail(s.core, ErrorCode.WRONG_STATE, "another session of this context is in the middle of a pass");
  }
  const left = s.count - s.evaluated;
  const count = left < c.batchCapacity ? left : c.batchCapacity;
  for (let i: u32 = 0; i < count; i++) {
    const index = s.evaluated + i;
    putToken(c, i, tokenAt(s, index), s.sequence, <i32>index, index + 1 == s.count);
  }
  const status = beginPass(c, count, 0, c.program.layerCount);
  if (status == 0) {
    s.inFlight = count;
    s.pass = c.passes;
  }
  return status;
}

function takeToken(s: Session): i32 {
  const c = s.context;
  const vocabulary = c.program.vocabulary;
  const tokenizer = changetype<Tokenizer>(s.tokenizer);
  const logits = c.at(c.program.logits);
  suppressTokens(tokenizer, logits);
  const drawn = draw(s.core, s.constraint, tokenizer, s.sampler, logits, vocabulary, s.scratch, s.tokens, s.count);
  if (drawn < 0) return giveUp(s, drawn);
  const token = (s.token = <u32>drawn);
  if (s.wantLogprobs) rank(s, logits, vocabulary);
  s.remaining -= 1;
  if (s.count == s.capacity) s.finish = Finish.CONTEXT;
  else {
    store<u32>(s.tokens + ((<usize>s.count) << 2), token);
    s.count += 1;
  }
  if (endsGeneration(tokenizer, token)) s.finish = Finish.STOP;
  else {
    const status = pushText(s, token);
    if (status < 0) return giveUp(s, status);
    if (s.finish == Finish.NONE && isThrough(s.constraint)) return lastText(s);
    if (s.finish == Finish.NONE && s.remaining == 0) s.finish = Finish.LENGTH;
  }
  return s.finish == Finish.NONE ? STATUS_TOKEN : lastText(s);
}

/** The log probability of the token, and the best tokens of the row with theirs, in falling order. */
function rank(s: Session, logits: usize, vocabulary: u32): void {
  const sum = logSumExp(logits, vocabulary);
  s.logprob = <f32>(<f64>load<f32>(logits + ((<usize>s.token) << 2)) - sum);
  let found: u32 = 0;
  for (let i: u32 = 0; i < vocabulary; i++) {
    const value = <f32>(<f64>load<f32>(logits + ((<usize>i) << 2)) - sum);
    let at = found < s.topCount ? found++ : s.topCount;
    if (at == s.topCount && (at == 0 || !(value > topLogprob(s, at - 1)))) continue;
    if (at == s.topCount) at -= 1;
    for (; at > 0 && value > topLogprob(s, at - 1); at--) setTop(s, at, topId(s, at - 1), topLogprob(s, at - 1));
    setTop(s, at, i, value);
  }
}

@inline
function topLogprob(s: Session, index: u32): f32 {
  return load<f32>(s.topLogprobs + ((<usize>index) << 2));
}

@inline
function topId(s: Session, index: u32): u32 {
  return load<u32>(s.topIds + ((<usize>index) << 2));
}

@inline
function setTop(s: Session, index: u32, id: u32, logprob: f32): void {
  store<u32>(s.topIds + ((<usize>index) << 2), id);
  store<f32>(s.topLogprobs + ((<usize>index) << 2), logprob);
}

/** Appends a token's text, looks for stop strings, and sets how much may be shown. */
function pushText(s: Session, token: u32): i32 {
  const status = makeRoom(s);
  if (status < 0) return status;
  const before = s.textLength;
  const bytes = pushToken(s.core, s.stream, token, s.text + before, s.textCapacity - before);
  if (bytes < 0) return bytes;
  s.textLength = before + <u32>bytes;
  findStop(s, before);
  return 0;
}

/** What the stream and the stop strings still hold back comes out when nothing more follows. */
function lastText(s: Session): i32 {
  if (s.finish == Finish.STOP_STRING) return STATUS_TOKEN;
  const status = makeRoom(s);
  if (status < 0) return giveUp(s, status);
  const before = s.textLength;
  s.textLength = before + <u32>flushStream(s.stream, s.text + before, s.textCapacity - before);
  findStop(s, before);
  if (s.finish != Finish.STOP_STRING) s.ready = s.textLength;
  return STATUS_TOKEN;
}

/** Room for one more token's text. */
function makeRoom(s: Session): i32 {
  const more = streamCapacity(changetype<Tokenizer>(s.tokenizer));
  if (s.textLength + more <= s.textCapacity) return 0;
  const capacity = 2 * s.textCapacity + more;
  const moved = resize(s.core, s.text, capacity, "a session's text");
  if (moved == 0) return s.core.errorCode;
  s.text = moved;
  s.textCapacity = capacity;
  return 0;
}

/**
 * Cuts the text at the first stop string, or holds back an end that may become one. Text before `from` was searched.
 */
function findStop(s: Session, from: u32): void {
  let held: u32 = 0;
  let cut = s.textLength;
  for (let at: u32 = 0; at < s.stopsLength; ) {
    const length = load<u32>(s.stops + at);
    const stop = s.stops + at + 4;
    const first = from > length ? from - length : 0;
    for (let i = first; i < cut; i++) {
      const match = matchAt(s.text + i, s.textLength - i, stop, length);
      if (match == length) cut = i;
      else if (match == s.textLength - i && match > held) held = match;
    }
    at += 4 + length;
  }
  if (cut < s.textLength) {
    s.textLength = cut;
    s.ready = cut;
    s.finish = Finish.STOP_STRING;
  } else s.ready = s.textLength - held;
}

/** How many of the first bytes of `stop` the text begins with. */
function matchAt(text: usize, available: u32, stop: usize, length: u32): u32 {
  let i: u32 = 0;
  while (i < length && i < available && load<u8>(text + i) == load<u8>(stop + i)) i++;
  return i;
}

/** Drops the text that the host has been shown. */
function forgetShown(s: Session): void {
  if (s.ready == 0) return;
  memory.copy(s.text, s.text + s.ready, s.textLength - s.ready);
  s.textLength -= s.ready;
  s.ready = 0;
}

function finishGeneration(s: Session): i32 {
  if (s.finish == Finish.NONE) s.finish = Finish.LENGTH;
  s.generating = 0;
  return Status.DONE;
}
