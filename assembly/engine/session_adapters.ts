/**
 * Adapters of a session: a set is changed between two passes, a generation between two tokens. Rows that other adapters
 * have made are made anew, unless they are to be kept.
 */
import { areEqual, firstUse, placeAdapters, readSet, take } from "./adapters";
import { hasNeurons, withAdapters } from "./neurons";
import { Session, dropComposition, owns, unread } from "./session";
import { ErrorCode, fail } from "../memory/core";

/** The session's tokens use these from now on. With `keepRows` what another set has made of them stays. */
export function setOfSession(s: Session, adapters: usize, weights: usize, count: u32, keepRows: bool): i32 {
  const c = s.context;
  if (owns(s)) return fail(s.core, ErrorCode.WRONG_STATE, "adapters are changed between passes: end this one first");
  if (count != 0 && hasNeurons(c)) return withAdapters(s.core);
  const status = readSet(c, adapters, weights, count);
  if (status != 0 || c.adapterSets == 0) return status;
  const set = c.adapterSet(s.sequence);
  const next = c.adapterSet(c.sequences);
  const isEqual = areEqual(set, next);
  if (!isEqual) dropComposition(s);
  if (isEqual && (keepRows || !set.isMixed)) return 0;
  const stale = set.isMixed ? 0 : min(firstUse(set), firstUse(next));
  const isMixed: u32 = keepRows && s.evaluated > 0 ? 1 : 0;
  if (!keepRows && stale < <i32>s.evaluated) {
    if (s.generating) {
      return fail(
        s.core, ErrorCode.WRONG_STATE, "a generation keeps its adapters, unless the rows of others are to be kept",
      );
    }
    unread(s, <u32>stale);
  }
  // Where an aLoRA begins stands fast until the next generation looks for it.
  for (let i: u32 = 0; isEqual && i < next.count; i++) next.member(i).from = set.member(i).from;
  take(c, s.sequence);
  set.isMixed = isMixed;
  if (s.generating) placeAdapters(c, s.sequence, s.tokens, s.count);
  return 0;
}
