/**
 * A budget for reasoning: what a model writes between `<think>` and `</think>` is closed once it has so many tokens,
 * and the answer follows. The tags are looked for in the text, whatever tokens spell them; a prompt may end within
 * them, as templates do, if no control token stands behind.
 */
import { Core, ErrorCode, fail } from "../memory/core";
import { letterAt, u32At } from "../memory/bytes";
import { HAS_SAMPLERS } from "../parts";
import { tokenBytes } from "../text/detokenize";
import { TokenizeFlag, tokenize } from "../text/tokenize";
import { TokenType, Tokenizer, typeOf } from "../text/tokenizer";

/** As models that reason are taught to end it: on a line of its own, with an empty one behind. */
const CLOSING: string = "\n</think>\n\n";
/** Tokens that spell it at most: one a byte, and one that a vocabulary may put in front. */
const CLOSING_LIMIT: u32 = 12;
/** `<think>` and `</think>`, as the last bytes of a text read as a number. */
const OPEN: u64 = 0x3c_7468_696e_6b3e;
const OPEN_BYTES: u64 = 0xff_ffff_ffff_ffff;
const CLOSE: u64 = 0x3c2f_7468_696e_6b3e;

/** No budget. */
export const UNLIMITED: u32 = u32.MAX_VALUE;

@unmanaged
export class Reasoning {
  budget: u32;
  /** The text is between the tags. */
  isOpen: u32;
  /** Tokens of the answer that were. */
  spent: u32;
  /** Of the tokens that close it: how many there are, and how many came; they lie behind the record. */
  count: u32;
  given: u32;
  /** The last eight bytes of the text. */
  tail: u64;

  @inline
  get closing(): usize {
    return changetype<usize>(this) + offsetof<Reasoning>();
  }
}

export const REASONING_BYTES: usize = offsetof<Reasoning>() + ((<usize>CLOSING_LIMIT) << 2);

/** Sets a budget [tokens], or UNLIMITED. */
export function setBudget(core: Core, r: Reasoning, t: Tokenizer, budget: u32, text: usize): i32 {
  if (!HAS_SAMPLERS && budget != UNLIMITED) {
    return fail(core, ErrorCode.UNSUPPORTED, "this build has no budget for reasoning; take limpet.wasm");
  }
  r.budget = budget;
  if (!isLimited(r)) return 0;
  let length: u32 = 0;
  while (letterAt(CLOSING, length) != 0) {
    store<u8>(text + length, <u8>letterAt(CLOSING, length));
    length += 1;
  }
  const count = tokenize(core, t, text, length, TokenizeFlag.PARSE_SPECIAL, r.closing, CLOSING_LIMIT);
  r.count = count > 0 ? min(<u32>count, CLOSING_LIMIT) : 0;
  return min(count, 0);
}

@inline
function isLimited(r: Reasoning): bool {
  return HAS_SAMPLERS && r.budget != UNLIMITED;
}

/** Begins an answer behind u32[count] tokens. `text` has room for the text of a token. */
export function beginReasoning(r: Reasoning, t: Tokenizer, tokens: usize, count: u32, text: usize, room: u32): void {
  r.isOpen = 0;
  r.given = r.count;
  r.tail = 0;
  if (!isLimited(r)) return;
  for (let i: u32 = 0; i < count; i++) {
    if (typeOf(t, u32At(tokens, i)) == TokenType.CONTROL) r.isOpen = 0;
    readToken(r, t, u32At(tokens, i), text, room);
  }
  r.spent = 0;
  closeIfSpent(r);
}

/** The token that has to come next; −1: any. */
@inline
export function forcedToken(r: Reasoning): i32 {
  return HAS_SAMPLERS && r.given < r.count ? <i32>u32At(r.closing, r.given) : -1;
}

/** A token has come. */
export function addToken(r: Reasoning, t: Tokenizer, token: u32, text: usize, room: u32): void {
  if (!isLimited(r)) return;
  const wasOpen = r.isOpen;
  readToken(r, t, token, text, room);
  if (r.given < r.count) r.given += 1;
  else if (r.isOpen) {
    if (wasOpen) r.spent += 1;
    closeIfSpent(r);
  }
}

function closeIfSpent(r: Reasoning): void {
  if (r.isOpen && r.spent >= r.budget) r.given = 0;
}

function readToken(r: Reasoning, t: Tokenizer, token: u32, text: usize, room: u32): void {
  const length = tokenBytes(t, token, true, text, room);
  for (let i = 0; i < min(length, <i32>room); i++) {
    r.tail = (r.tail << 8) | <u64>load<u8>(text + i);
    if ((r.tail & OPEN_BYTES) == OPEN) r.isOpen = 1;
    else if (r.tail == CLOSE) r.isOpen = 0;
  }
}
