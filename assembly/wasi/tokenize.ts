/**
 * `tokenize`: a text's token ids as JSON. A file with a vocabulary alone will do: weights are not read.
 */
import { allocateRaw } from "../memory/arena";
import { Model } from "../engine/model";
import { TokenizeFlag, tokenize } from "../text/tokenize";
import { Tokenizer } from "../text/tokenizer";
import { Command, FAILURE, SUCCESS, argument, failure, given } from "./command";
import { loadModel } from "./load";
import { readText } from "./files";
import { putByte, putNumber, putText } from "./output";
import { Bytes, bytesOf, endOf, lengthOf, startOf } from "./bytes";

export function tokenizeText(c: Command): i32 {
  const text = readText(c, argument(c, 1));
  if (startOf(text) == 0) return FAILURE;
  const model = loadModel(c, argument(c, 0), true);
  if (changetype<usize>(model) == 0) return FAILURE;
  let flags: u32 = given(c, "bos") ? TokenizeFlag.ADD_SPECIAL : 0;
  if (given(c, "special")) flags |= TokenizeFlag.PARSE_SPECIAL;
  const ids = tokensOf(c, model, text, flags);
  if (startOf(ids) == 0) return FAILURE;
  putByte(c.out, 0x5b);
  for (let at = startOf(ids); at < endOf(ids); at += 4) {
    if (at > startOf(ids)) putByte(c.out, 0x2c);
    putNumber(c.out, load<u32>(at));
  }
  putText(c.out, "]\n");
  return SUCCESS;
}

/** The bytes of a text's ids, each a u32. 0: the failure is printed. */
export function tokensOf(c: Command, model: Model, text: Bytes, flags: u32): Bytes {
  const t = changetype<Tokenizer>(model.tokenizer);
  // A text may have more tokens than bytes.
  let count = tokenize(c.core, t, startOf(text), lengthOf(text), flags, 0, 0);
  const ids: usize = count < 0 ? 0 : allocateRaw(c.core, 4 * <u64>count, "the tokens");
  if (ids != 0) count = tokenize(c.core, t, startOf(text), lengthOf(text), flags, ids, count);
  if (ids != 0 && count >= 0) return bytesOf(ids, 4 * <u32>count);
  failure(c);
  return 0;
}
