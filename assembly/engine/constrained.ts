/**
 * Draws a token that a grammar allows. What comes out is distributed as the sampler would draw from the allowed tokens
 * alone: the grammar stands in front of every filter.
 *
 *     greedy       the likeliest of all is tried; where it is refused, one after the other in falling order
 *     no filter    drawn from all, and again without the one that was refused: most are not
 *     filters      tried in falling order, until what is left cannot come through the filters (allowed_tokens.ts)
 *
 * Who is refused too often looks at all tokens: most are told by their first byte.
 */
import { Core, ErrorCode, fail } from "../memory/core";
import { Matcher, markBegins, settle } from "../grammar/matcher";
import { HAS_GRAMMAR } from "../parts";
import { endsGeneration, Tokenizer } from "../text/tokenizer";
import { narrowToAllowed, narrows } from "./allowed_tokens";
import { Constraint, dropBeginnings, isAllowed } from "./constraint";
import { forcedNext, lookAgain } from "./forced";
import { argmax, changesLogits, choose, idAt, logitAt, makeCandidates, place, sample } from "./sampler";
import { IMPOSSIBLE } from "./sampler_logits";
import { Sampler } from "./sampler_options";

/** How often a draw from all tokens is tried: where nearly every byte may follow, and where few may. */
const TRIES: u32 = 2;
const FEW_TRIES: u32 = 1;
const MANY_BYTES: u32 = 64;

/**
 * Draws a token that the constraint, if there is one, allows, and takes it; below zero: an error, such as that no token
 * of the vocabulary goes on with the grammar.
 */
export function draw(
  core: Core, c: Constraint, t: Tokenizer, s: Sampler, logits: usize, vocabulary: u32, scratch: usize, tokens: usize,
  count: u32,
): i32 {
  if (!HAS_GRAMMAR || changetype<usize>(c) == 0) return sample(core, s, t, logits, vocabulary, scratch, tokens, count);
  const isGreedy = s.temperature == 0;
  if (isGreedy && !changesLogits(s)) {
    const best = argmax(logits, vocabulary);
    if (load<f32>(logits + ((<usize>best) << 2)) > IMPOSSIBLE && isAllowed(c, t, best)) return take(c, t, best);
  }
  const made = makeCandidates(core, s, t, logits, vocabulary, scratch, tokens, count);
  if (made < 0) return made;
  let left = <u32>made;
  const bytes = markBegins(c.matcher, c.begins);
  if (!isGreedy && !narrows(s)) {
    for (let tries = bytes < MANY_BYTES ? FEW_TRIES : TRIES; tries > 0 && left > 0; tries--) {
      const chosen = choose(s, scratch, left);
      if (logitAt(scratch, chosen) == IMPOSSIBLE) break;
      if (isAllowed(c, t, idAt(scratch, chosen))) return take(c, t, idAt(scratch, chosen));
      left -= 1;
      store<u64>(place(scratch, chosen), load<u64>(place(scratch, left)));
    }
  }
  left = dropBeginnings(core, c, t, scratch, left);
  if (left == u32.MAX_VALUE) return core.errorCode;
  left = narrowToAllowed(core, c, t, s, scratch, left);
  if (left == 0) return noToken(core, c.matcher);
  const token = idAt(scratch, choose(s, scratch, left));
  // Others were tried behind it.
  isAllowed(c, t, token);
  return take(c, t, token);
}

/** Takes the token that follows without a draw, behind u32[count] tokens; −1: the next one is drawn. */
export function takeForced(core: Core, c: Constraint, t: Tokenizer, tokens: usize, count: u32): i32 {
  if (!HAS_GRAMMAR || changetype<usize>(c) == 0) return -1;
  const token = forcedNext(core, c.forced, c.matcher, t, tokens, count);
  if (token < 0 || !isAllowed(c, t, token)) return -1;
  settle(c.matcher);
  return token;
}

/** Takes a token that was drawn for other reasons, where the constraint, if there is one, allows it. */
export function takeGiven(c: Constraint, t: Tokenizer, token: u32): void {
  if (HAS_GRAMMAR && changetype<usize>(c) != 0 && isAllowed(c, t, token)) take(c, t, token);
}

function take(c: Constraint, t: Tokenizer, token: u32): i32 {
  if (!endsGeneration(t, token)) settle(c.matcher);
  lookAgain(c.forced);
  return <i32>token;
}

function noToken(core: Core, m: Matcher): i32 {
  if (m.wasCrowded) return fail(core, ErrorCode.UNSUPPORTED, "the grammar has too many ways to go on at once");
  return fail(core, ErrorCode.UNSUPPORTED, "no token of the vocabulary goes on with the grammar");
}
