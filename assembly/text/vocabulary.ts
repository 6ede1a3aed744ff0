/**
 * From the keys of a file to a tokenizer: checks them, and builds the tables. One arena block holds everything:
 *
 *     ┌ Tokenizer ┬ texts u32[n] ┬ slots u32[2^a] ┬ byteSymbols u32[256] ┬ merges u32[3 m] ┬ pairSlots u32[2^b] ┬
 *     ┴ specials u32[s] ┬ shorter u32[s] ┬ userDefined u32[s] ┬ attributes u8[n] ┐
 *
 * about 4 + 1 + 8 bytes a token and 12 + 8 bytes a merge; the texts stay in the file's header. Time is linear.
 */
import { allocate, allocateRaw, release } from "../memory/arena";
import { f32At, sameText, setU32, u32At } from "../memory/bytes";
import { Core, ErrorCode, bytesOf, fail, say, sayBytes, wordsOf } from "../memory/core";
import { beginHeld, beginLeftOut, endLeftOut } from "../memory/left_out";
import { HAS_BPE, HAS_RWKV, HAS_SPM, HAS_UNIGRAM, HAS_WORDPIECE } from "../parts";
import { characterOfByte } from "./byte_characters";
import { createCharsmap } from "./charsmap";
import { createFolds } from "./folds";
import {
  Entered, SEEDS, enterMerge, enterToken, seedOf, findHidden, findText, findToken, HiddenSymbol, slotsFor,
} from "./lookup";
import { addsBos, cleansSpaces, hasNoBos, ignoresMerges, sayNames, Scheme, schemeOf } from "./pretokenizer_names";
import { unescapeTokens } from "./rwkv";
import { buildSpecialIndex, markSpecialTokens, SPECIAL_NAMES } from "./special";
import { buildAutomaton } from "./automaton";
import { buildTrie, childOf, rootChild, Trie } from "./trie";
import { unknownScore } from "./unigram";
import {
  NONE, TokenType, Tokenizer, TokenizerModel, VocabularySource, isSpaceMark, tokenLength, tokenText, typeOf,
} from "./tokenizer";
import { encodeShort } from "./utf8";

const MOST_TOKENS: u32 = (1 << 24) - 1;
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
  if (readTokens(core, t, source) && (!merges || readMerges(core, t, source)) && setIds(core, t, source)) {
    if (HAS_SPM && model == TokenizerModel.SPM) findByteTokens(t);
    else if (HAS_BPE && model == TokenizerModel.BPE) findByteSymbols(t);
    markSpecialTokens(t, source);
    const scratch = allocate(core, (<u64>countSpecials(source) + 1) * 8, "the list of special tokens");
    if (scratch != 0) {
      const indexed = buildSpecialIndex(core, t, scratch);
      release(core, scratch);
      if (indexed && createParts(core, t, source)) return block;
    }
  }
  releaseTokenizer(core, block);
  return 0;
}

/** Gives a tokenizer's memory back. 0 is allowed. */
export function releaseTokenizer(core: Core, tokenizer: usize): void {
  if (tokenizer == 0) return;
  const t = changetype<Tokenizer>(tokenizer);
  release(core, t.hidden);
  release(core, t.specialTrie);
  release(core, t.specialAutomaton);
  if (HAS_UNIGRAM || HAS_RWKV) release(core, t.automaton);
  release(core, t.trie);
  release(core, t.folds);
  release(core, t.charsmap);
  release(core, t.unescaped);
  release(core, t.answers);
  release(core, t.beginnings);
  release(core, tokenizer);
}

/** The model's number, or 0 with an error set. */
function checkSource(core: Core, source: VocabularySource): u32 {
  const byRank = mergesByRank(source);
  const model = modelOf(source, byRank);
  if (model == 0 && source.modelNameLength == 0) {
    fail(core, ErrorCode.BAD_FILE, "the file names no tokenizer (tokenizer.ggml.model is missing)");
    return 0;
  }
  if (model == 0) {
    fail(
      core, ErrorCode.UNSUPPORTED,
      "the tokenizer '{s}' is not supported; supported are: gpt2 (byte-level BPE), llama (SentencePiece), gemma4, bert \
(WordPiece), t5 (unigrams), rwkv", bytesOf(source.modelName, source.modelNameLength),
    );
    return 0;
  }
  if (!isHeld(model) || (byRank && !HAS_BPE)) {
    failWithoutTokenizer(core, source);
    return 0;
  }
  if (source.tokens == 0 || source.tokenCount == 0) {
    fail(core, ErrorCode.BAD_FILE, "the vocabulary is empty (tokenizer.ggml.tokens)");
    return 0;
  }
  if (source.tokenCount > MOST_TOKENS || source.mergeCount > MOST_MERGES) {
    fail(core, ErrorCode.BAD_FILE, "the vocabulary is too large: fewer than 2^24 tokens and at most 2^25 merges");
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
  if (source.removeExtraSpaces > 0 && model != TokenizerModel.UNIGRAM) {
    fail(
      core, ErrorCode.UNSUPPORTED,
      "the metadata key tokenizer.ggml.remove_extra_whitespaces asks for what limpet does not do yet: texts would be \
other tokens",
    );
    return 0;
  }
  if (HAS_UNIGRAM && model == TokenizerModel.UNIGRAM && !checkScores(core, source)) return 0;
  if (!HAS_BPE || (model != TokenizerModel.BPE && !byRank)) return model;
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

/** The tokenizer that a file names; 0: none that we know. */
function modelOf(source: VocabularySource, byRank: bool): u32 {
  const name = source.modelName;
  const length = source.modelNameLength;
  if (byRank || sameText(name, length, "llama")) return TokenizerModel.SPM;
  if (sameText(name, length, "gpt2")) return TokenizerModel.BPE;
  if (sameText(name, length, "bert")) return TokenizerModel.WORDPIECE;
  if (sameText(name, length, "t5")) return TokenizerModel.UNIGRAM;
  return sameText(name, length, "rwkv") ? TokenizerModel.RWKV : 0;
}

/** Whether this build has a tokenizer. */
function isHeld(model: u32): bool {
  switch (model) {
    case TokenizerModel.BPE: return HAS_BPE;
    case TokenizerModel.SPM: return HAS_SPM;
    case TokenizerModel.WORDPIECE: return HAS_WORDPIECE;
    case TokenizerModel.UNIGRAM: return HAS_UNIGRAM;
    default: return HAS_RWKV;
  }
}

/** Unigrams add scores up: each must be a number. */
function checkScores(core: Core, source: VocabularySource): bool {
  if (source.scores == 0) {
    const words = "a vocabulary of unigrams needs its scores, and the file has none (tokenizer.ggml.scores)";
    fail(core, ErrorCode.BAD_FILE, words);
    return false;
  }
  for (let i: u32 = 0; i < source.scoreCount; i++) {
    if (isFinite(f32At(source.scores, i))) continue;
    fail(core, ErrorCode.BAD_FILE, "the score of token {} is no finite number (tokenizer.ggml.scores)", i);
    return false;
  }
  return true;
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
  if (HAS_WORDPIECE) say(core, " bert");
  if (HAS_UNIGRAM) say(core, " t5");
  if (HAS_RWKV) say(core, " rwkv");
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
  let words = 256 + tokens + <u64>slotsFor(source.tokenCount);
  words += 3 * <u64>countSpecials(source);
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
  t.shorter = at;
  at += specials;
  t.userDefined = at;
  at += specials;
  t.attributes = at;
}

function setOptions(t: Tokenizer, source: VocabularySource): void {
  const bpe = HAS_BPE && t.model == TokenizerModel.BPE;
  const spm = HAS_SPM && t.model == TokenizerModel.SPM;
  const wordPiece = HAS_WORDPIECE && t.model == TokenizerModel.WORDPIECE;
  const unigram = HAS_UNIGRAM && t.model == TokenizerModel.UNIGRAM;
  const pre = source.preName;
  const length = <usize>source.preNameLength;
  t.scheme = bpe && length != 0 ? schemeOf(pre, length) : Scheme.DEFAULT;
  t.scores = source.scores;
  t.suppressed = source.suppressed;
  t.suppressedCount = source.suppressedCount;
  t.ignoreMerges = bpe && ignoresMerges(pre, length);
  // gemma4's files say that they want no BOS, and the model does.
  t.addBos = t.byRank || option(source.addBos, spm || wordPiece || (bpe && addsBos(pre, length)));
  // WordPiece's texts end with SEP, which some files call EOS too.
  t.addEos = !wordPiece && option(source.addEos, unigram);
  t.addSep = wordPiece && option(source.addSep, true);
  t.addSpacePrefix = (spm || unigram) && !t.byRank && option(source.addSpacePrefix, spm);
  t.cleanSpaces = wordPiece || (bpe && cleansSpaces(pre, length));
  t.joinsSpaces = unigram && option(source.removeExtraSpaces, false);
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
    if (length == 0 || t.spaceInside) continue;
    const marks = (HAS_SPM && t.model == TokenizerModel.SPM) || (HAS_UNIGRAM && t.model == TokenizerModel.UNIGRAM);
    if (marks) t.spaceInside = hasSpaceInside(at - length, length);
  }
  if (HAS_RWKV && t.model == TokenizerModel.RWKV && !unescapeTokens(core, t)) return false;
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
  // The list of special tokens is filled later.
  const scratch = t.specials;
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
}

function hexDigit(value: u32): u8 {
  return <u8>(value < 10 ? 48 + value : 55 + value);
}

/** The ids of special tokens, as the file has them or as files of its tokenizer mean without them. */
function setIds(core: Core, t: Tokenizer, source: VocabularySource): bool {
  if (t.model >= TokenizerModel.WORDPIECE && !checkIds(core, source)) return false;
  const bpe = HAS_BPE && t.model == TokenizerModel.BPE;
  const spm = HAS_SPM && t.model == TokenizerModel.SPM && !t.byRank;
  const wordPiece = HAS_WORDPIECE && t.model == TokenizerModel.WORDPIECE;
  const unigram = HAS_UNIGRAM && t.model == TokenizerModel.UNIGRAM;
  let end: i32 = -1;
  if ((bpe || t.byRank) && OLD_DEFAULT < t.count && load<u8>(t.attributes + OLD_DEFAULT) == <u8>TokenType.CONTROL) {
    end = <i32>OLD_DEFAULT;
  }
  const noBos = bpe && hasNoBos(source.preName, source.preNameLength);
  // WordPiece's CLS, by either name.
  const bos = wordPiece && source.bos < 0 ? source.cls : source.bos;
  t.bos = id(t, bos, spm ? 1 : wordPiece ? 101 : noBos ? -1 : end);
  t.eos = id(t, source.eos, spm ? 2 : unigram ? 1 : end);
  t.unk = id(t, source.unk, spm ? 0 : wordPiece ? 100 : unigram ? 2 : -1);
  t.sep = id(t, source.sep, wordPiece ? 102 : -1);
  t.pad = id(t, source.pad, wordPiece || unigram ? 0 : -1);
  t.mask = id(t, source.mask, wordPiece ? 103 : -1);
  t.eot = id(t, source.eot, -1);
  t.eom = id(t, source.eom, -1);
  t.fimPre = id(t, source.fimPre, -1);
  t.fimSuf = id(t, source.fimSuf, -1);
  t.fimMid = id(t, source.fimMid, -1);
  t.fimPad = id(t, source.fimPad, -1);
  t.fimRep = id(t, source.fimRep, -1);
  t.fimSep = id(t, source.fimSep, -1);
  return true;
}

/** Whether the vocabulary has every id that the file names. */
function checkIds(core: Core, source: VocabularySource): bool {
  for (let at = offsetof<VocabularySource>("bos"); at <= offsetof<VocabularySource>("fimSep"); at += 4) {
    const value = load<i32>(changetype<usize>(source) + at);
    if (value == -1 || <u32>value < source.tokenCount) continue;
    const words = "a key tokenizer.ggml.*_token_id is {}, and the vocabulary has 0 to {}";
    fail(core, ErrorCode.BAD_FILE, words, <u32>value, source.tokenCount - 1);
    return false;
  }
  return true;
}

/** An id of the file when the vocabulary has it, else the default when the vocabulary has that. */
function id(t: Tokenizer, value: i32, absent: i32): i32 {
  if (<u32>value < t.count) return value;
  return <u32>absent < t.count ? absent : -1;
}

/** What a text is looked up in by tokenizers without merges. */
function createParts(core: Core, t: Tokenizer, source: VocabularySource): bool {
  if (HAS_WORDPIECE && t.model == TokenizerModel.WORDPIECE) {
    const lower = option(source.lowerCase, true);
    t.folds = createFolds(core, option(source.stripAccents, lower), lower);
    if (t.folds == 0 || !createTrie(core, t, false)) return false;
    t.wordStart = nodeOfMark(changetype<Trie>(t.trie));
  } else if (HAS_UNIGRAM && t.model == TokenizerModel.UNIGRAM) {
    t.unknownScore = unknownScore(t);
    t.charsmap = createCharsmap(core, source.charsmap, source.charsmapLength);
    return t.charsmap != 0 && createTrie(core, t, false) && createAutomaton(core, t);
  } else if (HAS_RWKV && t.model == TokenizerModel.RWKV) {
    return createTrie(core, t, true) && createAutomaton(core, t);
  }
  return true;
}

/** The tokens that a text may be written in, by their texts; `backwards`: from the ends on. */
function createTrie(core: Core, t: Tokenizer, backwards: bool): bool {
  const items = allocateRaw(core, 4 * <u64>t.count, "the vocabulary's beginnings");
  if (items == 0) return false;
  let count: u32 = 0;
  for (let i: u32 = 0; i < t.count; i++) {
    const type = typeOf(t, i);
    const unused = type == TokenType.UNUSED && t.model == TokenizerModel.UNIGRAM;
    const used = type == TokenType.NORMAL || type == TokenType.USER_DEFINED || unused;
    if (used && tokenLength(t, i) > 0) setU32(items, count++, i);
  }
  t.trie = buildTrie(core, t, items, count, 0, backwards);
  release(core, items);
  return t.trie != 0;
}

function createAutomaton(core: Core, t: Tokenizer): bool {
  t.automaton = buildAutomaton(core, changetype<Trie>(t.trie));
  return t.automaton != 0;
}

/** The node of U+2581; NONE. */
function nodeOfMark(trie: Trie): u32 {
  let node = rootChild(trie, 0xe2);
  if (node != NONE) node = childOf(trie, node, 0x96);
  return node == NONE ? NONE : childOf(trie, node, 0x81);
}
