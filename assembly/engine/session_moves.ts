/**
 * Generations that go on in another session: one that holds more tokens, or one of another sequence.
 */
import { shareAdapters } from "./adapters";
import { Constraint, releaseConstraint, restartConstraint } from "./constraint";
import { REASONING_BYTES } from "./reasoning";
import { changedLogits } from "./sampler";
import { moveSampler } from "./sampler_options";
import { checkSequence, shareAll } from "./sequence";
import { Draw, Session, TOP_LIMIT, dropDrafts, forget, leaveLast, stopWork } from "./session";
import { SPECULATION_BYTES } from "./speculation";
import { resize } from "../memory/arena";
import { ErrorCode, fail } from "../memory/core";
import { HAS_SAMPLERS } from "../parts";
import { POSITION_LIMIT } from "../pass/context";
import { Stream } from "../text/detokenize";

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
  const status = makeTextRoom(s, from.textCapacity);
  if (status != 0) return status;
  memory.copy(s.stops, from.stops, from.stopsLength);
  s.stopsLength = from.stopsLength;
  moveSampler(s.core, s.sampler, from.sampler);
  releaseConstraint(s.constraint);
  s.constraint = from.constraint;
  from.constraint = changetype<Constraint>(0);
  memory.copy(changetype<usize>(s.speculation), changetype<usize>(from.speculation), SPECULATION_BYTES);
  takeGeneration(s, from);
  return 0;
}

/**
 * Begins a generation where another one of the context is, in front of a draw that it shows: the tokens, their rows,
 * which are shared, and the logits are the same. The sampler, the stop strings and the grammar, which begins here, are
 * the session's own.
 */
export function forkGeneration(s: Session, from: Session): i32 {
  if (!HAS_SAMPLERS) return fail(s.core, ErrorCode.UNSUPPORTED, "this build forks no generation; take limpet.wasm");
  const c = s.context;
  if (c != from.context || s.sequence == from.sequence || s.capacity < from.count) {
    return fail(s.core, ErrorCode.BAD_ARGUMENT, "a generation is forked to another sequence of its context");
  }
  if (from.sourceCount != 0) {
    return fail(
      s.core, ErrorCode.UNSUPPORTED, "a generation from a source is not forked: set the source of each session",
    );
  }
  if (!from.generating || from.draw != Draw.SHOWN) {
    return fail(s.core, ErrorCode.WRONG_STATE, "a generation is forked while it shows the logits of a draw");
  }
  dropDrafts(from);
  let status = checkSequence(c, s.sequence);
  if (status == 0) status = makeTextRoom(s, from.textCapacity);
  if (status != 0) return status;
  forget(s);
  status = shareAll(c, from.sequence, s.sequence, 0, POSITION_LIMIT);
  if (status != 0) return status;
  shareAdapters(c, from.sequence, s.sequence);
  memory.copy(s.tokens, from.tokens, (<usize>from.count) << 2);
  s.count = from.count;
  s.evaluated = from.evaluated;
  s.exact = from.exact;
  takeGeneration(s, from);
  restartConstraint(s.constraint, s.count);
  const vocabulary = c.program.vocabulary;
  memory.copy(changedLogits(s.scratch, vocabulary), changedLogits(from.scratch, vocabulary), (<usize>vocabulary) << 2);
  s.draw = from.draw;
  s.pass = from.pass;
  s.logitRow = from.logitRow;
  return 0;
}

/** What is held back of the text, what was asked for, and how far it is. */
function takeGeneration(s: Session, from: Session): void {
  memory.copy(s.text, from.text, from.textLength);
  s.textLength = from.textLength;
  s.ready = from.ready;
  memory.copy(changetype<usize>(s.stream), changetype<usize>(from.stream), offsetof<Stream>());
  memory.copy(changetype<usize>(s.reasoning), changetype<usize>(from.reasoning), REASONING_BYTES);
  s.remaining = from.remaining;
  s.finish = from.finish;
  s.stopIndex = from.stopIndex;
  s.token = from.token;
  s.logprob = from.logprob;
  s.wantsLogits = from.wantsLogits;
  s.wantLogprobs = from.wantLogprobs;
  s.topCount = from.topCount;
  memory.copy(s.topIds, from.topIds, TOP_LIMIT * 8);
  s.generating = 1;
}

function makeTextRoom(s: Session, capacity: u32): i32 {
  if (capacity <= s.textCapacity) return 0;
  const moved = resize(s.core, s.text, capacity, "a session's text");
  if (moved == 0) return s.core.errorCode;
  s.text = moved;
  s.textCapacity = capacity;
  return 0;
}
