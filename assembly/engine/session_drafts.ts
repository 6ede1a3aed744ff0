/** Drafts of a session: how many its passes have, and those that the host gives (speculation.ts). */
import { Session, checkTokens } from "./session";
import { DRAFT_LIMIT } from "./speculation";
import { ErrorCode, fail } from "../memory/core";
import { HAS_SAMPLERS } from "../parts";

/** Each pass has so many drafts at most: looked up in the tokens so far, or (`looksUp` 0) given by the host. */
export function speculate(s: Session, looksUp: u32, most: u32): i32 {
  if (!HAS_SAMPLERS) return fail(s.core, ErrorCode.UNSUPPORTED, "this build has no drafts; take limpet.wasm");
  if (most > DRAFT_LIMIT) {
    return fail(s.core, ErrorCode.BAD_ARGUMENT, "a pass has {} drafts at most, not {}", DRAFT_LIMIT, most);
  }
  s.speculation.looksUp = looksUp ? 1 : 0;
  s.speculation.most = most;
  return 0;
}

/** Drafts for the next pass: tokens that may follow those of the session. */
export function giveDrafts(s: Session, ids: usize, count: u32): i32 {
  if (!HAS_SAMPLERS) return fail(s.core, ErrorCode.UNSUPPORTED, "this build has no drafts; take limpet.wasm");
  if (count > DRAFT_LIMIT) {
    return fail(s.core, ErrorCode.BAD_ARGUMENT, "a pass has {} drafts at most, not {}", DRAFT_LIMIT, count);
  }
  const status = checkTokens(s, ids, count);
  if (status != 0) return status;
  const sp = s.speculation;
  if (sp.ahead != 0 || s.inFlight != 0) {
    return fail(s.core, ErrorCode.WRONG_STATE, "drafts are given between passes: {} of the last are left", sp.ahead);
  }
  memory.copy(sp.drafts, ids, (<usize>count) << 2);
  sp.count = count;
  sp.next = 0;
  return 0;
}
