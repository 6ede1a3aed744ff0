/**
 * Fill-in-the-middle: the tokens of a text with a gap, for a model that was trained to say what stands in it. The
 * order is llama.cpp's (prefix, suffix, middle), without the names of files that it puts in front:
 *
 *     [BOS] <prefix> what stands before <suffix> what stands behind <middle>      … and the model goes on
 */
import { setU32 } from "../memory/bytes";
import { Core, ErrorCode, fail } from "../memory/core";
import { TokenizeFlag, tokenize } from "./tokenize";
import { Tokenizer } from "./tokenizer";

/** As `tokenize` of two texts, with the tokens that mark them; an error where the vocabulary has none. */
export function tokenizeInfill(
  core: Core, t: Tokenizer, prefix: usize, prefixLength: u32, suffix: usize, suffixLength: u32, flags: u32,
  target: usize, capacity: u32,
): i32 {
  if (t.fimPre < 0 || t.fimSuf < 0 || t.fimMid < 0) {
    return fail(
      core, ErrorCode.UNSUPPORTED,
      "this model was not made to fill in: its vocabulary lacks the tokens for prefix, suffix and middle \
(tokenizer.ggml.fim_pre_token_id and so on); give the text alone, without a suffix",
    );
  }
  const parse = flags & TokenizeFlag.PARSE_SPECIAL;
  let count: u32 = 0;
  if (flags & TokenizeFlag.ADD_SPECIAL && t.addBos && t.bos >= 0) count = put(target, capacity, count, t.bos);
  count = put(target, capacity, count, t.fimPre);
  const before = tokenize(core, t, prefix, prefixLength, parse, addressOf(target, count), roomOf(capacity, count));
  if (before < 0) return before;
  count = put(target, capacity, count + before, t.fimSuf);
  const behind = tokenize(core, t, suffix, suffixLength, parse, addressOf(target, count), roomOf(capacity, count));
  if (behind < 0) return behind;
  return <i32>put(target, capacity, count + behind, t.fimMid);
}

function put(target: usize, capacity: u32, count: u32, token: i32): u32 {
  if (count < capacity) setU32(target, count, <u32>token);
  return count + 1;
}

@inline
function addressOf(target: usize, count: u32): usize {
  return target + ((<usize>count) << 2);
}

@inline
function roomOf(capacity: u32, count: u32): u32 {
  return count < capacity ? capacity - count : 0;
}
