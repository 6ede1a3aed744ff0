/**
 * The exports of sessions: thin functions on handles, with the conventions of exports/model.ts.
 */
import { HAS_VECTORS } from "../parts";
import { Core, ErrorCode, fail } from "../memory/core";
import { Context, isContext } from "../pass/context";
import { closeGap, replaceText, shareBeginning } from "../engine/history";
import { Model } from "../engine/model";
import { changedLogits, seed } from "../engine/sampler";
import { addBias, addBreaker, configure, setOption } from "../engine/sampler_options";
import {
  Session, addStop, appendText, appendTokens, beginGeneration, createSession, isSession, limitReasoning, limitSession,
  releaseSession, replaceTokens, rewind, sessionBytes, setGrammar, setSource, shiftSession, stopGeneration,
} from "../engine/session";
import { canCut } from "../engine/sequence";
import { giveDrafts, speculate } from "../engine/session_drafts";
import { continueGeneration, forkGeneration } from "../engine/session_moves";
import { stepGeneration, stepSessions } from "../engine/session_step";
import { restoreSession, savedBytes, saveSession } from "../engine/session_file";
import { Speculation } from "../engine/speculation";
import { Tokenizer } from "../text/tokenizer";

/** The bytes that a session over this context will take; 0 when that is no context. */
export function session_bytes(context: Context): u64 {
  return isContext(context) ? sessionBytes(context) : 0;
}

/** Makes a session over one sequence of a context; 0 with the error set. */
export function session_create(core: Core, context: Context, sequence: u32): usize {
  if (!isContext(context)) {
    fail(core, ErrorCode.BAD_ARGUMENT, "that handle is not a context");
    return 0;
  }
  return changetype<usize>(createSession(core, context, sequence));
}

/** Gives the session back; the rows of its sequence are free again. Release it before its context. */
export function session_release(s: Session): void {
  if (isSession(s)) releaseSession(s);
}

/** u32[session_count]: the tokens so far; the first `evaluated` of them have their rows. */
export function session_tokens(s: Session): usize {
  return s.tokens;
}

/** The number of tokens so far. */
export function session_count(s: Session): u32 {
  return s.count;
}

/** The number of tokens that have their rows of state. */
export function session_evaluated(s: Session): u32 {
  return s.evaluated;
}

/** Forgets the tokens from index `count` on. */
export function session_rewind(s: Session, count: u32): void {
  rewind(s, count);
}

/** 1 when tokens can be taken out of the middle of a session: `session_shift`. */
export function model_can_shift(model: Model): u32 {
  return model.hasProgram && canCut(model.program) ? 1 : 0;
}

/**
 * Forgets `count` tokens from index `keep` on; those behind them move up with their rows, and a generation between two
 * tokens goes on. UNSUPPORTED where `model_can_shift` says no.
 */
export function session_shift(s: Session, keep: u32, count: u32): i32 {
  return shiftSession(s, keep, count);
}

/**
 * Where the session's tokens go on behind a gap as u32[count] do, the gap is forgotten as `session_shift` does it:
 * turns of a conversation that is told without them from now on. Gives the length of the gap, 0 where there is none.
 */
export function session_close_gap(s: Session, ids: usize, count: u32): i32 {
  return closeGap(s, ids, count);
}

/** Appends u32[count] of token ids. */
export function session_append_tokens(s: Session, ids: usize, count: u32): i32 {
  return appendTokens(s, ids, count);
}

/**
 * Appends UTF-8 text: bit 0 of `flags` adds BOS and EOS as the model wants them, bit 1 parses special tokens. Gives the
 * number of tokens.
 */
export function session_append_text(s: Session, text: usize, length: u32, flags: u32): i32 {
  return appendText(s, text, length, flags);
}

/**
 * The tokens u32[count] that an encoder reads before its decoder answers: what was there before is forgotten, and the
 * decoder's first token is put. For models with an encoder and a decoder (`model_has_encoder`).
 */
export function session_set_source(s: Session, ids: usize, count: u32): i32 {
  if (HAS_VECTORS) return setSource(s, ids, count);
  return fail(s.core, ErrorCode.UNSUPPORTED, "this build reads no source; take limpet.wasm");
}

/** Makes the tokens these; a common beginning is not evaluated again. */
export function session_replace_tokens(s: Session, ids: usize, count: u32): i32 {
  return replaceTokens(s, ids, count);
}

/**
 * Makes the text of the session that of u32[count] tokens: where its own tokens spell the same they stay, with their
 * rows, as those that a model has written must in a conversation.
 */
export function session_replace_text(s: Session, ids: usize, count: u32): i32 {
  return replaceText(s, ids, count);
}

/** Temperature 0 is greedy; top-k 0, top-p 1, min-p 0 and penalty 1 are off. Every other option is off behind it. */
export function session_configure(
  s: Session, temperature: f32, topK: u32, topP: f32, minP: f32, repeatPenalty: f32,
): i32 {
  return configure(s.core, s.sampler, temperature, topK, topP, minP, repeatPenalty);
}

/** Sets one more option of the sampler, by its number (`SamplerOption`). */
export function session_set_option(s: Session, option: u32, value: f32): i32 {
  return setOption(s.core, s.sampler, option, value);
}

/** Adds to a token's logit: −Infinity bans the token; where some get +Infinity, no others can come. */
export function session_add_bias(s: Session, token: u32, bias: f32): i32 {
  return addBias(s.core, s.sampler, s.context.program.vocabulary, token, bias);
}

/** Ends repetitions, as DRY counts them, at tokens whose text holds this one. */
export function session_add_breaker(s: Session, text: usize, length: u32): i32 {
  return addBreaker(s.core, s.sampler, changetype<Tokenizer>(s.tokenizer), text, length);
}

/** Starts the sampler's generator from a seed. */
export function session_seed(s: Session, value: u64): void {
  seed(s.sampler, value);
}

/**
 * Has answers obey a grammar: a table that `limpet grammar` or limpet/grammar writes, verified and copied here; length
 * 0: none. The penalty for repetition had better be 1: it breaks JSON.
 */
export function session_set_grammar(s: Session, table: usize, length: u32): i32 {
  return setGrammar(s, table, length);
}

/** Ends generation where the answer has this text, which is not shown. */
export function session_add_stop(s: Session, text: usize, length: u32): i32 {
  return addStop(s, text, length);
}

/** Forgets all stop strings. */
export function session_clear_stops(s: Session): void {
  s.stopsLength = 0;
}

/**
 * Begins to generate at most `maxTokens`. `logprobs` 1 reports the token's log probability, `top` that of the best
 * tokens.
 */
export function session_begin(s: Session, maxTokens: u32, logprobs: u32, top: u32): i32 {
  return beginGeneration(s, maxTokens, logprobs, top);
}

/**
 * Closes what a model writes between `<think>` and `</think>` after so many tokens, from the next generation on;
 * 0xffffffff: never.
 */
export function session_limit_reasoning(s: Session, budget: u32): i32 {
  return limitReasoning(s, budget);
}

/** 1: from the next token on, a step stops in front of each draw and answers 4; 0: not. */
export function session_want_logits(s: Session, wanted: u32): void {
  s.wantsLogits = wanted ? 1 : 0;
}

/**
 * f32[vocabulary] after a step that answers 4: a copy of the logits, of which the next step draws. A host may change
 * them in place; log probabilities stay those of the model.
 */
export function session_logits(s: Session): usize {
  return changedLogits(s.scratch, s.context.program.vocabulary);
}

/**
 * 1 more (nothing to show yet), 3 a token (and maybe text), 4 logits to look at, 0 done, 2 data needed, below 0 an
 * error.
 */
export function session_step(s: Session): i32 {
  return stepGeneration(s);
}

/**
 * Steps the generations of u32[count] sessions over different sequences of one context together: 1 more, 2 data needed,
 * 3 some have come to something, and `session_status` of each says to what. Below 0: an error that ends them all. A
 * session that answered 4 is stepped before any other of its context begins a pass.
 */
export function session_step_all(core: Core, sessions: usize, count: u32): i32 {
  return stepSessions(core, sessions, count);
}

/** What the last step of the session came to, as `session_step` answers it; 1: nothing yet. */
export function session_status(s: Session): i32 {
  return s.status;
}

/**
 * Begins a generation where another one of the context is that has answered 4: with its tokens, its rows, which are
 * shared, and the logits of the draw; sampler, stop strings and grammar, from its beginning, are the session's own.
 */
export function session_fork(s: Session, from: Session): i32 {
  return forkGeneration(s, from);
}

/**
 * Makes the session's tokens the first `count` of another one of its context: their rows are shared, as far as they are
 * evaluated. What was there before is forgotten. WRONG_STATE while the context is in a pass.
 */
export function session_share(s: Session, from: Session, count: u32): i32 {
  return shareBeginning(s, from, count);
}

/** Holds at most so many tokens from now on, fewer than the context does. */
export function session_limit(s: Session, capacity: u32): i32 {
  return limitSession(s, capacity);
}

/**
 * Goes on with the generation of another session of the model, which has the same tokens (session_restore) and was
 * stopped between two of them: for who moves to a larger context.
 */
export function session_continue(s: Session, from: Session): i32 {
  return continueGeneration(s, from);
}

/**
 * Has each pass evaluate tokens that may follow, `most` of them (0 to 15), so that one pass may give several tokens,
 * the same ones as without. `lookUp` 1: they are looked up in the tokens so far; 0: those of `session_draft`. There are
 * no more of them than the context has rows of logits beside one a session.
 */
export function session_speculate(s: Session, lookUp: u32, most: u32): i32 {
  return speculate(s, lookUp, most);
}

/** u32[count] of tokens that may follow those of the session: drafts of its next pass. */
export function session_draft(s: Session, ids: usize, count: u32): i32 {
  return giveDrafts(s, ids, count);
}

/**
 * u32[4] of the generation: drafts that passes had, those of them that came true, passes for which there was a draft,
 * and those whose first one was right, or would have been.
 */
export function session_speculation(s: Session): usize {
  return changetype<usize>(s.speculation) + offsetof<Speculation>("drafted");
}

/** Ends the generation before its time; what was evaluated stays. */
export function session_stop(s: Session): void {
  stopGeneration(s);
}

/** The token of the last step. */
export function session_token(s: Session): u32 {
  return s.token;
}

/** The text that the last step made ready: whole UTF-8 characters, never the beginning of a stop string. */
export function session_text(s: Session): usize {
  return s.text;
}

/** The length of that text [bytes]. */
export function session_text_length(s: Session): u32 {
  return s.ready;
}

/** 0 not yet, 1 an end token, 2 the length asked for, 3 a stop string, 4 the context is full. */
export function session_finish(s: Session): u32 {
  return s.finish;
}

/** Which stop string, in the order in which they were added, has ended the answer; of use where session_finish is 3. */
export function session_stop_index(s: Session): u32 {
  return s.stopIndex;
}

/** The log probability of the last step's token, when session_begin asked for it. */
export function session_logprob(s: Session): f32 {
  return s.logprob;
}

/** u32[top]: the best tokens of the last step, best first. */
export function session_top_ids(s: Session): usize {
  return s.topIds;
}

/** f32[top]: the log probabilities of these. */
export function session_top_logprobs(s: Session): usize {
  return s.topLogprobs;
}

/** The bytes that session_save writes. */
export function session_save_bytes(s: Session): u64 {
  return savedBytes(s);
}

/** Writes the session to `target`: its tokens, sampler and rows of state. */
export function session_save(s: Session, target: usize): i32 {
  return saveSession(s, target);
}

/** Makes the session what was saved, of the same model and cache type. On an error it is as it was. */
export function session_restore(s: Session, source: usize, length: u32): i32 {
  return restoreSession(s, source, length);
}
