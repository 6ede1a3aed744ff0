/**
 * Forced text: where a grammar lets an answer go on in one way only, as within the names of properties, tokens are
 * appended without a draw, and evaluated together with the next pass.
 *
 *     the answer, from a word's end on │ forced text │      words as the pre-tokenizer cuts both
 *                  the answer's tokens │ forced: words that end whatever follows │ the last word: drawn
 *
 * They are the tokens that the tokenizer makes of these words. That is certain for byte-level BPE, whose words are
 * tokenised one by one; elsewhere, and where the answer's own tokens of a word that goes on are others than the
 * tokenizer's, nothing is forced.
 */
import { allocateRaw, release } from "../memory/arena";
import { setU32, u32At } from "../memory/bytes";
import { Core } from "../memory/core";
import { Matcher, forcedBytes, isOver } from "../grammar/matcher";
import { HAS_BPE } from "../parts";
import { tokenBytes } from "../text/detokenize";
import { splitWords, tokenize } from "../text/tokenize";
import { Tokenizer, TokenizerModel } from "../text/tokenizer";

/** Bytes of a forced text, and tokens, at most; what is behind them is looked at later. */
const FORCED_BYTES: u32 = 256;
const FORCED_TOKENS: u32 = 64;
/** Bytes of the answer from a word's end on at most: who is further behind forces nothing. */
const ANSWER_BYTES: u32 = 16384;
const NINE: u8 = 0x39;
const ZERO: u8 = 0x30;
const APOSTROPHE: u8 = 0x27;

@unmanaged
export class Forced {
  /** The token in front of which a word ended: an index of the session's. */
  from: u32;
  /** There has been no draw since the grammar was asked. */
  isKnown: bool;
  count: u32;
  next: u32;

  @inline
  get tokens(): usize {
    return changetype<usize>(this) + offsetof<Forced>();
  }
}

export const FORCED_RECORD: usize = offsetof<Forced>() + ((<usize>FORCED_TOKENS) << 2);

/** An answer begins behind so many tokens: its first one is drawn. */
export function beginForced(f: Forced, count: u32): void {
  f.from = count;
  f.isKnown = true;
  f.count = 0;
  f.next = 0;
}

/** A token was drawn. */
export function lookAgain(f: Forced): void {
  f.isKnown = false;
  f.count = 0;
  f.next = 0;
}

/** The token that follows without a draw, behind u32[count] tokens; −1: none. */
export function forcedNext(core: Core, f: Forced, m: Matcher, t: Tokenizer, tokens: usize, count: u32): i32 {
  if (!HAS_BPE || t.model != TokenizerModel.BPE) return -1;
  if (!f.isKnown) find(core, f, m, t, tokens, count);
  return f.next < f.count ? <i32>u32At(f.tokens, f.next++) : -1;
}

function find(core: Core, f: Forced, m: Matcher, t: Tokenizer, tokens: usize, count: u32): void {
  f.isKnown = true;
  let before: u32 = 0;
  for (let i = f.from; i < count; i++) before += max(tokenBytes(t, <i32>u32At(tokens, i), false, 0, 0), 0);
  if (before > ANSWER_BYTES) return;
  const room = before + FORCED_BYTES;
  const text = allocateRaw(core, <u64>room * 9, "a forced text");
  if (text == 0) return;
  const forced = forcedBytes(m, text + before, FORCED_BYTES);
  if (forced > 1) {
    const numbers = (text + room + 3) & ~(<usize>3);
    take(core, f, t, tokens, count, text, before, before + forced, numbers, room, isOver(m));
  }
  release(core, text);
}

/** `numbers`: u32[room] to work on; there are no more words, and no more tokens, than bytes. */
function take(
  core: Core, f: Forced, t: Tokenizer, tokens: usize, count: u32, text: usize, before: u32, end: u32, numbers: usize,
  room: u32, isWhole: bool,
): void {
  let at: u32 = 0;
  for (let i = f.from; i < count; i++) at += tokenBytes(t, <i32>u32At(tokens, i), false, text + at, before - at);
  const words = splitWords(core, t, text, end, numbers, room);
  // The last of the answer's tokens in front of which a word ends, and the last word that ends whatever follows.
  let first = f.from;
  let start: u32 = 0;
  let sure: u32 = 0;
  let token = f.from;
  at = 0;
  for (let i: i32 = 0; i < words; i++) {
    const wordEnd = u32At(numbers, i);
    while (token < count && at < wordEnd) at += tokenBytes(t, <i32>u32At(tokens, token++), false, 0, 0);
    if (at == wordEnd && wordEnd <= before) {
      start = wordEnd;
      first = token;
    } else if (wordEnd > before && (wordEnd == end ? isWhole : endsAlways(load<u8>(text + wordEnd)))) sure = wordEnd;
  }
  f.from = first;
  if (sure <= before) return;
  const made = tokenize(core, t, text + start, sure - start, 0, numbers, room);
  const own = count - first;
  if (made < 0 || <u32>made <= own) return;
  for (let i: u32 = 0; i < own; i++) if (u32At(numbers, i) != u32At(tokens, first + i)) return;
  f.count = min(<u32>made - own, FORCED_TOKENS);
  for (let i: u32 = 0; i < f.count; i++) setU32(f.tokens, i, u32At(numbers, own + i));
}

/** Whether a word that ends in front of this byte ends there whatever comes behind it. */
function endsAlways(byte: u8): bool {
  // Contractions ('re) and groups of digits depend on more; letters beyond ASCII may be cut.
  return byte != APOSTROPHE && !(byte >= ZERO && byte <= NINE) && byte < 0x80;
}
