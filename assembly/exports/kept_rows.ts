/**
 * The exports of sessions that keep fewer rows than they have tokens (engine/cache_policy.ts): thin functions on
 * handles, with the conventions of exports/model.ts.
 */
import { listLength } from "../pass/batch";
import { BATCH_LIMIT, mostHeld } from "../pass/context";
import { contextBytes } from "../run/open";
import { policyBytes } from "../engine/cache_policy";
import { Model, ModelState, isModel } from "../engine/model";
import { openKept } from "../engine/open";
import { Session, setPolicy } from "../engine/session";
import { Core, ErrorCode, fail } from "../memory/core";

/**
 * The bytes that a context of one sequence of `tokens` tokens takes, each layer of which keeps `rows` at most
 * (`shared` 1: on average), and `scored` 1 those of the policy of its session besides; 0 while the model's sizes are
 * not known.
 */
export function context_kept_bytes(
  model: Model, tokens: u32, rows: u32, batch: u32, logitRows: u32, kvType: u32, scored: u32, shared: u32,
): u64 {
  if (!isModel(model) || !model.hasProgram) return 0;
  if (model.state < ModelState.PLANNED || model.state > ModelState.READY) return 0;
  if (rows < 1 || rows > tokens || batch < 1 || batch > BATCH_LIMIT || logitRows > batch) return 0;
  const most = mostHeld(tokens, rows, shared != 0);
  const context = contextBytes(model.program, tokens, batch, logitRows, 1, kvType, false, rows, shared != 0);
  return context + policyBytes(model.program, tokens, most, batch, logitRows, scored != 0);
}

/**
 * As `context_create`, of one sequence of `tokens` tokens: layers that see all of them keep `rows` at most
 * (`shared` 1: on average), which the policy of a session chooses (`session_set_policy`). Others have their windows.
 */
export function context_create_kept(
  core: Core, model: Model, tokens: u32, rows: u32, batch: u32, logitRows: u32, kvType: u32, shared: u32,
): usize {
  if (isModel(model)) {
    return changetype<usize>(openKept(core, model, tokens, rows, batch, logitRows, kvType, shared != 0));
  }
  fail(core, ErrorCode.BAD_ARGUMENT, "that handle is not a model");
  return 0;
}

/**
 * An empty session chooses the rows that its layers keep, from now on. `scored` 1: those that were attended to most,
 * and of the kept ones the share `recent` are the last; 0: the last ones. The first `sinks` stay. A layer that is full
 * lets `every` rows go at once, which `merge` and `beta` make of others as `sequence_evict` does. Where layers share
 * rows, those that attend evenly keep more than others, from the first time on that some go.
 */
export function session_set_policy(
  s: Session, scored: u32, recent: f32, sinks: u32, merge: u32, every: u32, beta: f32,
): i32 {
  return setPolicy(s, scored != 0, recent, sinks, merge, every, beta);
}

/** Rows that a layer has of the session now; 0 where it keeps none of its own. */
export function session_rows(s: Session, layer: u32): u32 {
  return layer < s.context.program.layerCount ? listLength(s.context, s.sequence, layer) : 0;
}
