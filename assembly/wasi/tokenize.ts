/**
 * `tokenize`: a text's token ids as JSON. A file with a vocabulary alone will do: weights are not read.
 */
import { allocateRaw } from "../memory/arena";
import { u32At } from "../memory/bytes";
import { TokenizeFlag, tokenize } from "../text/tokenize";
import { Tokenizer } from "../text/tokenizer";
import { Command, FAILURE, SUCCESS, argument, failure, given } from "./command";
import { loadModel } from "./load";
import { readText } from "./files";
import { putByte, putNumber, putText } from "./output";
import { lengthOf, startOf } from "./bytes";

export function tokenizeText(c: Command): i32 {
  const text = readText(c, argument(c, 1));
  if (startOf(text) == 0) return FAILURE;
  const model = loadModel(c, argument(c, 0), true);
  if (changetype<usize>(model) == 0) return FAILURE;
  let flags: u32 = given(c, "bos") ? TokenizeFlag.ADD_SPECIAL : 0;
  if (given(c, "special")) flags |= TokenizeFlag.PARSE_SPECIAL;
  const t = changetype<Tokenizer>(model.tokenizer);
  let count = tokenize(c.core, t, startOf(text), lengthOf(text), flags, 0, 0);
  if (count < 0) return failure(c);
  const ids = allocateRaw(c.core, 4 * <u64>count, "the tokens");
  if (ids == 0) return failure(c);
  count = tokenize(c.core, t, startOf(text), lengthOf(text), flags, ids, count);
  if (count < 0) return failure(c);
  putByte(c.out, 0x5b);
  for (let i: i32 = 0; i < count; i++) {
    if (i > 0) putByte(c.out, 0x2c);
    putNumber(c.out, u32At(ids, i));
  }
  putText(c.out, "]\n");
  return SUCCESS;
}
