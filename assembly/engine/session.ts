/**
 * A session: one sequence of a context as a user knows it: its tokens, the text that comes out of it, and how tokens
 * are chosen. Tokens are appended (as text or ids), then a generation is stepped (session_step.ts): the host gets one
 * token a step with the bytes of text that are safe to show (session_text.ts).
 *
 *     tokens   │ evaluated: rows in the cache │ appended, not evaluated yet │ … capacity
 */
import { Core, ErrorCode, fail } from "../memory/core";
import { allocate, allocateRaw, blockBytes, release } from "../memory/arena";
import { setU32, u32At } from "../memory/bytes";
import { abortPass } from "../pass/batch";
import { Context, POSITION_LIMIT, clearAdapters, isContext } from "../pass/context";
import { placeAdapters, shiftAdapters } from "./adapters";
import { Composition, releaseComposition } from "./composition";
import { checkSequence, cutOut, dropAll, rewindable, takeBack } from "./sequence";
import { modelOf } from "./model";
import { REASONING_BYTES, Reasoning, UNLIMITED, beginReasoning, setBudget } from "./reasoning";
import { dropNeurons, forgetCounts, hasNeurons, readPrompt, shiftCounts, withPolicy } from "./neurons";
import { sampleScratchBytes, seed } from "./sampler";
import { SAMPLER_BYTES, Sampler, initSampler, releaseSampler } from "./sampler_options";
import { HAS_SAMPLERS } from "../parts";
import { Tokenizer } from "../text/tokenizer";
import { TokenizeFlag, tokenize } from "../text/tokenize";
import { DetokenizeFlag, Stream, startStream } from "../text/detokenize";
import { Policy, createPolicy, isPolicy, keptBy, releasePolicy, restartPolicy, undoScores } from "./cache_policy";
import { Constraint, createConstraint, releaseConstraint, restartConstraint } from "./constraint";
import { SPECULATION_BYTES, Speculation, beginSpeculation } from "./speculation";

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

/** What a session whose tokens are all evaluated draws its next one from. */
export namespace Draw {
  /** They are not. */
  export const NONE: u32 = 0;
  /** The logits of the last pass. */
  export const PASS: u32 = 1;
  /** What the host has made of them, or is making. */
  export const SHOWN: u32 = 2;
}

/** All rows of a session are what evaluating its tokens gives. */
export const WHOLE: u32 = u32.MAX_VALUE;

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
  /** Tokens that the pass at work will have evaluated, and which pass of the context the last one of the session is. */
  inFlight: u32;
  pass: u64;
  /** The next session of that pass, in a ring; and which row of its logits is the session's. */
  next: Session;
  logitRow: u32;
  draw: u32;
  /** What the last step came to. */
  status: i32;
  /** The session as a list of one. */
  itself: Session;

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
  /** Which of them has ended the answer, where one has. */
  stopIndex: u32;

  sampler: Sampler;
  stream: Stream;
  scratch: usize;
  /** The host wants to see the logits before each draw. */
  wantsLogits: u32;
  reasoning: Reasoning;
  /** The grammar that answers obey; 0: none. */
  constraint: Constraint;
  speculation: Speculation;

  /** Rows of pieces that are joined and not made good yet; 0: none. Those of `evaluated` tokens are not among them. */
  composition: Composition;
  /** From this token on rows are not what evaluating would give: pieces were composed. WHOLE: all are. */
  exact: u32;
  /** Tokens of the last composition that went through all layers. */
  recomputed: u32;
  /** Which rows it keeps; null: all. */
  policy: Policy;
}

/** Bytes of linear memory that a session over such a context takes, until a piece of text is longer than 4 KiB. */
export function sessionBytes(context: Context): u64 {
  return blockBytes(recordBytes(context)) + blockBytes(TEXT_BYTES);
}

/** The record and what lies behind it: sampler, stream, scratch, best tokens, stop strings, tokens. */
function recordBytes(context: Context): u64 {
  const records =
    align(offsetof<Session>()) +
    align(SAMPLER_BYTES) +
    align(offsetof<Stream>()) +
    align(REASONING_BYTES) +
    align(SPECULATION_BYTES);
  const lists = <u64>TOP_LIMIT * 8 + STOP_BYTES + <u64>context.tokenCapacity * 4;
  return records + sampleScratchBytes(context.program.vocabulary) + lists;
}

/** Makes a session over one sequence of a context. 0: see the error. */
export function createSession(core: Core, context: Context, sequence: u32): Session {
  const none = changetype<Session>(0);
  if (sequence >= context.sequences) {
    fail(core, ErrorCode.BAD_ARGUMENT, "the context has not that many sequences");
    return none;
  }
  const capacity = context.tokenCapacity;
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
  s.reasoning = changetype<Reasoning>(at);
  s.reasoning.budget = UNLIMITED;
  at += align(REASONING_BYTES);
  s.speculation = changetype<Speculation>(at);
  at += align(SPECULATION_BYTES);
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
  if (HAS_SAMPLERS) s.exact = WHOLE;
  s.itself = s;
  s.tag = SESSION_TAG;
  initSampler(s.sampler);
  seed(s.sampler, 0);
  return s;
}

/** A handle that came from a host: false for anything that is not a session. */
@inline
export function isSession(s: Session): bool {
  return changetype<usize>(s) != 0 && s.tag == SESSION_TAG;
}

export function releaseSession(s: Session): void {
  // A context that was released first took the rows with it.
  if (isContext(s.context)) {
    forget(s);
    clearAdapters(s.context, s.sequence);
    dropNeurons(s.context);
  }
  releasePolicy(s.core, s.policy, isContext(s.context));
  s.tag = 0;
  release(s.core, s.source);
  releaseSampler(s.core, s.sampler);
  releaseConstraint(s.constraint);
  release(s.core, s.text);
  release(s.core, changetype<usize>(s));
}

/** Rows of tokens from index `count` on go: those that are left may all be exact. */
@inline
function forgetBehind(s: Session, count: u32): void {
  if (HAS_SAMPLERS && count <= s.exact) s.exact = WHOLE;
}

/** Forgets all tokens, and every row of the sequence. */
export function forget(s: Session): void {
  stopGeneration(s);
  s.count = 0;
  s.evaluated = 0;
  s.isSourceRead = 0;
  forgetBehind(s, 0);
  dropAll(s.context, s.sequence, i32.MIN_VALUE, i32.MAX_VALUE);
  restartPolicy(s.policy);
  forgetCounts(s.context, 0);
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
  return checkTokens(s, ids, count);
}

/** Forgets the tokens from index `count` on, and their rows; a generation at work ends. */
export function rewind(s: Session, count: u32): void {
  takeTokensBack(s, count);
  forgetCounts(s.context, count);
}

function takeTokensBack(s: Session, count: u32): void {
  stopGeneration(s);
  if (count < s.count) s.count = count;
  if (count >= s.evaluated) return;
  // State that cannot go back so far goes back to a mark, or to the first token, and is made anew from there on.
  s.evaluated = keptBy(s.policy, rewindable(s.context, s.sequence, count));
  forgetBehind(s, s.evaluated);
  dropAll(s.context, s.sequence, <i32>s.evaluated, POSITION_LIMIT);
  if (isPolicy(s.policy) && s.evaluated == 0) restartPolicy(s.policy);
}

/** The session keeps fewer rows than it has tokens: one that is empty, over a context that was made for it. */
export function setPolicy(s: Session, scored: bool, recent: f32, sinks: u32, merge: u32, every: u32, beta: f32): i32 {
  if (!HAS_SAMPLERS) return fail(s.core, ErrorCode.UNSUPPORTED, "this build evicts no rows; take limpet.wasm");
  if (s.context.sequences != 1 || s.count != 0 || isPolicy(s.policy)) {
    return fail(
      s.core, ErrorCode.WRONG_STATE, "a policy is for an empty session that has its context for itself, and stays",
    );
  }
  if (hasNeurons(s.context)) return withPolicy(s.core);
  if (s.context.program.decoderLayer != 0) {
    return fail(s.core, ErrorCode.UNSUPPORTED, "an answer to a source keeps all of its rows: leave the policy out");
  }
  s.policy = createPolicy(s.core, s.context, scored, recent, sinks, merge, every, beta);
  return isPolicy(s.policy) ? 0 : s.core.errorCode;
}

/**
 * Forgets `count` tokens from index `keep` on: those behind them move up, and their rows with them. A generation
 * between two tokens goes on. The last token stays.
 */
export function shiftSession(s: Session, keep: u32, count: u32): i32 {
  if (!HAS_SAMPLERS) return fail(s.core, ErrorCode.UNSUPPORTED, "this build forgets no tokens; take limpet.wasm");
  if (isPolicy(s.policy)) {
    return fail(
      s.core, ErrorCode.UNSUPPORTED, "a session whose cache has a policy forgets no tokens: leave one of them out",
    );
  }
  if (keep >= s.count || count >= s.count - keep) {
    return fail(
      s.core, ErrorCode.BAD_ARGUMENT, "of {} tokens {} cannot be forgotten from number {} on: the last one stays",
      s.count, count, keep,
    );
  }
  const behind = keep + count;
  dropComposition(s);
  // A draft that came true is evaluated sooner than it would have been: behind another text its row is another.
  if (s.draw == Draw.PASS) leaveLast(s);
  dropDrafts(s);
  if (s.evaluated > behind) {
    const status = cutOut(s.context, s.sequence, <i32>keep, <i32>behind);
    if (status != 0) return status;
    s.evaluated -= count;
  } else if (s.evaluated > keep) {
    const status = checkSequence(s.context, s.sequence);
    if (status != 0) return status;
    s.evaluated = rewindable(s.context, s.sequence, keep);
    dropAll(s.context, s.sequence, <i32>s.evaluated, POSITION_LIMIT);
  }
  memory.copy(s.tokens + ((<usize>keep) << 2), s.tokens + ((<usize>behind) << 2), (<usize>(s.count - behind)) << 2);
  s.count -= count;
  if (s.exact != WHOLE) s.exact = min(s.exact, keep);
  shiftAdapters(s.context, s.sequence, keep, count);
  shiftCounts(s.context, keep, count);
  return 0;
}

/** Whether these are tokens of the vocabulary, no more than the session holds. */
export function checkTokens(s: Session, ids: usize, count: u32): i32 {
  if (count > s.capacity) return tooLong(s, count);
  const vocabulary = s.context.program.vocabulary;
  for (let i: u32 = 0; i < count; i++) {
    const id = u32At(ids, i);
    if (id < vocabulary) continue;
    return fail(
      s.core, ErrorCode.BAD_ARGUMENT, "the token {i} is not in the vocabulary of {}", <i64>(<i32>id), vocabulary,
    );
  }
  return 0;
}

/** Appends token ids. */
export function appendTokens(s: Session, ids: usize, count: u32): i32 {
  dropDrafts(s);
  if (count > s.capacity - s.count) return tooLong(s, count);
  const status = checkTokens(s, ids, count);
  if (status != 0) return status;
  memory.copy(s.tokens + ((<usize>s.count) << 2), ids, (<usize>count) << 2);
  s.count += count;
  readPrompt(s.context, s.count);
  return 0;
}

/**
 * Appends text: `flags` of text/tokenize.ts; a BOS only where nothing stands before it. Returns the tokens it became.
 */
export function appendText(s: Session, text: usize, length: u32, flags: u32): i32 {
  dropDrafts(s);
  const tokenizer = changetype<Tokenizer>(s.tokenizer);
  if (s.count > 0) flags &= ~TokenizeFlag.ADD_SPECIAL;
  const room = s.capacity - s.count;
  const count = tokenize(s.core, tokenizer, text, length, flags, s.tokens + ((<usize>s.count) << 2), room);
  if (count < 0) return count;
  if (<u32>count > room) return tooLong(s, <u32>count);
  s.count += <u32>count;
  readPrompt(s.context, s.count);
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
  const stale = placeAdapters(s.context, s.sequence, s.tokens, s.count);
  if (stale < <i32>s.evaluated) unread(s, <u32>stale);
  leaveLast(s);
  s.generating = 1;
  s.remaining = maxTokens;
  s.finish = Finish.NONE;
  s.wantLogprobs = wantLogprobs;
  s.topCount = logprobs;
  s.textLength = 0;
  s.ready = 0;
  beginReasoning(s.reasoning, changetype<Tokenizer>(s.tokenizer), s.tokens, s.count, s.text, s.textCapacity);
  restartConstraint(s.constraint, s.count);
  beginSpeculation(s.speculation);
  // As llama.cpp streams: the text goes on from the prompt, and spaces stay as the model makes them. The control tokens
  // that a grammar asks for are of the text.
  const tokenizer = changetype<Tokenizer>(s.tokenizer);
  const special = changetype<usize>(s.constraint) != 0 ? DetokenizeFlag.SHOW_SPECIAL : 0;
  startStream(s.stream, tokenizer, DetokenizeFlag.KEEP | DetokenizeFlag.CONTINUE | special);
  return 0;
}

/** Rows of tokens from index `position` on go, and are made anew: of all of them what an encoder has read too. */
export function unread(s: Session, position: u32): void {
  const count = s.count;
  if (position == 0) {
    s.evaluated = 0;
    s.isSourceRead = 0;
    forgetBehind(s, 0);
    dropAll(s.context, s.sequence, i32.MIN_VALUE, i32.MAX_VALUE);
    restartPolicy(s.policy);
  } else rewind(s, position);
  s.count = count;
}

/** The logits of the last token are not kept: its row is made once more, to the same bits. */
export function leaveLast(s: Session): void {
  const count = s.count;
  if (count == 0 || s.evaluated < count) return;
  const generating = s.generating;
  takeTokensBack(s, count - 1);
  s.count = count;
  s.generating = generating;
}

/** The rows of drafts that have not come true go. */
export function dropDrafts(s: Session): void {
  const sp = s.speculation;
  if (!HAS_SAMPLERS || sp.ahead == 0) return;
  const left = s.evaluated;
  s.evaluated = takeBack(s.context, s.sequence, left, sp.ahead);
  sp.ahead = 0;
  sp.count = sp.next;
  // A recurrent state may go back further.
  if (isPolicy(s.policy) && s.evaluated < left && keptBy(s.policy, s.evaluated) == 0) unread(s, 0);
}

/** Closes reasoning after so many tokens (reasoning.ts), from the next generation on; UNLIMITED: never. */
export function limitReasoning(s: Session, budget: u32): i32 {
  // The room for text is free between generations.
  stopGeneration(s);
  return setBudget(s.core, s.reasoning, changetype<Tokenizer>(s.tokenizer), budget, s.text);
}

/** Holds fewer tokens than the context does, from now on. */
export function limitSession(s: Session, capacity: u32): i32 {
  if (capacity < s.count || capacity > s.context.tokenCapacity) {
    return fail(
      s.core, ErrorCode.BAD_ARGUMENT, "a session that has {} tokens in a context of {} cannot be held to {}", s.count,
      s.context.tokenCapacity, capacity,
    );
  }
  s.capacity = capacity;
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
  s.constraint = createConstraint(s.core, table, length);
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
export function tokenAt(s: Session, index: u32): u32 {
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

/** A pass that this session is in and that is not through is undone, for all that are in it. */
export function stopWork(s: Session): void {
  if (isPolicy(s.policy) && s.inFlight != 0) undoScores(s.policy, s.inFlight);
  if (owns(s)) abortPass(s.context);
  dropComposition(s);
  dropDrafts(s);
  s.inFlight = 0;
  s.draw = Draw.NONE;
}

/** Rows that were joined and not made good go: their tokens are evaluated as any others are. */
export function dropComposition(s: Session): void {
  if (!HAS_SAMPLERS || changetype<usize>(s.composition) == 0) return;
  releaseComposition(s.composition);
  s.composition = changetype<Composition>(0);
  dropAll(s.context, s.sequence, <i32>s.evaluated, POSITION_LIMIT);
}

/** Whether the session is in the pass that the context is in. */
export function owns(s: Session): bool {
  const c = s.context;
  return s.inFlight != 0 && c.running != 0 && c.passes == s.pass;
}
