/**
 * Contexts of a model: of its program, or of the tapped one when somebody asks for what a pass has beside its logits.
 */
import { Model, ModelState } from "./model";
import { Core, ErrorCode, fail } from "../memory/core";
import { Context } from "../pass/context";
import { Tap } from "../program/program";
import { tapProgram } from "../program/tapped";
import { createContext } from "../run/open";

/** A context of the model (run/open.ts). 0: see the error. */
export function openContext(
  core: Core, model: Model, rows: u32, batch: u32, logitRows: u32, sequences: u32, kvType: u32,
): Context {
  if (!isOpenable(core, model)) return changetype<Context>(0);
  return createContext(core, model.program, model.openContexts, rows, batch, logitRows, sequences, kvType);
}

/** The same, of the model's program with `taps` (a sum of 1 << Tap). 0: see the error. */
export function openTapped(
  core: Core, model: Model, rows: u32, batch: u32, logitRows: u32, sequences: u32, kvType: u32, taps: u32,
): Context {
  const none = changetype<Context>(0);
  if (!isOpenable(core, model)) return none;
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
