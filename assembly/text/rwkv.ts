/**
 * RWKV's vocabulary ("rwkv") of a stretch of text: at each place the longest token that stands there. A token is bytes,
 * which the file writes as Python does: `\n`, `\r`, `\t`, `\\`, quotes, and `\xHH` for what is no printable ASCII.
 */
import { allocateRaw } from "../memory/arena";
import { setU32, u32At } from "../memory/bytes";
import { Core, ErrorCode, bytesOf, fail } from "../memory/core";
import { Automaton, goOn, longestItem } from "./automaton";
import { NONE, Tokenizer, tokenLength, tokenText } from "./tokenizer";
import { emit, reserveText, Work } from "./work";

/** Places that are looked through at once, and those behind them into which a token may reach. */
const PLACES: u32 = 4096;
const MOST_PLACES: u32 = 0x1000_0000;

/**
 * Adds the tokens of a stretch that holds no special token. What no token has is the unknown token, a byte each.
 *
 * From the end to the beginning the automaton of the tokens' bytes, turned round, finds the longest token that begins
 * at each place: a text costs its length, also where long tokens nearly stand everywhere.
 */
export function tokenizeRwkv(work: Work, text: usize, end: usize): void {
  const t = work.tokenizer;
  const automaton = changetype<Automaton>(t.automaton);
  const places = min(max(PLACES, t.longest), MOST_PLACES);
  if (!reserveText(work, (<usize>min(places, <u32>(end - text))) << 2)) return;
  while (text < end) {
    const start = text;
    const last = end - start > places ? start + places : end;
    let node: u32 = 0;
    for (let at = end - last > t.longest ? last + t.longest : end; at-- > start; ) {
      node = goOn(automaton, node, load<u8>(at));
      if (at < last) setU32(work.text, <u32>(at - start), longestItem(automaton, node));
    }
    while (text < last) {
      const token = u32At(work.text, <u32>(text - start));
      if (token != NONE) emit(work, token);
      else if (t.unk >= 0) emit(work, <u32>t.unk);
      text += token == NONE ? 1 : tokenLength(t, token);
    }
  }
}

/** Puts the bytes of all tokens in place of their escapes; false with an error set. */
export function unescapeTokens(core: Core, t: Tokenizer): bool {
  let bytes: u64 = 0;
  for (let i: u32 = 0; i < t.count; i++) bytes += 8 + <u64>tokenLength(t, i);
  t.unescaped = allocateRaw(core, bytes, "the bytes of tokens");
  if (t.unescaped == 0) return false;
  let to = t.unescaped;
  for (let i: u32 = 0; i < t.count; i++) {
    const text = tokenText(t, i);
    const length = unescape(text, text + tokenLength(t, i), to + 8);
    if (length == NONE) {
      const words = "token {} has an escape that is none: '{s}'";
      fail(core, ErrorCode.BAD_FILE, words, i, bytesOf(text, tokenLength(t, i)));
      return false;
    }
    store<u64>(to, length);
    setU32(t.texts, i, <u32>(to + 8));
    to += 8 + <usize>length;
  }
  return true;
}

/** Writes the bytes of an escaped text, which are no more; returns their number, NONE where an escape is none. */
function unescape(text: usize, end: usize, target: usize): u32 {
  let count: u32 = 0;
  while (text < end) {
    let byte = <u32>load<u8>(text++);
    if (byte == 0x5c) {
      if (text == end) return NONE;
      byte = <u32>load<u8>(text++);
      switch (byte) {
        // n r t, \ ' "
        case 0x6e: byte = 0x0a; break;
        case 0x72: byte = 0x0d; break;
        case 0x74: byte = 0x09; break;
        case 0x5c:
        case 0x27:
        case 0x22: break;
        case 0x78: {
          if (end - text < 2) return NONE;
          byte = (digitOf(load<u8>(text)) << 4) | digitOf(load<u8>(text, 1));
          if (byte > 255) return NONE;
          text += 2;
          break;
        }
        default: return NONE;
      }
    }
    store<u8>(target + count, <u8>byte);
    count += 1;
  }
  return count;
}

/** The value of a hexadecimal digit; 256 of anything else. */
function digitOf(digit: u32): u32 {
  if (digit - 48 < 10) return digit - 48;
  const letter = (digit | 0x20) - 97;
  return letter < 6 ? letter + 10 : 256;
}
