/**
 * From the keys of a file to a tokenizer: checks them, and builds the tables. One arena block holds everything:
 *
 *     ┌ Tokenizer ┬ texts u32[n] ┬ slots u32[2^a] ┬ byteSymbols u32[256] ┬ merges u32[3 m] ┬ pairSlots u32[2^b] ┬
 *     ┴ specials u32[s] ┬ buckets u32[1025] ┬ bucketItems u32[s] ┬ singles u32[256] ┬ attributes u8[n] ┐
 *
 * about 4 + 1 + 8 bytes a token and 12 + 8 bytes a merge; the texts stay in the file's header. Time is linear.
 */
import { allocate, release } from "../memory/arena";
import { sameText, setU32, u32At } from "../memory/bytes";
import { Core, ErrorCode, bytesOf, fail, say, sayBytes, wordsOf } from "../memory/core";
import { beginHeld, beginLeftOut, endLeftOut } from "../memory/left_out";
import { HAS_BPE, HAS_SPM } from "../parts";
import { characterOfByte } from "./byte_characters";
import {
  Entered, SEEDS, enterMerge, enterToken, seedOf, findHidden, findText, findToken, HiddenSymbol, slotsFor,
} from "./lookup";
import { addsBos, cleansSpaces, hasNoBos, ignoresMerges, sayNames, Scheme, schemeOf } from "./pretokenizer_names";
import { buildSpecialIndex, markSpecialTokens, SPECIAL_NAMES } from "./special";
import {
  NONE, SPECIAL_BUCKETS, TokenType, Tokenizer, TokenizerModel, VocabularySource, isSpaceMark, tokenLength, tokenText,
} from "./tokenizer";
import { encodeShort } from "./unicode";

const MOST_TOKENS: u32 = 1 << 24;
const MOST_MERGES: u32 = 1 << 25;

/** Falcon's <|endoftext|>, which files of byte-level BPE without the keys once meant. */
const OLD_DEFAULT: u32 = 11;

/** Makes a tokenizer, or returns 0 with an error set. The source's texts must outlive it, its record need not. */
export function createTokenizer(core: Core, source: VocabularySource): usize {
  const model = checkSource(core, source);
  if (model == 0) return 0;
  const block = allocate(core, tableBytes(source), "the tokenizer");
  if (block == 0) return 0;
  const t = changetype<Tokenizer>(block);
  t.model = model;
  t.byRank = HAS_BPE && model == TokenizerModel.SPM && mergesByRank(source);
  t.count = source.tokenCount;
  const merges = HAS_BPE && (t.byRank || model == TokenizerModel.BPE);
  t.mergeCount = merges ? source.mergeCount : 0;
  layOut(t, source);
  setOptions(t, source);
  if (readTokens(core, t, source) && (!merges || readMerges(core, t, source))) {
    if (HAS_SPM && model == TokenizerModel.SPM) findByteTokens(t);
    else if (HAS_BPE) findByteSymbols(t);
    setIds(t, source);
    markSpecialTokens(t, source);
    const scratch = allocate(core, (<u64>countSpecials(source) + 1) * 8, "the list of special tokens");
    if (scratch != 0) {
      buildSpecialIndex(t, scratch);
      release(core, scratch);
      return block;
    }
  }
  releaseTokenizer(core, block);
  return 0;
}

/** Gives a tokenizer's memory back. 0 is allowed. */
export function releaseTokenizer(core: Core, tokenizer: usize): void {
  if (tokenizer == 0) return;
  release(core, changetype<Tokenizer>(tokenizer).hidden);
  release(core, tokenizer);
}

/** The model's number, or 0 with an error set. */
function checkSource(core: Core, source: VocabularySource): u32 {
  let model: u32 = 0;
  const byRank = mergesByRank(source);
  if (byRank) model = TokenizerModel.SPM;
  else if (sameText(source.modelName, source.modelNameLength, "gpt2")) model = TokenizerModel.BPE;
  else if (sameText(source.modelName, source.modelNameLength, "llama")) model = TokenizerModel.SPM;
  else if (source.modelNameLength == 0) {
    fail(core, ErrorCode.BAD_FILE, "the file names no tokenizer (tokenizer.ggml.model is missing)");
    return 0;
  } else {
    fail(
      core, ErrorCode.UNSUPPORTED,
      "the tokenizer '{s}' is not supported; supported are: gpt2 (byte-level BPE), llama (SentencePiece), gemma4",
      bytesOf(source.modelName, source.modelNameLength),
    );
    return 0;
  }
  if ((!HAS_BPE && (byRank || model == TokenizerModel.BPE)) || (!HAS_SPM && model == TokenizerModel.SPM)) {
    failWithoutTokenizer(core, source);
    return 0;
  }
  if (source.tokens == 0 || source.tokenCount == 0) {
    fail(core, ErrorCode.BAD_FILE, "the vocabulary is empty (tokenizer.ggml.tokens)");
    return 0;
  }
  if (source.tokenCount > MOST_TOKENS || source.mergeCount > MOST_MERGES) {
    fail(core, ErrorCode.BAD_FILE, "the vocabulary is too large: at most 2^24 tokens and 2^25 merges");
    return 0;
  }
  if (source.scores != 0 && source.scoreCount != source.tokenCount) {
    badCount(core, "tokenizer.ggml.scores", source.scoreCount, source.tokenCount);
    return 0;
  }
  if (source.types != 0 && source.typeCount != source.tokenCount) {
    badCount(core, "tokenizer.ggml.token_type", source.typeCount, source.tokenCount);
    return 0;
  }
  if (source.removeExtraSpaces > 0) {
    fail(
      core, ErrorCode.UNSUPPORTED,
      "the metadata key tokenizer.ggml.remove_extra_whitespaces asks for what limpet does not do yet: texts would be \
other tokens",
    );
    return 0;
  }
  if (!HAS_BPE || (model == TokenizerModel.SPM && !byRank)) return model;
  if (source.merges == 0) {
    fail(core, ErrorCode.BAD_FILE, "byte-level BPE needs its merges, and the file has none (tokenizer.ggml.merges)");
    return 0;
  }
  if (source.preNameLength != 0 && schemeOf(source.preName, source.preNameLength) == Scheme.UNKNOWN) {
    fail(
      core, ErrorCode.UNSUPPORTED, "the pre-tokenizer '{s}' is not supported; supported are: ",
      bytesOf(source.preName, source.preNameLength),
    );
    sayNames(core);
    return 0;
  }
  return model;
}

/** Whether a vocabulary is gemma4's: SentencePiece that merges by rank. */
function mergesByRank(source: VocabularySource): bool {
  if (sameText(source.modelName, source.modelNameLength, "gemma4")) return true;
  if (!HAS_BPE || !sameText(source.modelName, source.modelNameLength, "gpt2")) return false;
  return schemeOf(source.preName, source.preNameLength) == Scheme.LINES;
}

function failWithoutTokenizer(core: Core, source: VocabularySource): void {
  beginLeftOut(core);
  say(core, "tokenizer ");
  sayBytes(core, source.modelName, source.modelNameLength);
  beginHeld(core);
  if (HAS_BPE) say(core, " gpt2");
  if (HAS_SPM) say(core, " llama");
  if (HAS_BPE && HAS_SPM) say(core, " gemma4");
  endLeftOut(core);
}

function badCount(core: Core, key: string, count: u32, expected: u32): void {
  fail(core, ErrorCode.BAD_FILE, "{w} has {} entries for {} tokens", wordsOf(key), count, expected);
}

/** The number of special tokens by type, and of those that become special by their text. */
function countSpecials(source: VocabularySource): u32 {
  let count = SPECIAL_NAMES;
  const types: u32 = source.types == 0 ? 0 : source.typeCount;
  for (let i: u32 = 0; i < types; i++) {
    const type = u32At(source.types, i);
    if (type == TokenType.UNKNOWN || type == TokenType.CONTROL || type == TokenType.USER_DEFINED) count++;
  }
  return count;
}

function tableBytes(source: VocabularySource): u64 {
  const tokens = <u64>source.tokenCount;
  let words = 512 + <u64>SPECIAL_BUCKETS + 1 + tokens + <u64>slotsFor(source.tokenCount);
  words += 2 * <u64>countSpecials(source);
  words += 3 * <u64>source.mergeCount + <u64>slotsFor(source.mergeCount);
  return <u64>((offsetof<Tokenizer>() + 7) & ~7) + 4 * words + tokens;
}

function layOut(t: Tokenizer, source: VocabularySource): void {
  let at = changetype<usize>(t) + ((offsetof<Tokenizer>() + 7) & ~7);
  const specials = (<usize>countSpecials(source)) << 2;
  t.texts = at;
  at += (<usize>t.count) << 2;
  t.slots = at;
  t.slotMask = slotsFor(t.count) - 1;
  at += (<usize>t.slotMask + 1) << 2;
  t.byteSymbols = at;
  at += 256 << 2;
  t.merges = at;
  at += <usize>t.mergeCount * 12;
  t.pairSlots = at;
  t.pairMask = slotsFor(t.mergeCount) - 1;
  at += (<usize>t.pairMask + 1) << 2;
  t.specials = at;
  at += specials;
  t.buckets = at;
  at += (<usize>SPECIAL_BUCKETS + 1) << 2;
  t.bucketItems = at;
  at += specials;
  t.singles = at;
  at += 256 << 2;
  t.attributes = at;
}

function setOptions(t: Tokenizer, source: VocabularySource): void {
  const spm = !HAS_BPE || t.model == TokenizerModel.SPM;
  const pre = source.preName;
  const length = <usize>source.preNameLength;
  t.scheme = spm || length == 0 || !HAS_BPE ? Scheme.DEFAULT : schemeOf(pre, length);
  t.scores = source.scores;
  t.suppressed = source.suppressed;
  t.suppressedCount = source.suppressedCount;
  t.ignoreMerges = HAS_BPE && !spm && ignoresMerges(pre, length);
  // gemma4's files say that they want no BOS, and the model does.
  t.addBos = t.byRank || option(source.addBos, spm || (HAS_BPE && addsBos(pre, length)));
  t.addEos = option(source.addEos, false);
  t.addSpacePrefix = !t.byRank && option(source.addSpacePrefix, spm);
  t.cleanSpaces = HAS_BPE && !spm && cleansSpaces(pre, length);
}

function option(value: i32, absent: bool): bool {
  return value < 0 ? absent : value != 0;
}

/** Finds the texts, checks the types, and enters every token. */
function readTokens(core: Core, t: Tokenizer, source: VocabularySource): bool {
  const end = source.tokensEnd;
  let at = source.tokens;
  for (let i: u32 = 0; i < t.count; i++) {
    if (at > end || end - at < 8 || load<u64>(at) > <u64>(end - at - 8)) {
      fail(core, ErrorCode.BAD_FILE, "token {} ends behind the list of tokens: the file is damaged", i);
      return false;
    }
    const length = <u32>load<u64>(at);
    setU32(t.texts, i, <u32>(at + 8));
    at += 8 + <usize>length;
    if (length > t.longest) t.longest = length;
    let type = source.types == 0 ? TokenType.NORMAL : u32At(source.types, i);
    if (type > TokenType.BYTE) type = TokenType.UNDEFINED;
    store<u8>(t.attributes + i, <u8>type);
    if (length == 0) continue;
    if (HAS_SPM && t.model == TokenizerModel.SPM && !t.spaceInside) t.spaceInside = hasSpaceInside(at - length, length);
  }
  return enterTokens(core, t);
}

/** Enters every token by its text, under the first seed by which they do not crowd. */
function enterTokens(core: Core, t: Tokenizer): bool {
  for (let attempt: u32 = 0; attempt < SEEDS; attempt++) {
    t.seed = seedOf(attempt);
    memory.fill(t.slots, 0, (<usize>t.slotMask + 1) << 2);
    let entered = Entered.NEW;
    for (let i: u32 = 0; i < t.count && entered == Entered.NEW; i++) {
      if (tokenLength(t, i) == 0) continue;
      entered = enterToken(t, i);
      if (entered != Entered.TWIN) continue;
      const text = bytesOf(tokenText(t, i), tokenLength(t, i));
      fail(core, ErrorCode.BAD_FILE, "token {} has the text of another: '{s}'", i, text);
      return false;
    }
    if (entered == Entered.NEW) return true;
  }
  return crowded(core);
}

/** Enters every merge by its pair, likewise. */
function enterMerges(core: Core, t: Tokenizer): bool {
  for (let attempt: u32 = 0; attempt < SEEDS; attempt++) {
    t.pairSeed = seedOf(attempt);
    memory.fill(t.pairSlots, 0, (<usize>t.pairMask + 1) << 2);
    let rank: u32 = 0;
    while (rank < t.mergeCount && enterMerge(t, rank) != Entered.CROWDED) rank += 1;
    if (rank == t.mergeCount) return true;
  }
  return crowded(core);
}

function crowded(core: Core): bool {
  fail(core, ErrorCode.BAD_FILE, "the vocabulary is made so that looking a text up takes for ever; take another file");
  return false;
}

/** Whether a U+2581 stands behind another character. */
function hasSpaceInside(text: usize, length: u32): bool {
  let other = false;
  const end = text + length;
  while (text < end) {
    if (end - text >= 3 && isSpaceMark(text)) {
      if (other) return true;
      text += 3;
    } else {
      other = true;
      text++;
    }
  }
  return false;
}

/** Reads "A B" a merge. Where a part or the result is no token, a hidden symbol stands for it. */
function readMerges(core: Core, t: Tokenizer, source: VocabularySource): bool {
  let absent: u32 = 0;
  let at = source.merges;
  const end = source.mergesEnd;
  for (let rank: u32 = 0; rank < t.mergeCount; rank++) {
    if (at > end || end - at < 8 || load<u64>(at) > <u64>(end - at - 8)) {
      fail(core, ErrorCode.BAD_FILE, "merge {} ends behind the list of merges: the file is damaged", rank);
      return false;
    }
    const text = at + 8;
    const length = <usize>load<u64>(at);
    at = text + length;
    let split: usize = 1;
    while (split < length && load<u8>(text + split) != 0x20) split++;
    if (split >= length) {
      fail(core, ErrorCode.BAD_FILE, "merge {} is not two symbols with a space between them", rank);
      return false;
    }
    const right = text + split + 1;
    const rest = length - split - 1;
    const record = t.merges + <usize>rank * 12;
    store<u32>(record, findToken(t, text, split));
    store<u32>(record, findToken(t, right, rest), 4);
    store<u32>(record, findText(t, text, split, right, rest), 8);
    for (let part: usize = 0; part < 12; part += 4) absent += u32(load<u32>(record + part) == NONE);
  }
  if (absent != 0) {
    if (!enterHidden(core, t, source.merges, absent)) return false;
    t.spaceInside = true;
  }
  return enterMerges(core, t);
}

function enterHidden(core: Core, t: Tokenizer, merges: usize, most: u32): bool {
  const records = <u64>most * offsetof<HiddenSymbol>();
  const slots = slotsFor(most);
  t.hidden = allocate(core, records + 4 * <u64>slots, "the symbols of merges");
  if (t.hidden == 0) return false;
  t.hiddenSlots = t.hidden + <usize>records;
  t.hiddenMask = slots - 1;
  for (let rank: u32 = 0; rank < t.mergeCount; rank++) {
    const text = merges + 8;
    const length = <u32>load<u64>(merges);
    merges = text + length;
    let split: u32 = 1;
    while (load<u8>(text + split) != 0x20) split++;
    const right = text + split + 1;
    const rest = length - split - 1;
    const record = t.merges + <usize>rank * 12;
    if (load<u32>(record) == NONE) store<u32>(record, findHidden(t, text, split, right, 0, true));
    if (load<u32>(record, 4) == NONE) store<u32>(record, findHidden(t, right, rest, right, 0, true), 4);
    if (load<u32>(record, 8) == NONE) store<u32>(record, findHidden(t, text, split, right, rest, true), 8);
    for (let part: usize = 0; part < 12; part += 4) if (load<u32>(record + part) == NONE) return crowded(core);
  }
  return true;
}

/** The symbol of each byte's character. The slot table's own word serves as the place to write the character. */
function findByteSymbols(t: Tokenizer): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    const slot = t.byteSymbols + ((<usize>byte) << 2);
    const length = encodeShort(characterOfByte(byte), slot);
    let symbol = findToken(t, slot, length);
    if (symbol == NONE) symbol = findHidden(t, slot, length, slot, 0, false);
    store<u32>(slot, symbol);
  }
}

/** The token `<0xHH>` of each byte, or else the byte as a token of its own. */
function findByteTokens(t: Tokenizer): void {
  const scratch = t.singles;
  for (let byte: u32 = 0; byte < 256; byte++) {
    store<u8>(scratch, 0x3c);
    store<u8>(scratch, 0x30, 1);
    store<u8>(scratch, 0x78, 2);
    store<u8>(scratch, hexDigit(byte >> 4), 3);
    store<u8>(scratch, hexDigit(byte & 15), 4);
    store<u8>(scratch, 0x3e, 5);
    let token = findToken(t, scratch, 6);
    if (token == NONE) {
      store<u8>(scratch, <u8>byte);
      token = findToken(t, scratch, 1);
    }
    setU32(t.byteSymbols, byte, token);
  }
  memory.fill(scratch, 0, 8);
}

function hexDigit(value: u32): u8 {
  return <u8>(value < 10 ? 48 + value : 55 + value);
}

function setIds(t: Tokenizer, source: VocabularySource): void {
  const spm = !HAS_BPE || t.model == TokenizerModel.SPM;
  const byScore = spm && !t.byRank;
  let end: i32 = -1;
  if (!spm && OLD_DEFAULT < t.count && load<u8>(t.attributes + OLD_DEFAULT) == <u8>TokenType.CONTROL) {
    end = <i32>OLD_DEFAULT;
  }
  const noBos = HAS_BPE && !spm && hasNoBos(source.preName, source.preNameLength);
  t.bos = id(t, source.bos, byScore ? 1 : noBos ? -1 : end);
  t.eos = id(t, source.eos, byScore ? 2 : end);
  t.unk = id(t, source.unk, byScore ? 0 : -1);
  t.sep = id(t, source.sep, -1);
  t.pad = id(t, source.pad, -1);
  t.mask = id(t, source.mask, -1);
  t.eot = id(t, source.eot, -1);
  t.eom = id(t, source.eom, -1);
  t.fimPre = id(t, source.fimPre, -1);
  t.fimSuf = id(t, source.fimSuf, -1);
  t.fimMid = id(t, source.fimMid, -1);
  t.fimPad = id(t, source.fimPad, -1);
  t.fimRep = id(t, source.fimRep, -1);
  t.fimSep = id(t, source.fimSep, -1);
}

/** An id of the file when the vocabulary has it, else the default when the vocabulary has that. */
function id(t: Tokenizer, value: i32, absent: i32): i32 {
  if (<u32>value < t.count) return value;
  return <u32>absent < t.count ? absent : -1;
}
