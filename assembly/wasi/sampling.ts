/**
 * How `generate` and `chat` choose tokens: the flags of the sampler, and lists of tokens with biases.
 */
import { letterAt } from "../memory/bytes";
import { seed } from "../engine/sampler";
import { SamplerOption, addBias, addBreaker, configure, setOption } from "../engine/sampler_options";
import { Session, limitReasoning } from "../engine/session";
import { Tokenizer } from "../text/tokenizer";
import { Bytes, fromText, indexOf, lengthOf, parseNumber, parseWhole, piece, startOf, tail, trimmed } from "./bytes";
import { BAD_BIASES, BAD_TOKEN_LIST, DRY_BREAKERS, SAMPLER_FLAGS } from "./commands";
import {
  Command, SUCCESS, flag, flagOf, given, hostScratch, lineAt, real, usageError, whole, wholeUpTo,
} from "./command";

const COMMA: u8 = 0x2c;
const COLON: u8 = 0x3a;

/** Whether the lists of tokens are lists: SUCCESS, or USAGE_ERROR with the reason printed. */
export function checkLists(c: Command): i32 {
  if (!isList(c, flag(c, "logit-bias"), true)) return usageError(c, BAD_BIASES, fromText(c.core, "--logit-bias"));
  if (!isList(c, flag(c, "ban"), false)) return usageError(c, BAD_TOKEN_LIST, fromText(c.core, "--ban"));
  if (!isList(c, flag(c, "force"), false)) return usageError(c, BAD_TOKEN_LIST, fromText(c.core, "--force"));
  return SUCCESS;
}

function isList(c: Command, list: Bytes, biased: bool): bool {
  for (let i: u32 = 0; i < entries(list); i++) {
    const entry = trimmed(piece(list, COMMA, i));
    const end = biased ? indexOf(entry, COLON) : lengthOf(entry);
    if (biased && !parseNumber(tail(entry, min(end + 1, lengthOf(entry))), hostScratch(c))) return false;
    if (!parseWhole(piece(entry, COLON, 0), hostScratch(c)) || load<u64>(hostScratch(c)) > <u64>u32.MAX_VALUE)
      return false;
    if (!biased && indexOf(entry, COLON) < lengthOf(entry)) return false;
  }
  return true;
}

/** Entries of a list with commas between; none of an empty one. */
function entries(list: Bytes): u32 {
  if (lengthOf(list) == 0) return 0;
  let count: u32 = 1;
  for (let i: u32 = 0; i < lengthOf(list); i++) if (load<u8>(startOf(list) + i) == COMMA) count += 1;
  return count;
}

/** Gives a session what the flags say of its sampler; below zero: an error. */
export function configureSampler(c: Command, session: Session): i32 {
  const core = c.core;
  const s = session.sampler;
  const topK = wholeUpTo(c, "top-k", u32.MAX_VALUE);
  const temperature = <f32>real(c, "temp");
  const topP = <f32>real(c, "top-p");
  const minP = <f32>real(c, "min-p");
  let status = configure(core, s, temperature, topK, topP, minP, <f32>real(c, "repeat-penalty"));
  seed(s, whole(c, "seed"));
  const flags = fromText(core, SAMPLER_FLAGS);
  for (let i: u32 = 0; i < SamplerOption.COUNT && status >= 0; i++) {
    store<f64>(hostScratch(c), 0);
    parseNumber(flagOf(c, lineAt(flags, i)), hostScratch(c));
    status = setOption(core, s, i, <f32>load<f64>(hostScratch(c)));
  }
  const breakers = fromText(core, DRY_BREAKERS);
  for (let i: u32 = 0; s.dryMultiplier != 0 && letterAt(DRY_BREAKERS, i) != 0 && status >= 0; i++) {
    status = addBreaker(core, s, changetype<Tokenizer>(session.tokenizer), startOf(breakers) + i, 1);
  }
  if (status >= 0 && given(c, "reasoning-budget")) {
    status = limitReasoning(session, wholeUpTo(c, "reasoning-budget", i32.MAX_VALUE));
  }
  if (status >= 0) status = addAll(c, session, flag(c, "logit-bias"), 0);
  if (status >= 0) status = addAll(c, session, flag(c, "force"), Infinity);
  if (status >= 0) status = addAll(c, session, flag(c, "ban"), -Infinity);
  return status;
}

/** Adds a list's biases: each its own (bias 0), or all the same. */
function addAll(c: Command, s: Session, list: Bytes, bias: f32): i32 {
  let status: i32 = 0;
  for (let i: u32 = 0; i < entries(list) && status >= 0; i++) {
    const entry = trimmed(piece(list, COMMA, i));
    parseWhole(piece(entry, COLON, 0), hostScratch(c));
    const token = <u32>load<u64>(hostScratch(c));
    if (bias == 0) parseNumber(tail(entry, indexOf(entry, COLON) + 1), hostScratch(c));
    const own = bias == 0 ? <f32>load<f64>(hostScratch(c)) : bias;
    status = addBias(c.core, s.sampler, s.context.program.vocabulary, token, own);
  }
  return status;
}
