/**
 * Draws a token that a grammar allows. What comes out is distributed as the sampler would draw from the allowed tokens
 * alone: the grammar stands in front of every other choice.
 *
 *     greedy, or no filters   draw from all, and draw again without a token that is refused: most are not
 *     min-p alone             the likeliest allowed token says how likely others must be: only those are tried
 *     other filters           all tokens are tried, since each may count
 */
import { allocateRaw, release } from "../memory/arena";
import { Core, ErrorCode, fail } from "../memory/core";
import {
  Matcher, createMatcher, isComplete, mayBegin, releaseMatcher, restart, settle, tryBytes,
} from "../grammar/matcher";
import { HAS_GRAMMAR, HAS_SAMPLERS } from "../parts";
import { endsGeneration, Tokenizer, typeOf, TokenType } from "../text/tokenizer";
import { tokenBytes } from "../text/detokenize";
import { log } from "../kernels/float/math";
import { argmax, changesLogits, sample } from "./sampler";
import { Sampler } from "./sampler_options";

/** Bytes of one token that are tried; a longer one is refused. */
const TOKEN_BYTES: u32 = 512;
const REFUSED: f32 = -f32.MAX_VALUE;
const RECORD: usize = 16;

/** A grammar that a session's answers obey, and what drawing works on: a copy of the logits, and a token's bytes. */
@unmanaged
export class Constraint {
  matcher: Matcher;
  logits: usize;
  bytes: usize;
}

/** A constraint by a table of src/grammar; 0 with the error set. */
export function createConstraint(core: Core, table: usize, length: u32, vocabulary: u32): Constraint {
  const none = changetype<Constraint>(0);
  if (!HAS_GRAMMAR) {
    fail(core, ErrorCode.UNSUPPORTED, "this build of limpet has no grammars; take limpet.wasm, which has them");
    return none;
  }
  const logits = (<usize>vocabulary * 4 + 15) & ~15;
  const c = changetype<Constraint>(allocateRaw(core, <u64>RECORD + logits + TOKEN_BYTES, "a grammar"));
  if (changetype<usize>(c) == 0) return none;
  c.logits = changetype<usize>(c) + RECORD;
  c.bytes = c.logits + logits;
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
  release(core, changetype<usize>(c));
}

/** Goes back to the grammar's beginning; 0 is none. */
export function restartConstraint(c: Constraint): void {
  if (HAS_GRAMMAR && changetype<usize>(c) != 0) restart(c.matcher);
}

/** Whether the grammar lets nothing follow: then the model need not be asked for its end. */
export function isThrough(c: Constraint): bool {
  return HAS_GRAMMAR && changetype<usize>(c) != 0 && isComplete(c.matcher);
}

/**
 * Draws a token that the constraint, if there is one, allows, and takes it; below zero: an error, such as that no token
 * of the vocabulary goes on with the grammar.
 */
export function draw(
  core: Core, c: Constraint, t: Tokenizer, s: Sampler, logits: usize, vocabulary: u32, scratch: usize, tokens: usize,
  count: u32,
): i32 {
  if (!HAS_GRAMMAR || changetype<usize>(c) == 0) return sample(core, s, t, logits, vocabulary, scratch, tokens, count);
  const m = c.matcher;
  const work = c.logits;
  const bytes = c.bytes;
  memory.copy(work, logits, (<usize>vocabulary) << 2);
  const filters = s.temperature != 0 && (s.minP > 0 || weighsAll(s));
  if (filters && weighsAll(s)) refuseAll(m, t, work, vocabulary, bytes);
  else if (filters && !refuseUnlikely(m, t, work, vocabulary, bytes, s.minP)) return noToken(core, m);
  // What is drawn is allowed, or is never drawn again.
  for (let tries: u32 = 0; tries <= vocabulary; tries++) {
    if (load<f32>(work + ((<usize>argmax(work, vocabulary)) << 2)) == REFUSED) break;
    const drawn = sample(core, s, t, work, vocabulary, scratch, tokens, count);
    if (drawn < 0) return drawn;
    const token = <u32>drawn;
    if (isAllowed(m, t, token, bytes)) {
      if (!endsGeneration(t, token)) settle(m);
      return <i32>token;
    }
    if (m.crowded) break;
    setLogit(work, token, REFUSED);
  }
  return noToken(core, m);
}

/**
 * Whether a filter or a change of the logits looks at more than the likeliest: what is refused must not count there.
 */
function weighsAll(s: Sampler): bool {
  if (s.topK != 0 || s.topP < 1 || changesLogits(s)) return true;
  if (!HAS_SAMPLERS) return false;
  return s.topNSigma > 0 || s.typicalP < 1 || s.xtcProbability > 0 || s.mirostat > 0 || s.dynamicRange > 0;
}

function noToken(core: Core, m: Matcher): i32 {
  if (m.crowded) return fail(core, ErrorCode.UNSUPPORTED, "the grammar has too many ways to go on at once");
  return fail(core, ErrorCode.UNSUPPORTED, "no token of the vocabulary goes on with the grammar");
}

/** Whether a token may come next; one with bytes can be taken by `settle` then. */
function isAllowed(m: Matcher, t: Tokenizer, token: u32, bytes: usize): bool {
  if (endsGeneration(t, token)) return m.settledEnds;
  const type = typeOf(t, token);
  if (type == TokenType.CONTROL || type == TokenType.UNKNOWN || type == TokenType.UNUSED) return false;
  const length = tokenBytes(t, <i32>token, false, bytes, TOKEN_BYTES);
  return length > 0 && <u32>length <= TOKEN_BYTES && tryBytes(m, bytes, <u32>length);
}

/** Makes every token impossible that the grammar refuses. */
function refuseAll(m: Matcher, t: Tokenizer, logits: usize, vocabulary: u32, bytes: usize): void {
  for (let i: u32 = 0; i < vocabulary; i++) if (!isLikely(m, t, i, bytes)) setLogit(logits, i, REFUSED);
}

/** As isAllowed; most tokens are told by their first byte. */
function isLikely(m: Matcher, t: Tokenizer, token: u32, bytes: usize): bool {
  if (endsGeneration(t, token)) return m.settledEnds;
  if (tokenBytes(t, <i32>token, false, bytes, TOKEN_BYTES) <= 0 || !mayBegin(m, load<u8>(bytes))) return false;
  return isAllowed(m, t, token, bytes);
}

/**
 * Makes every token impossible that is refused, or less likely than min-p wants of the likeliest that is allowed.
 * False: none is allowed.
 */
function refuseUnlikely(m: Matcher, t: Tokenizer, logits: usize, vocabulary: u32, bytes: usize, minP: f32): bool {
  let best = argmax(logits, vocabulary);
  for (let tries: u32 = 0; tries < vocabulary && !isAllowed(m, t, best, bytes); tries++) {
    setLogit(logits, best, REFUSED);
    best = argmax(logits, vocabulary);
  }
  const most = load<f32>(logits + ((<usize>best) << 2));
  if (!(most > REFUSED)) return false;
  // A little below, so that what the sampler lets through was tried.
  const least = <f64>most + log(<f64>minP) - 1e-3;
  for (let i: u32 = 0; i < vocabulary; i++) {
    const value = load<f32>(logits + ((<usize>i) << 2));
    if (i == best || value == REFUSED) continue;
    if (!(<f64>value >= least) || !isAllowed(m, t, i, bytes)) setLogit(logits, i, REFUSED);
  }
  return true;
}

@inline
function setLogit(logits: usize, token: u32, value: f32): void {
  store<f32>(logits + ((<usize>token) << 2), value);
}
