/**
 * The page of a model: its program, with the memory that a usual context of it takes.
 */
import { Model } from "./model";
import { isProgrammed } from "./open";
import { KvType } from "../kernels/attention/kv_codec";
import { stateBytes } from "../pass/context";
import { NOTHING } from "../program/program";
import { printProgram } from "../program/print";
import { contextBytes, planFor } from "../run/open";

/** Tokens of a context where nobody asks for a number: what hosts take, too. */
const USUAL_CONTEXT: u32 = 4096;

/** Writes at most `capacity` bytes of the page to `target`; returns how many it has. 0: see the error. */
export function writePage(model: Model, target: usize, capacity: u32): u32 {
  if (!isProgrammed(model.core, model)) return 0;
  const p = model.program;
  const rows = p.contextLength > 0 ? min(p.contextLength, USUAL_CONTEXT) : USUAL_CONTEXT;
  const batch = min(p.batch, rows);
  const isForTexts = p.logits == NOTHING;
  return printProgram(
    p, target, capacity, rows, batch, p.weights.bytes, stateBytes(p, rows, rows, batch, 1, KvType.F16),
    planFor(p, rows, batch, 1, isForTexts), contextBytes(p, rows, batch, 1, 1, KvType.F16, isForTexts),
  );
}
