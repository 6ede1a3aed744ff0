/**
 * What a session's answers have to be: a place in a grammar, and which tokens may come there.
 */
import { allocateRaw, release } from "../memory/arena";
import { Core, ErrorCode, fail } from "../memory/core";
import { Matcher, createMatcher, isComplete, releaseMatcher, restart, tryBytes } from "../grammar/matcher";
import { HAS_GRAMMAR } from "../parts";
import { endsGeneration, Tokenizer, typeOf, TokenType } from "../text/tokenizer";
import { tokenBytes } from "../text/detokenize";
import { isPlainToken, makeAnswerTrie, markAnswerTokens } from "./answer_tokens";
import { FORCED_RECORD, Forced, beginForced } from "./forced";
import { idAt, logitAt, place } from "./sampler";
import { IMPOSSIBLE } from "./sampler_logits";

/** In a grammar a control token is this byte and its text: no text has it. */
const CONTROL_MARK: u8 = 0xff;
/** Bytes of one token that are tried; a longer one is refused. */
const TOKEN_BYTES: u32 = 512;
/** Beginnings of tokens beside the 256 bytes: none, and the end of the answer. */
const NOTHING: u16 = 256;
const ENDS: u16 = 257;
const BEGINNINGS: u32 = 258;
/** Beside a beginning: the token is in the trie of answers. */
const IN_TRIE: u16 = 0x8000;
/** A grammar that a session's answers obey, and what drawing works on. */
@unmanaged
export class Constraint {
  matcher: Matcher;
  /** A token's bytes. */
  bytes: usize;
  /** u8[BEGINNINGS]: which may come now. */
  begins: usize;
  /** u8[vocabulary]: the tokens of the trie that may follow; 0 until they are needed. */
  marks: usize;
  forced: Forced;
}

const RECORD: usize = (offsetof<Constraint>() + 15) & ~15;

/** A constraint by a table of src/grammar; 0 with the error set. */
export function createConstraint(core: Core, table: usize, length: u32): Constraint {
  const none = changetype<Constraint>(0);
  if (!HAS_GRAMMAR) {
    fail(core, ErrorCode.UNSUPPORTED, "this build of limpet has no grammars; take limpet.wasm, which has them");
    return none;
  }
  const c = changetype<Constraint>(
    allocateRaw(core, <u64>RECORD + FORCED_RECORD + TOKEN_BYTES + BEGINNINGS, "a grammar"),
  );
  if (changetype<usize>(c) == 0) return none;
  c.forced = changetype<Forced>(changetype<usize>(c) + RECORD);
  beginForced(c.forced, 0);
  c.bytes = changetype<usize>(c) + RECORD + FORCED_RECORD;
  c.begins = c.bytes + TOKEN_BYTES;
  c.marks = 0;
  c.matcher = createMatcher(core, table, length);
  if (changetype<usize>(c.matcher) != 0) return c;
  release(core, changetype<usize>(c));
  return none;
}

/** Gives a constraint back; 0 is none. */
export function releaseConstraint(c: Constraint): void {
  if (!HAS_GRAMMAR || changetype<usize>(c) == 0) return;
  const core = c.matcher.core;
  releaseMatcher(c.matcher);
  release(core, c.marks);
  release(core, changetype<usize>(c));
}

/** Goes back to the grammar's beginning, for an answer behind so many tokens; 0 is none. */
export function restartConstraint(c: Constraint, count: u32): void {
  if (!HAS_GRAMMAR || changetype<usize>(c) == 0) return;
  restart(c.matcher);
  beginForced(c.forced, count);
}

/** Whether the grammar lets nothing follow: then the model need not be asked for its end. */
export function isThrough(c: Constraint): bool {
  return HAS_GRAMMAR && changetype<usize>(c) != 0 && isComplete(c.matcher);
}

/** Whether a token may come next; one with bytes can be taken then. */
export function isAllowed(c: Constraint, t: Tokenizer, token: u32): bool {
  if (endsGeneration(t, token)) return c.matcher.settledEnds;
  const length = bytesOf(c, t, token);
  return length > 0 && tryBytes(c.matcher, c.bytes, length);
}

/** The bytes of a token that may be part of an answer, in `bytes`: how many; 0: it is none, or too long. */
function bytesOf(c: Constraint, t: Tokenizer, token: u32): u32 {
  if (token >= t.count) return 0;
  const type = typeOf(t, token);
  if (type == TokenType.UNKNOWN || type == TokenType.UNUSED) return 0;
  const mark: u32 = type == TokenType.CONTROL ? 1 : 0;
  const length = tokenBytes(t, <i32>token, mark != 0, c.bytes + mark, TOKEN_BYTES - mark);
  if (length <= 0 || <u32>length + mark > TOKEN_BYTES) return 0;
  if (mark != 0) store<u8>(c.bytes, CONTROL_MARK);
  else if (load<u8>(c.bytes) == CONTROL_MARK) return 0;
  return <u32>length + mark;
}

/**
 * Drops the candidates whose beginning may not come, and what is impossible anyway; gives how many are left, or
 * u32.MAX_VALUE with the error set.
 */
export function dropBeginnings(core: Core, c: Constraint, t: Tokenizer, candidates: usize, count: u32): u32 {
  if (t.beginnings == 0 && !findBeginnings(core, c, t)) return u32.MAX_VALUE;
  store<u8>(c.begins + NOTHING, 0);
  store<u8>(c.begins + ENDS, c.matcher.settledEnds ? 1 : 0);
  let kept: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const first = beginningOf(t, idAt(candidates, i)) & ~IN_TRIE;
    if (!load<u8>(c.begins + first) || logitAt(candidates, i) == IMPOSSIBLE) continue;
    store<u64>(place(candidates, kept), load<u64>(place(candidates, i)));
    kept += 1;
  }
  return kept;
}

@inline
function beginningOf(t: Tokenizer, token: u32): u16 {
  return token < t.count ? load<u16>(t.beginnings + ((<usize>token) << 1)) : NOTHING;
}

/** Finds what each token begins with, which stays with the tokenizer; false with the error set. */
function findBeginnings(core: Core, c: Constraint, t: Tokenizer): bool {
  const list = allocateRaw(core, (<u64>t.count) << 1, "a grammar");
  if (list == 0) return false;
  for (let token: u32 = 0; token < t.count; token++) {
    let first = endsGeneration(t, token) ? ENDS : bytesOf(c, t, token) > 0 ? <u16>load<u8>(c.bytes) : NOTHING;
    if (isPlainToken(t, token)) first |= IN_TRIE;
    store<u16>(list + ((<usize>token) << 1), first);
  }
  t.beginnings = list;
  return true;
}

/** Marks which tokens of the trie of answers may follow: u8[count]; 0: there is no room, or no memory. */
export function marksOf(core: Core, c: Constraint, t: Tokenizer): usize {
  if (makeAnswerTrie(core, t) != 0) return 0;
  if (c.marks == 0) c.marks = allocateRaw(core, t.count, "a grammar");
  if (c.marks == 0) return 0;
  memory.fill(c.marks, 0, t.count);
  return markAnswerTokens(core, t, c.matcher, c.marks) ? c.marks : 0;
}

/** Whether a token is told by the marks. */
@inline
export function isInTrie(t: Tokenizer, token: u32): bool {
  return (beginningOf(t, token) & IN_TRIE) != 0;
}
