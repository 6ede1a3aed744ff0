/**
 * Which tokens may follow, all at once: a walk along the trie of the vocabulary's texts, so that what tokens begin with
 * alike is tried once, and what is refused is refused for all that begin so.
 *
 *     depth    │ node, behind its last sibling │ places in the grammar │ frames │ bytes of a character that was begun
 *
 * In the trie are the ordinary tokens whose text says its bytes plainly; the others are tried one by one.
 */
import { allocateRaw, release } from "../memory/arena";
import { setU32, u32At } from "../memory/bytes";
import { Core } from "../memory/core";
import { Matcher, PLACES, beginWalk, endWalk, walkOn } from "../grammar/matcher";
import { byteOfCharacter } from "../text/byte_characters";
import {
  NONE, TokenType, Tokenizer, TokenizerModel, endsGeneration, tokenLength, tokenText, typeOf,
} from "../text/tokenizer";
import { Trie, buildTrie, firstChild, labelOf, valueOf } from "../text/trie";

/** Bytes of a token's text in the trie at most, and places in the grammar along one way. */
const DEPTHS: u32 = 256;
const ROOM: u32 = 16384;
const LEVEL_BYTES: usize = 24;

/** Whether a token's text is in the trie: it ends no answer, and its text says its bytes one by one. */
export function isPlainToken(t: Tokenizer, token: u32): bool {
  const length = tokenLength(t, token);
  if (typeOf(t, token) != TokenType.NORMAL || length == 0 || length >= DEPTHS || endsGeneration(t, token)) return false;
  const at = tokenText(t, token);
  if (t.model == TokenizerModel.BPE) {
    for (let i: u32 = 0; i < length; i++) {
      const byte = <u32>load<u8>(at + i);
      if (byte < 0x80) {
        if (byteOfCharacter(byte) != byte) return false;
        continue;
      }
      i += 1;
      if (i == length || byte > 0xdf || byteOfCharacter(characterOf(byte, load<u8>(at + i))) > 255) return false;
    }
  } else if (t.model != TokenizerModel.RWKV) {
    // What is no space's sign stays as it is, unless its first bytes are the sign's.
    for (let i: u32 = 0; i < length; i++) {
      if (load<u8>(at + i) != 0xe2) continue;
      if (i + 3 > length || load<u8>(at + i, 1) != 0x96 || load<u8>(at + i, 2) != 0x81) return false;
      i += 2;
    }
  }
  return true;
}

@inline
function characterOf(lead: u32, byte: u32): u32 {
  return ((lead & 0x1f) << 6) | (byte & 0x3f);
}

/** Makes the trie, which stays with the tokenizer; 0, or an error. */
export function makeAnswerTrie(core: Core, t: Tokenizer): i32 {
  if (t.answers != 0) return 0;
  const items = allocateRaw(core, (<u64>t.count) << 2, "a grammar");
  if (items == 0) return core.errorCode;
  let count: u32 = 0;
  for (let token: u32 = 0; token < t.count; token++) {
    if (!isPlainToken(t, token)) continue;
    setU32(items, count, token);
    count += 1;
  }
  t.answers = buildTrie(core, t, items, count, 0);
  release(core, items);
  return t.answers != 0 ? 0 : core.errorCode;
}

/** Sets u8[vocabulary] of `marks` to 1 for each token of the trie that may follow; false where there is no room. */
export function markAnswerTokens(core: Core, t: Tokenizer, m: Matcher, marks: usize): bool {
  const levels = allocateRaw(core, <u64>(DEPTHS + 1) * LEVEL_BYTES + <u64>ROOM * 8, "a grammar");
  if (levels == 0) return false;
  const places = levels + <usize>(DEPTHS + 1) * LEVEL_BYTES;
  const trie = changetype<Trie>(t.answers);
  const isBpe = t.model == TokenizerModel.BPE;
  const hasMarks = !isBpe && t.model != TokenizerModel.RWKV;
  let depth: i32 = 0;
  let fits = true;
  setLevel(levels, firstChild(trie, 0), firstChild(trie, 1), 0, beginWalk(m, places), m.frameCount, 0);
  while (depth >= 0 && fits) {
    const level = levels + <usize>depth * LEVEL_BYTES;
    const node = u32At(level, 0);
    if (node == u32At(level, 1)) {
      depth -= 1;
      continue;
    }
    setU32(level, 0, node + 1);
    const start = u32At(level, 2);
    let count = u32At(level, 3);
    let frames = u32At(level, 4);
    let begun = u32At(level, 5);
    let byte = labelOf(trie, node);
    let next = start;
    let isWhole = true;
    if (isBpe && byte >= 0x80) {
      isWhole = begun != 0;
      if (isWhole) byte = byteOfCharacter(characterOf(begun, byte));
      begun = isWhole ? 0 : byte;
    } else if (hasMarks && (byte == 0xe2 || begun != 0)) {
      isWhole = begun == 2;
      begun = isWhole ? 0 : begun + 1;
      byte = 0x20;
    }
    if (isWhole) {
      next = start + count;
      if (next + PLACES > ROOM) fits = false;
      else if (!walkOn(m, places + ((<usize>start) << 3), count, frames, places + ((<usize>next) << 3), byte)) continue;
      count = m.count;
      frames = m.frameCount;
      const token = valueOf(trie, node);
      if (token != NONE) store<u8>(marks + token, 1);
    }
    depth += 1;
    const behind = levels + <usize>depth * LEVEL_BYTES;
    setLevel(behind, firstChild(trie, node), firstChild(trie, node + 1), next, count, frames, begun);
  }
  endWalk(m);
  release(core, levels);
  return fits;
}

function setLevel(level: usize, node: u32, end: u32, start: u32, count: u32, frames: u32, begun: u32): void {
  setU32(level, 0, node);
  setU32(level, 1, end);
  setU32(level, 2, start);
  setU32(level, 3, count);
  setU32(level, 4, frames);
  setU32(level, 5, begun);
}
