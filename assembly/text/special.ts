/**
 * Special tokens: which tokens end generation or stand for a place in a file (by key, or else by their text), and the
 * automaton by which `partition.ts` finds control, unknown and user-defined tokens in a text.
 */
import { letterAt, letterCount, lettersFrom, setU32, u32At } from "../memory/bytes";
import { Core } from "../memory/core";
import { Automaton, buildAutomaton, longestItem } from "./automaton";
import { heapPop, heapPush } from "./heap";
import { findToken } from "./lookup";
import { HAS_BPE } from "../parts";
import { stripsBeforeMask } from "./pretokenizer_names";
import { NONE, TokenAttribute, Tokenizer, TokenizerModel, tokenLength } from "./tokenizer";
import { TokenType, typeOf, VocabularySource } from "./tokenizer";
import { buildTrie, Trie, valueOf } from "./trie";

/** No more tokens than these become special by their text. */
export const SPECIAL_NAMES: u32 = 64;

/** A text that ends a turn or a document; "｜" and "▁" are DeepSeek's own bars. */
const END_OF_TURN = "<|eot_id|> <|im_end|> <|end|> <end_of_turn> <|endoftext|> <|end_of_text|> <EOT> _<EOT>";
const END_OF_TURN_MORE = "[EOT] <｜end▁of▁sentence｜> <end_of_utterance>";
const END_OF_MESSAGE = "<|eom_id|>";
const FIM_PREFIX = "<|fim_prefix|> <fim-prefix> <fim_prefix> <｜fim▁begin｜> <PRE> ▁<PRE> <|code_prefix|> <|prefix|>";
const FIM_SUFFIX = "<|fim_suffix|> <fim-suffix> <fim_suffix> <｜fim▁hole｜> <SUF> ▁<SUF> <|code_suffix|> <|suffix|>";
const FIM_MIDDLE = "<|fim_middle|> <fim-middle> <fim_middle> <｜fim▁end｜> <MID> ▁<MID> <|code_middle|> <|middle|>";
const FIM_PAD = "<|fim_pad|> <fim-pad> <fim_pad> <PAD> [PAD]";
const FIM_REPOSITORY = "<|fim_repo|> <|repo_name|> <fim-repo> <REPO> <reponame>";
const FIM_SEPARATOR = "<|file_sep|>";
/** Every token with one of these texts ends generation, whatever the keys say. */
const ENDS = "<|eot_id|> <|im_end|> <|end|> <end_of_turn> <|endoftext|> <|eom_id|> <EOT> _<EOT> <|end_of_text|>";
const ENDS_MORE =
  "<end_of_utterance> <|return|> <|call|> <|flush|> <|calls|> [EOT] [EOS] <eos> <turn|> <｜end▁of▁sentence｜> [e~[";
/** gemma4's, whose `</s>` is a word of HTML. */
const TOOL_RESPONSE = "<|tool_response>";
/** Where these two are, and where those two are, <|end|> ends a message of an answer, and the answer goes on. */
const HARMONY = "<|return|> <|call|>";
const SOLAR = "<|calls|> <|flush|>";
/** What is between messages of one answer, so that who reads it can tell them apart: texts, not control tokens. */
const SHOWN = "<|channel|> <|message|> <|start|> <|constrain|>";

/** Settles the ids that the file does not give, the types of tokens known by text, and which tokens end generation. */
export function markSpecialTokens(t: Tokenizer, source: VocabularySource): void {
  if (t.eot < 0) t.eot = adopt(t, END_OF_TURN);
  if (t.eot < 0) t.eot = adopt(t, END_OF_TURN_MORE);
  if (t.eom < 0) t.eom = adopt(t, END_OF_MESSAGE);
  if (t.fimPre < 0) t.fimPre = adopt(t, FIM_PREFIX);
  if (t.fimSuf < 0) t.fimSuf = adopt(t, FIM_SUFFIX);
  if (t.fimMid < 0) t.fimMid = adopt(t, FIM_MIDDLE);
  if (t.fimPad < 0) t.fimPad = adopt(t, FIM_PAD);
  if (t.fimRep < 0) t.fimRep = adopt(t, FIM_REPOSITORY);
  if (t.fimSep < 0) t.fimSep = adopt(t, FIM_SEPARATOR);
  markEnds(t, ENDS);
  markEnds(t, ENDS_MORE);
  if (findWord(t, TOOL_RESPONSE, 0) != NONE) markEnds(t, TOOL_RESPONSE);
  else {
    const end = findWord(t, "</s>", 0);
    if (end != NONE && typeOf(t, end) == TokenType.CONTROL) markEnd(t, <i32>end);
  }
  markEnd(t, t.eos);
  markEnd(t, t.eot);
  markEnd(t, t.eom);
  markEnd(t, t.fimPad);
  markEnd(t, t.fimRep);
  markEnd(t, t.fimSep);
  setTypes(t, SHOWN, TokenType.USER_DEFINED);
  if (hasAll(t, HARMONY) || hasAll(t, SOLAR)) {
    setWord(t, "<|end|>", TokenAttribute.END, false);
    setTypes(t, "<|end|>", TokenType.USER_DEFINED);
  }
  if (HAS_BPE && t.model == TokenizerModel.BPE && stripsBeforeMask(source.preName, source.preNameLength)) {
    setWord(t, "<mask>", TokenAttribute.STRIP_BEFORE, true);
  }
  if (isPhi3(source.generalName, source.generalNameLength)) {
    for (let i: u32 = 0; i < t.count; i++) if (isSpecial(t, i)) setAttribute(t, i, TokenAttribute.STRIP_BEHIND, true);
    setWord(t, "</s>", TokenAttribute.STRIP_BEHIND, true);
    setWord(t, "<unk>", TokenAttribute.STRIP_BEHIND, false);
    setWord(t, "<s>", TokenAttribute.STRIP_BEHIND, false);
    setWord(t, "<|endoftext|>", TokenAttribute.STRIP_BEHIND, false);
  }
}

/** The first word of the list that is a token, which becomes a control token; -1. */
function adopt(t: Tokenizer, words: string): i32 {
  for (let at: u32 = 0, end = letterCount(words); at < end; at = wordEnd(words, at) + 1) {
    const token = findWord(t, words, at);
    if (token == NONE) continue;
    setType(t, token, TokenType.CONTROL);
    return <i32>token;
  }
  return -1;
}

function markEnds(t: Tokenizer, words: string): void {
  setTypes(t, words, TokenType.CONTROL);
  for (let at: u32 = 0, end = letterCount(words); at < end; at = wordEnd(words, at) + 1) {
    markEnd(t, <i32>findWord(t, words, at));
  }
}

/** Gives the tokens of these words a type. */
function setTypes(t: Tokenizer, words: string, type: u32): void {
  for (let at: u32 = 0, end = letterCount(words); at < end; at = wordEnd(words, at) + 1) {
    const token = findWord(t, words, at);
    if (token != NONE) setType(t, token, type);
  }
}

/** Whether each of the words is a token. */
function hasAll(t: Tokenizer, words: string): bool {
  for (let at: u32 = 0, end = letterCount(words); at < end; at = wordEnd(words, at) + 1) {
    if (findWord(t, words, at) == NONE) return false;
  }
  return true;
}

function markEnd(t: Tokenizer, token: i32): void {
  if (token >= 0) setAttribute(t, <u32>token, TokenAttribute.END, true);
}

function setWord(t: Tokenizer, word: string, attribute: u32, on: bool): void {
  const token = findWord(t, word, 0);
  if (token != NONE) setAttribute(t, token, attribute, on);
}

function setAttribute(t: Tokenizer, token: u32, attribute: u32, on: bool): void {
  const at = t.attributes + token;
  const others = <u32>load<u8>(at) & ~attribute;
  store<u8>(at, <u8>(on ? others | attribute : others));
}

function setType(t: Tokenizer, token: u32, type: u32): void {
  const at = t.attributes + token;
  store<u8>(at, <u8>((<u32>load<u8>(at) & ~TokenAttribute.TYPE) | type));
}

function wordEnd(words: string, at: u32): u32 {
  while (letterAt(words, at) != 0 && letterAt(words, at) != 0x20) at++;
  return at;
}

/** The token whose text is the word at `at` of the list; NONE. */
function findWord(t: Tokenizer, words: string, at: u32): u32 {
  return findToken(t, lettersFrom(words, at), wordEnd(words, at) - at);
}

/** Whether the model's name has "phi-3" or "phi3" in it, in any case. */
function isPhi3(name: usize, length: u32): bool {
  for (let i: u32 = 0; i + 4 <= length; i++) {
    if ((load<u32>(name + i) | 0x00202020) == 0x2d696870) {
      if (i + 5 <= length && load<u8>(name + i + 4) == 0x33) return true;
    } else if ((load<u32>(name + i) | 0x00202020) == 0x33696870) return true;
  }
  return false;
}

@inline
export function isSpecial(t: Tokenizer, token: u32): bool {
  const type = typeOf(t, token);
  return type == TokenType.CONTROL || type == TokenType.UNKNOWN || type == TokenType.USER_DEFINED;
}

/**
 * Fills `specials`, `shorter` and `userDefined`, and makes the automaton; false with an error set. `scratch` holds 8
 * bytes a special token.
 */
export function buildSpecialIndex(core: Core, t: Tokenizer, scratch: usize): bool {
  let count: u32 = 0;
  for (let i: u32 = 0; i < t.count; i++) {
    const length = tokenLength(t, i);
    if (length == 0 || !isSpecial(t, i)) continue;
    heapPush(scratch, count++, ((<u64>(NONE - length)) << 32) | i);
    if (typeOf(t, i) == TokenType.USER_DEFINED) t.userDefinedCount++;
  }
  t.specialCount = count;
  if (count == 0) return true;
  for (let i: u32 = 0; i < count; i++) {
    setU32(t.specials, i, <u32>heapPop(scratch, count - i));
  }
  for (let i: u32 = 0; i < count; i++) setU32(scratch, i, i);
  t.specialTrie = buildTrie(core, t, scratch, count, t.specials);
  if (t.specialTrie == 0) return false;
  const trie = changetype<Trie>(t.specialTrie);
  t.specialAutomaton = buildAutomaton(core, trie);
  if (t.specialAutomaton == 0) return false;
  const automaton = changetype<Automaton>(t.specialAutomaton);
  for (let node: u32 = 0; node < trie.count; node++) {
    const index = valueOf(trie, node);
    if (index != NONE) setU32(t.shorter, index, longestItem(automaton, u32At(automaton.falls, node)));
  }
  // A shorter token stands behind in the list.
  for (let i = count; i-- > 0; ) {
    const shorter = u32At(t.shorter, i);
    const other = shorter == NONE ? NONE : u32At(t.userDefined, shorter);
    setU32(t.userDefined, i, typeOf(t, u32At(t.specials, i)) == TokenType.USER_DEFINED ? i : other);
  }
  return true;
}
