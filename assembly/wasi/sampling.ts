/**
 * How `generate` and `chat` choose tokens: the flags of the sampler, and lists of tokens with biases.
 */
import { letterAt } from "../memory/bytes";
import { seed } from "../engine/sampler";
import { SamplerOption, addBias, addBreaker, configure, setOption } from "../engine/sampler_options";
import { Session, limitReasoning } from "../engine/session";
import { Entry, Gguf, ValueType, findKeyBytes, floatAt } from "../files/gguf";
import { Tokenizer } from "../text/tokenizer";
import {
  Bytes, fromText, indexOf, lengthOf, parseNumber, parseWhole, piece, same, startOf, tail, trimmed,
} from "./bytes";
import { BAD_BIASES, BAD_TOKEN_LIST, DRY_BREAKERS, RECOMMENDED, SAMPLER_FLAGS } from "./commands";
import { Command, SUCCESS, flag, flagOf, given, hostScratch, lineAt, usageError, wholeUpTo } from "./command";

const BAR: u8 = 0x7c;
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

/** Gives a session what the flags and the file say of its sampler; below zero: an error. */
export function configureSampler(c: Command, session: Session, gguf: Gguf, seeded: u64): i32 {
  const core = c.core;
  const s = session.sampler;
  const topK = <u32>min<f64>(max<f64>(chosen(c, gguf, id(c, "top-k")), 0), u32.MAX_VALUE);
  const temperature = <f32>chosen(c, gguf, id(c, "temp"));
  const topP = <f32>chosen(c, gguf, id(c, "top-p"));
  const minP = <f32>chosen(c, gguf, id(c, "min-p"));
  // Where the likeliest token is taken, or a grammar allows what may come, repetition is not penalised by itself.
  const isPlain = (temperature == 0 || given(c, "grammar-table")) && !given(c, "repeat-penalty");
  const penalty: f32 = isPlain ? 1 : <f32>chosen(c, gguf, id(c, "repeat-penalty"));
  let status = configure(core, s, temperature, topK, topP, minP, penalty);
  seed(s, seeded);
  const flags = fromText(core, SAMPLER_FLAGS);
  for (let i: u32 = 0; i < SamplerOption.COUNT && status >= 0; i++) {
    status = setOption(core, s, i, <f32>chosen(c, gguf, lineAt(flags, i)));
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

function id(c: Command, name: string): Bytes {
  return fromText(c.core, name);
}

/** The value of a flag, or that of the file, or the one of RECOMMENDED; of a flag that has one, its default. */
function chosen(c: Command, gguf: Gguf, name: Bytes): f64 {
  const value = flagOf(c, name);
  if (lengthOf(value) > 0) return parsed(c, value);
  const table = fromText(c.core, RECOMMENDED);
  let isRecommending = false;
  let own: Bytes = 0;
  for (let i: u32 = 0; ; i++) {
    const line = lineAt(table, i);
    if (lengthOf(line) == 0) break;
    const key = piece(line, BAR, 1);
    const entry = findKeyBytes(gguf, startOf(key), lengthOf(key));
    const isOwn = same(piece(line, BAR, 0), name);
    if (entry && recommends(entry)) {
      if (isOwn) return floatAt(entry, 0);
      isRecommending = true;
    } else if (isOwn) own = line;
  }
  return own == 0 ? 0 : parsed(c, piece(own, BAR, isRecommending ? 3 : 2));
}

function parsed(c: Command, value: Bytes): f64 {
  store<f64>(hostScratch(c), 0);
  parseNumber(value, hostScratch(c));
  return load<f64>(hostScratch(c));
}

/** Whether an entry of the file is a number that a sampler may take. */
function recommends(entry: Entry): bool {
  const type = entry.type;
  if (type == ValueType.ARRAY || type == ValueType.STRING || type == ValueType.BOOL) return false;
  return floatAt(entry, 0) >= 0 && floatAt(entry, 0) < Infinity;
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
