/**
 * Contexts of a model: of its program, or of the tapped one when somebody asks for what a pass has beside its logits.
 */
import { Model, ModelState } from "./model";
import { Core, ErrorCode, fail, wordsOf } from "../memory/core";
import { Context } from "../pass/context";
import { NOTHING, Pooling, Tap } from "../program/program";
import { tapProgram } from "../program/tapped";
import { createContext } from "../run/open";

/** A context of the model (run/open.ts). 0: see the error. */
export function openContext(
  core: Core, model: Model, rows: u32, batch: u32, logitRows: u32, sequences: u32, kvType: u32,
): Context {
  if (!isOpenable(core, model) || !hasLogits(core, model)) return changetype<Context>(0);
  return createContext(core, model.program, model.openContexts, rows, batch, logitRows, sequences, kvType);
}

/** The same of one sequence, each layer of which keeps `rows` tokens (`isShared`: on average). 0: see the error. */
export function openKept(
  core: Core, model: Model, tokens: u32, rows: u32, batch: u32, logitRows: u32, kvType: u32, isShared: bool,
): Context {
  if (!isOpenable(core, model) || !hasLogits(core, model)) return changetype<Context>(0);
  if (rows < 1 || rows > tokens) {
    fail(core, ErrorCode.BAD_ARGUMENT, "of {} tokens a layer keeps 1 to as many rows, not {}", tokens, rows);
    return changetype<Context>(0);
  }
  return createContext(
    core, model.program, model.openContexts, tokens, batch, logitRows, 1, kvType, false, rows, isShared,
  );
}

/**
 * A context for vectors of texts, whose rows are pooled by `pooling` (Pooling): that of the file, or another where it
 * has no classifier. 0: see the error.
 */
export function openForTexts(
  core: Core, model: Model, rows: u32, batch: u32, sequences: u32, kvType: u32, pooling: u32,
): Context {
  const none = changetype<Context>(0);
  if (!isOpenable(core, model)) return none;
  const p = model.program;
  if (p.decoderLayer) {
    fail(core, ErrorCode.UNSUPPORTED, "this model writes texts and makes no vectors: call generate");
    return none;
  }
  if (pooling >= Pooling.COUNT || (pooling == Pooling.RANK) != (p.pooling == Pooling.RANK)) {
    fail(
      core,
      ErrorCode.BAD_ARGUMENT,
      p.pooling == Pooling.RANK
        ? "this model ranks documents and makes no vectors: call rerank"
        : "this model makes vectors and ranks no documents: call embed, with the pooling none, mean, cls or last",
    );
    return none;
  }
  const c = createContext(core, p, model.openContexts, rows, batch, 1, sequences, kvType, true);
  if (changetype<usize>(c) != 0) c.pooling = pooling == Pooling.RANK ? p.ranked : pooling;
  return c;
}

/** Whether the model writes text: false with the error set. */
function hasLogits(core: Core, model: Model): bool {
  if (model.program.logits != NOTHING) return true;
  fail(
    core, ErrorCode.UNSUPPORTED, "this model makes vectors of texts and writes none: call {w}",
    wordsOf(model.program.pooling == Pooling.RANK ? "rerank" : "embed"),
  );
  return false;
}

/** The same, of the model's program with `taps` (a sum of 1 << Tap). 0: see the error. */
export function openTapped(
  core: Core, model: Model, rows: u32, batch: u32, logitRows: u32, sequences: u32, kvType: u32, taps: u32,
): Context {
  const none = changetype<Context>(0);
  if (!isOpenable(core, model) || !hasLogits(core, model)) return none;
  if (taps == 0 || taps >= 1 << Tap.COUNT) {
    fail(core, ErrorCode.BAD_ARGUMENT, "taps are a sum of 1 attention, 2 activity and 4 hidden states, not {}", taps);
    return none;
  }
  // One program has all taps: what nobody gives a place is not written.
  if (changetype<usize>(model.tapped) == 0) {
    const program = tapProgram(core, model.program, (1 << Tap.COUNT) - 1);
    if (!program) return none;
    model.tapped = program;
  }
  return createContext(core, model.tapped, model.openContexts, rows, batch, logitRows, sequences, kvType);
}

function isOpenable(core: Core, model: Model): bool {
  if (model.state != ModelState.READY) {
    fail(core, ErrorCode.WRONG_STATE, "the model is not loaded yet");
    return false;
  }
  return isProgrammed(core, model);
}

/** Whether a model has a program: false with the error set. */
export function isProgrammed(core: Core, model: Model): bool {
  if (model.hasProgram) return true;
  fail(core, ErrorCode.UNSUPPORTED, "this file holds a vocabulary alone, no weights: it can tokenize, not generate");
  return false;
}
