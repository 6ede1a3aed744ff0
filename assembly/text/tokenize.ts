/**
 * From text to tokens: special tokens are cut out, what is between them goes to the vocabulary's own tokenizer, BOS and
 * EOS are added where the vocabulary wants them and the caller asks.
 */
import { u32At } from "../memory/bytes";
import { Core, ErrorCode, fail } from "../memory/core";
import { splitBpe, tokenizeBpe } from "./bpe";
import { Cuts, Plain, endCuts, findAt, findCuts, isCut, isTaken } from "./partition";
import { tokenizeRwkv } from "./rwkv";
import { tokenizeSpm } from "./spm";
import { Tokenizer, tokenLength, TokenizerModel } from "./tokenizer";
import { HAS_BPE, HAS_RWKV, HAS_SPM, HAS_UNIGRAM, HAS_WORDPIECE } from "../parts";
import { tokenizeUnigram } from "./unigram";
import { tokenizeWordPiece } from "./wordpiece";
import { beginWork, emit, endWork, Work } from "./work";

export namespace TokenizeFlag {
  /** BOS and EOS, where the vocabulary wants them. */
  export const ADD_SPECIAL: u32 = 1;
  /** Texts of control and unknown tokens become those tokens. */
  export const PARSE_SPECIAL: u32 = 2;
}

/**
 * Writes the first `capacity` tokens of a UTF-8 text to `target` (i32[capacity]) and returns how many there are, which
 * may be more; below zero: an error. Any bytes are read as they are; NUL is a character like others.
 */
export function tokenize(
  core: Core, t: Tokenizer, text: usize, length: u32, flags: u32, target: usize, capacity: u32,
): i32 {
  return tokenizePlain(core, t, text, length, flags, changetype<Plain>(0), target, capacity);
}

/** As `tokenize`, with parts of the text that hold no control tokens, whatever they say. */
export function tokenizePlain(
  core: Core, t: Tokenizer, text: usize, length: u32, flags: u32, plain: Plain, target: usize, capacity: u32,
): i32 {
  if (length > 0x7fffffff) return fail(core, ErrorCode.BAD_ARGUMENT, "a text to tokenize has at most 2 GiB");
  const work = beginWork(core, t, target, capacity);
  if (changetype<usize>(work) == 0) return core.errorCode;
  const cuts = findCuts(core, t, text, length, (flags & TokenizeFlag.PARSE_SPECIAL) != 0, plain);
  if (changetype<usize>(cuts) == 0) {
    endWork(work);
    return core.errorCode;
  }
  const special = (flags & TokenizeFlag.ADD_SPECIAL) != 0;
  if (special && t.addBos && t.bos >= 0) emit(work, <u32>t.bos);
  tokenizePieces(work, cuts);
  if (special && t.addEos && t.eos >= 0) emit(work, <u32>t.eos);
  if (special && t.addSep && t.sep >= 0) emit(work, <u32>t.sep);
  const count = work.failed ? core.errorCode : <i32>work.count;
  endCuts(cuts);
  endWork(work);
  return count;
}

/** Writes where the words of a text end, for BPE; as `tokenize` otherwise. */
export function splitWords(core: Core, t: Tokenizer, text: usize, length: u32, target: usize, capacity: u32): i32 {
  if (!HAS_BPE || t.model != TokenizerModel.BPE) return 0;
  if (length > 0x7fffffff) return fail(core, ErrorCode.BAD_ARGUMENT, "a text to tokenize has at most 2 GiB");
  const work = beginWork(core, t, target, capacity);
  if (changetype<usize>(work) == 0) return core.errorCode;
  splitBpe(work, text, text + length);
  const count = <i32>work.count;
  endWork(work);
  return count;
}

function tokenizePieces(work: Work, cuts: Cuts): void {
  const t = work.tokenizer;
  let at: u32 = 0;
  for (let i: u32 = 0; i < cuts.count && !work.failed; i++) {
    const find = findAt(cuts, i);
    if (!isCut(find)) continue;
    const token = u32At(t.specials, find.index);
    tokenizeStretch(work, cuts, at, find.end - tokenLength(t, token));
    emit(work, token);
    at = find.end;
  }
  if (!work.failed) tokenizeStretch(work, cuts, at, cuts.length);
}

/** Tokenizes a stretch between special tokens, less the white space that belongs to them. */
function tokenizeStretch(work: Work, cuts: Cuts, at: u32, end: u32): void {
  const t = work.tokenizer;
  if (cuts.taken != 0) {
    while (at < end && isTaken(cuts, at)) at++;
    while (end > at && isTaken(cuts, end - 1)) end--;
  }
  if (at >= end) return;
  const from = cuts.text + at;
  const to = cuts.text + end;
  switch (t.model) {
    case TokenizerModel.BPE: if (HAS_BPE) tokenizeBpe(work, from, to); break;
    case TokenizerModel.SPM: if (HAS_SPM) tokenizeSpm(work, from, to, t.addSpacePrefix); break;
    case TokenizerModel.WORDPIECE: if (HAS_WORDPIECE) tokenizeWordPiece(work, from, to); break;
    case TokenizerModel.UNIGRAM: if (HAS_UNIGRAM) tokenizeUnigram(work, from, to); break;
    default: if (HAS_RWKV) tokenizeRwkv(work, from, to);
  }
}
