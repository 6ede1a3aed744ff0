/**
 * The steps of generations: what the sessions of a context want next becomes one ragged pass, then each whose tokens
 * are all evaluated draws one. A session by itself is a group of one.
 *
 *     serve   who waits for no pass: draws from the logits of the last one, or ends
 *     pass    one token of each that decodes, with its drafts (speculation.ts), and of the prompts as much as the batch
 *             has room for, in equal shares
 *
 * A session's bits do not depend on who else is in its passes. Where they would, with latent attention, whose form
 * depends on the chunk (ops/latent_form.ts), a prompt's chunk has a pass of its own, and who waited longest has the
 * turn.
 */
import { u32At } from "../memory/bytes";
import { Core, ErrorCode, Status, fail } from "../memory/core";
import { logSumExp } from "../kernels/float/softmax";
import { HAS_SAMPLERS } from "../parts";
import { beginPass, putToken } from "../pass/batch";
import { Context, Form } from "../pass/context";
import { stepPass } from "../run/run";
import { StateKind } from "../state/shape";
import { Tokenizer, endsGeneration, suppressTokens } from "../text/tokenizer";
import { forcedToken } from "./reasoning";
import { draw, takeForced, takeGiven } from "./constrained";
import { beginScores, endScores, makeRoomBy, roomBy } from "./cache_policy";
import { isThrough } from "./constraint";
import { changedLogits } from "./sampler";
import { Draw, Finish, Session, dropDrafts, isSession, leaveLast, owns, stopGeneration, tokenAt } from "./session";
import { useNeurons } from "./neurons";
import { forgetShown, lastText, pushText } from "./session_text";
import { findDrafts, isDraft } from "./speculation";

/** A step of a session that made a token. */
export const STATUS_TOKEN: i32 = 3;
/** A step of a session that stops in front of a draw, so that the host may change the logits. */
export const STATUS_LOGITS: i32 = 4;

/**
 * The next slice of a session: MORE (nothing to show yet), a token, logits to look at, NEED_DATA, DONE, or an error.
 */
export function stepGeneration(s: Session): i32 {
  if (!s.generating) return fail(s.core, ErrorCode.WRONG_STATE, "no generation has begun");
  const status = stepAll(changetype<usize>(s) + offsetof<Session>("itself"), 1);
  return status == STATUS_TOKEN ? s.status : status;
}

/**
 * The next slice of the generations of u32[count] sessions of one context: MORE, NEED_DATA, or STATUS_TOKEN when some
 * have come to something: `status` of each says to what, MORE to nothing. Below zero: an error that ends them all.
 */
export function stepSessions(core: Core, list: usize, count: u32): i32 {
  if (!HAS_SAMPLERS) return fail(core, ErrorCode.UNSUPPORTED, "this build steps sessions one by one; take limpet.wasm");
  if (count == 0) return fail(core, ErrorCode.BAD_ARGUMENT, "there is no session to step");
  for (let i: u32 = 0; i < count; i++) {
    const s = sessionAt(list, i);
    // A list of handles is read from memory: what is none may lie anywhere.
    const isInMemory = <u64>changetype<usize>(s) + offsetof<Session>() <= (<u64>memory.size()) << 16;
    if (!isInMemory || !isSession(s)) return fail(core, ErrorCode.BAD_ARGUMENT, "that handle is not a session");
    if (!s.generating) return fail(core, ErrorCode.WRONG_STATE, "no generation has begun");
    for (let j: u32 = 0; j < i; j++) {
      if (sessionAt(list, j).context == s.context && sessionAt(list, j).sequence != s.sequence) continue;
      return fail(
        core, ErrorCode.BAD_ARGUMENT, "sessions that are stepped together are of different sequences of one context",
      );
    }
  }
  return stepAll(list, count);
}

@inline
function sessionAt(list: usize, index: u32): Session {
  return changetype<Session>(<usize>u32At(list, index));
}

function stepAll(list: usize, count: u32): i32 {
  for (let i: u32 = 0; i < count; i++) {
    sessionAt(list, i).status = Status.MORE;
    forgetShown(sessionAt(list, i));
  }
  if (serve(list, count)) return STATUS_TOKEN;
  let owner = ownerOf(list, count);
  let status: i32 = 0;
  if (changetype<usize>(owner) == 0) {
    // Who has a policy has the context for itself.
    if (HAS_SAMPLERS) status = makeRoomBy(sessionAt(list, 0).policy, sessionAt(list, 0).evaluated);
    if (HAS_SAMPLERS && status == Status.MORE) return status;
    if (status == 0) status = beginShared(list, count, true);
    // Without room for the drafts there may be some for the tokens.
    if (status == ErrorCode.CONTEXT_FULL) status = beginShared(list, count, false);
    owner = ownerOf(list, count);
  }
  if (status == 0) status = stepPass(sessionAt(list, 0).context);
  if (status < 0) {
    for (let i: u32 = 0; i < count; i++) stopGeneration(sessionAt(list, i));
    return status;
  }
  if (status != Status.DONE) return status;
  let s = owner;
  do {
    if (isReading(s)) s.isSourceRead = 1;
    else s.evaluated += s.inFlight;
    endScores(s.policy, s.evaluated);
    s.inFlight = 0;
    s.speculation.ahead = s.speculation.offered;
    s.speculation.drafted += s.speculation.offered;
    if (s.evaluated == s.count) s.draw = Draw.PASS;
    s = s.next;
  } while (s != owner);
  return serve(list, count) ? STATUS_TOKEN : Status.MORE;
}

/** A session that is in the pass that the context is in; null: none of these. */
function ownerOf(list: usize, count: u32): Session {
  for (let i: u32 = 0; i < count; i++) if (owns(sessionAt(list, i))) return sessionAt(list, i);
  return changetype<Session>(0);
}

/**
 * Lets who waits for no pass draw or end; whether there was any. Behind one that fails the others wait for the next
 * step, so that its words can be read.
 */
function serve(list: usize, count: u32): bool {
  let any = false;
  for (let i: u32 = 0; i < count; i++) {
    const s = sessionAt(list, i);
    // Logits that another pass has written over are made once more.
    if (s.draw == Draw.PASS && s.context.passes != s.pass) {
      s.draw = Draw.NONE;
      leaveLast(s);
    }
    if (s.draw != Draw.SHOWN && s.finish == Finish.NONE && isThrough(s.constraint)) endDraws(s, Finish.STOP);
    const forced = mayForce(s)
      ? takeForced(s.core, s.constraint, changetype<Tokenizer>(s.tokenizer), s.tokens, s.count)
      : -1;
    if (forced < 0 && s.draw == Draw.NONE && s.finish == Finish.NONE && s.remaining > 0) continue;
    any = true;
    if (forced >= 0) {
      s.draw = Draw.NONE;
      s.status = addToAnswer(s, <u32>forced);
    } else if (s.draw == Draw.NONE) s.status = finishGeneration(s);
    else if (s.draw == Draw.PASS) s.status = beginDraw(s);
    else s.status = takeToken(s, changedLogits(s.scratch, s.context.program.vocabulary));
    if (s.status < 0) break;
  }
  return any;
}

/** No token of the session is drawn any more. */
function endDraws(s: Session, finish: u32): void {
  s.finish = finish;
  s.draw = Draw.NONE;
  dropDrafts(s);
}

/**
 * Whether the session waits for a pass that has not begun, or for a draw that a draft has spared one, and nobody wants
 * to see what its tokens are drawn from.
 */
function mayForce(s: Session): bool {
  if (s.draw == Draw.SHOWN || s.finish != Finish.NONE || s.remaining == 0 || s.inFlight != 0) return false;
  return !s.wantsLogits && !s.wantLogprobs && forcedToken(s.reasoning) < 0;
}

@inline
function left(s: Session): u32 {
  return s.count - s.evaluated;
}

/** Begins the next pass of these sessions, with drafts behind the tokens of those that decode if there is room. */
function beginShared(list: usize, count: u32, withDrafts: bool): i32 {
  for (let i: u32 = 0; i < count; i++) if (isReading(sessionAt(list, i))) return beginSource(sessionAt(list, i));
  const c = sessionAt(list, 0).context;
  if (c.running) {
    return fail(c.core, ErrorCode.WRONG_STATE, "another session of this context is in the middle of a pass");
  }
  let longest = sessionAt(list, 0);
  for (let i: u32 = 1; i < count; i++) if (sessionAt(list, i).pass < longest.pass) longest = sessionAt(list, i);
  const apart = chunksMatter(c);
  let tokens: u32 = 0;
  let rows: u32 = 0;
  let last = changetype<Session>(0);
  let first = last;
  let prompts: u32 = 0;
  let decoding: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    sessionAt(list, i).speculation.offered = 0;
    if (left(sessionAt(list, i)) > 1) prompts += 1;
    else decoding += left(sessionAt(list, i));
  }
  // Rows that are left for drafts when each session has its own, and those that share them.
  const most = min(c.logitCapacity, c.batchCapacity);
  let spare = HAS_SAMPLERS && withDrafts && most > count ? most - count : 0;
  // Those that decode first, each of which wants but one token.
  for (let turn = 0; turn < 2; turn++) {
    const decodes = turn == 0;
    for (let i: u32 = 0; i < count; i++) {
      const s = sessionAt(list, i);
      if (left(s) == 0 || (left(s) == 1) != decodes) continue;
      if (apart && (left(longest) > 1 ? s != longest : !decodes)) continue;
      const room = min(c.batchCapacity - tokens, roomBy(s.policy));
      const share = decodes || apart ? room : room < prompts ? min<u32>(room, 1) : room / prompts;
      if (!decodes) prompts -= 1;
      let more = min(left(s), share);
      if (more == left(s) && rows == c.logitCapacity) more -= 1;
      if (more == 0) continue;
      s.logitRow = rows;
      for (let j: u32 = 0; j < more; j++) {
        const index = s.evaluated + j;
        putToken(c, tokens + j, tokenAt(s, index), s.sequence, <i32>index, index + 1 == s.count);
      }
      if (more == left(s)) rows += 1;
      tokens += more;
      if (decodes) {
        const each = spare / max<u32>(decoding, 1);
        const drafts = putDrafts(s, tokens, HAS_SAMPLERS ? min(each, roomBy(s.policy) - more) : each);
        spare -= drafts;
        decoding -= 1;
        rows += drafts;
        tokens += drafts;
      }
      s.inFlight = more;
      s.next = last;
      if (changetype<usize>(last) == 0) first = s;
      last = s;
    }
  }
  if (tokens != 0) first.next = last;
  const status = beginPass(c, tokens, 0, c.program.layerCount);
  if (status == 0) useNeurons(c);
  for (let s = last; status == 0; s = s.next) {
    s.pass = c.passes;
    beginScores(s.policy, s.evaluated, s.inFlight);
    if (s == first) break;
  }
  return status;
}

/** Writes the session's drafts, no more than `room`, behind its last token, which is number `at` − 1 of the batch. */
function putDrafts(s: Session, at: u32, room: u32): u32 {
  if (!HAS_SAMPLERS || room == 0) return 0;
  const sp = s.speculation;
  if (sp.most == 0 && !sp.looksUp) return 0;
  const found = findDrafts(sp, s.tokens, s.count);
  // The last token that is asked for, or that the session holds, has no row to be drawn from.
  const drafts = min(min(found, room), min(s.remaining - 1, s.capacity - s.count));
  for (let i: u32 = 0; i < drafts; i++) {
    putToken(s.context, at + i, u32At(sp.drafts, i), s.sequence, <i32>(s.count + i), true);
  }
  sp.offered = drafts;
  return drafts;
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
    s.next = s;
  }
  return status;
}

/** Whether the session has to read its source before anything else. */
@inline
function isReading(s: Session): bool {
  return s.sourceCount != 0 && !s.isSourceRead;
}

/** Whether a chunk's bits depend on what else is in its pass: where latent attention may take either form. */
function chunksMatter(c: Context): bool {
  if (c.form == Form.ABSORBED) return false;
  for (let i: u32 = 0; i < c.program.stateCount; i++) if (c.program.state(i).kind == StateKind.LATENT) return true;
  return false;
}

/** The logits that the last pass made for the session, f32[vocabulary]. */
@inline
function logitsOf(s: Session): usize {
  return s.context.at(s.context.program.logits) + ((<usize>s.logitRow * s.context.program.vocabulary) << 2);
}

/** Draws from the pass's logits, or shows the host a copy of them. */
function beginDraw(s: Session): i32 {
  const logits = logitsOf(s);
  suppressTokens(changetype<Tokenizer>(s.tokenizer), logits);
  if (!s.wantsLogits) return takeToken(s, logits);
  const vocabulary = s.context.program.vocabulary;
  memory.copy(changedLogits(s.scratch, vocabulary), logits, (<usize>vocabulary) << 2);
  s.draw = Draw.SHOWN;
  return STATUS_LOGITS;
}

/** Draws the next token from `logits`: the pass's, or what the host has made of them. */
function takeToken(s: Session, logits: usize): i32 {
  s.draw = Draw.NONE;
  const vocabulary = s.context.program.vocabulary;
  const tokenizer = changetype<Tokenizer>(s.tokenizer);
  let token = forcedToken(s.reasoning);
  if (token >= 0) takeGiven(s.constraint, tokenizer, <u32>token);
  else token = draw(s.core, s.constraint, tokenizer, s.sampler, logits, vocabulary, s.scratch, s.tokens, s.count);
  if (token < 0) return giveUp(s, token);
  s.token = <u32>token;
  // Log probabilities are the model's own, whatever the sampler and the host have made of them.
  if (s.wantLogprobs) rank(s, logitsOf(s), vocabulary);
  return addToAnswer(s, <u32>token);
}

/** Appends a token and its text, and looks whether the answer ends with it. */
function addToAnswer(s: Session, token: u32): i32 {
  const tokenizer = changetype<Tokenizer>(s.tokenizer);
  s.token = token;
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
    if (s.finish == Finish.NONE && s.remaining == 0 && !isThrough(s.constraint)) s.finish = Finish.LENGTH;
  }
  // Where the grammar lets nothing follow, the answer is whole: its end is told with the next step.
  const ends = s.finish != Finish.NONE || isThrough(s.constraint);
  const isEvaluated = HAS_SAMPLERS && isDraft(s.speculation, token);
  if (isEvaluated) {
    s.evaluated += 1;
    s.logitRow += 1;
    if (!ends) s.draw = Draw.PASS;
  }
  if (ends || !isEvaluated) dropDrafts(s);
  const status = ends ? lastText(s) : 0;
  return status < 0 ? giveUp(s, status) : STATUS_TOKEN;
}

/** One session cannot go on; the others of its context can. */
function giveUp(s: Session, status: i32): i32 {
  stopGeneration(s);
  return status;
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

function finishGeneration(s: Session): i32 {
  if (s.finish == Finish.NONE) s.finish = Finish.LENGTH;
  s.generating = 0;
  return Status.DONE;
}
