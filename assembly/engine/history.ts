/**
 * A conversation that goes on: its text is compared with the session's, part by part, and where both say the same the
 * session's own tokens stay. A model may spell a word by other tokens than a tokenizer does: they are what it has read
 * and written, and their rows are there.
 *
 *     session    │ a b c │ d ef    │ END │            a control token is a part by itself, and so is what lies between
 *     text       │ a b c │ de f    │ END │ g h        two places at which tokens of both end
 *     becomes    │ a b c   d ef      END   g h
 */
import { u32At } from "../memory/bytes";
import { ErrorCode, fail } from "../memory/core";
import { HAS_SAMPLERS } from "../parts";
import { tokenBytes } from "../text/detokenize";
import { TokenType, Tokenizer, typeOf } from "../text/tokenizer";
import { shareAdapters } from "./adapters";
import { checkSequence, rewindable, shareAll } from "./sequence";
import { Session, appendTokens, checkTokens, forget, replaceTokens, rewind, shiftSession, tokenAt } from "./session";

/** Makes the session's text that of u32[count] tokens; those of its own that spell the same stay. */
export function replaceText(s: Session, ids: usize, count: u32): i32 {
  const status = checkTokens(s, ids, count);
  if (status != 0) return status;
  const t = changetype<Tokenizer>(s.tokenizer);
  const room = s.context.program.vocabulary << 2;
  const mine = s.scratch;
  const theirs = s.scratch + room;
  // How far both say the same: at least as far as they are the same tokens.
  let kept: u32 = 0;
  let skipped: u32 = 0;
  let own: u32 = 0;
  let other: u32 = 0;
  // What is left of a token of each side, where the other's has ended within it.
  let ownFrom: u32 = 0;
  let ownEnd: u32 = 0;
  let otherFrom: u32 = 0;
  let otherEnd: u32 = 0;
  while (true) {
    if (ownFrom == ownEnd && otherFrom == otherEnd) {
      kept = own;
      skipped = other;
      if (own == s.count || other == count) break;
      const token = tokenAt(s, own);
      if (token == u32At(ids, other)) {
        own += 1;
        other += 1;
        continue;
      }
    }
    if (ownFrom == ownEnd) {
      if (own == s.count || isControl(t, tokenAt(s, own))) break;
      const length = tokenBytes(t, tokenAt(s, own), true, mine, room);
      if (length < 0 || <u32>length > room) break;
      own += 1;
      ownFrom = 0;
      ownEnd = length;
    }
    if (otherFrom == otherEnd) {
      if (other == count || isControl(t, u32At(ids, other))) break;
      const length = tokenBytes(t, u32At(ids, other), true, theirs, room);
      if (length < 0 || <u32>length > room) break;
      other += 1;
      otherFrom = 0;
      otherEnd = length;
    }
    const both = min(ownEnd - ownFrom, otherEnd - otherFrom);
    if (memory.compare(mine + ownFrom, theirs + otherFrom, both) != 0) break;
    ownFrom += both;
    otherFrom += both;
  }
  if (kept + (count - skipped) > s.capacity) return replaceTokens(s, ids, count);
  rewind(s, kept);
  return appendTokens(s, ids + ((<usize>skipped) << 2), count - skipped);
}

@inline
function isControl(t: Tokenizer, token: u32): bool {
  return typeOf(t, token) == TokenType.CONTROL;
}

/** Tokens that say whether two places of a conversation are the same one. */
const ALIKE: u32 = 16;

/**
 * Where the session's tokens go on behind a gap as u32[count] do, the gap is forgotten, and what stands behind it moves
 * up with its rows: turns of a conversation that is told without them. Gives the length of the gap.
 */
export function closeGap(s: Session, ids: usize, count: u32): i32 {
  if (!HAS_SAMPLERS) return 0;
  let common: u32 = 0;
  const most = min(count, s.count);
  while (common < most && tokenAt(s, common) == u32At(ids, common)) common += 1;
  const length = min(ALIKE, count - common);
  if (length == 0) return 0;
  for (let at = common + 1; at + length <= s.count; at++) {
    const here = s.tokens + ((<usize>at) << 2);
    if (memory.compare(here, ids + ((<usize>common) << 2), (<usize>length) << 2) != 0) continue;
    const status = shiftSession(s, common, at - common);
    return status < 0 ? status : <i32>(at - common);
  }
  return 0;
}

/**
 * Makes the session's tokens the first `count` of another one of the context, with their rows, which both share: as
 * many as are evaluated there, and up to a mark where there are recurrent states.
 */
export function shareBeginning(s: Session, from: Session, count: u32): i32 {
  if (!HAS_SAMPLERS) return fail(s.core, ErrorCode.UNSUPPORTED, "this build shares no rows; take limpet.wasm");
  const c = s.context;
  if (c != from.context || s.sequence == from.sequence || count > from.count || count > s.capacity) {
    return fail(
      s.core, ErrorCode.BAD_ARGUMENT, "a session shares what another one of its context begins with: {} tokens, not {}",
      from.count, count,
    );
  }
  if (c.program.decoderLayer != 0) {
    return fail(s.core, ErrorCode.UNSUPPORTED, "an answer to a source has no beginning that others share");
  }
  let status = checkSequence(c, s.sequence);
  if (status != 0) return status;
  forget(s);
  const rows = rewindable(c, from.sequence, min(count, from.evaluated));
  status = shareAll(c, from.sequence, s.sequence, 0, <i32>rows);
  if (status != 0) return status;
  shareAdapters(c, from.sequence, s.sequence);
  memory.copy(s.tokens, from.tokens, (<usize>count) << 2);
  s.count = count;
  s.evaluated = rows;
  if (HAS_SAMPLERS && rows > from.exact) s.exact = from.exact;
  return 0;
}
