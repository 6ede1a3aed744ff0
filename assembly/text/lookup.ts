/**
 * From text to token, and from a pair of symbols to the merge that joins them: two hash tables with open addressing and
 * linear probing, four bytes a slot, at most two thirds full. A text is given as two stretches, one behind the other:
 * "A" and "B" of a merge are looked up as "AB" without a copy.
 *
 * A file can be made so that its texts crowd into few slots. A table in which a text would stand more than LONGEST_WALK
 * slots from its own begins anew under another seed: no file crowds under all of them. Real vocabularies stay far
 * below.
 */
import { FNV32_START, fnv32, setU32, u32At } from "../memory/bytes";
import { NONE, Tokenizer, tokenLength, tokenText } from "./tokenizer";

/** Slots from a text's own to where it stands, at most: chance gives some 170 in a table of 2^18. */
const LONGEST_WALK: u32 = 400;
/** Seeds that are tried before a vocabulary is refused. */
export const SEEDS: u32 = 8;
const SEED_STEP: u32 = 0x9e3779b9;

/** The seed of a try, from 0 on. */
@inline
export function seedOf(attempt: u32): u32 {
  return attempt * SEED_STEP;
}

/** The number of slots for `count` entries: a power of two. */
export function slotsFor(count: u32): u32 {
  let slots: u32 = 16;
  while (<u64>slots * 2 < <u64>count * 3 && slots >> 31 == 0) slots <<= 1;
  return slots;
}

/** Mixes the high bits of a hash into the low ones, by which a slot is chosen. */
@inline
function spread(state: u32): u32 {
  const mixed = (state ^ (state >> 15)) * 0x2c1b3c6d;
  return mixed ^ (mixed >> 13);
}

/** The token whose text is `a` and then `b`; NONE. */
export function findText(t: Tokenizer, a: usize, aLength: usize, b: usize, bLength: usize): u32 {
  const length = aLength + bLength;
  if (length == 0 || length > <usize>t.longest) return NONE;
  let slot = spread(fnv32(fnv32(FNV32_START ^ t.seed, a, aLength), b, bLength)) & t.slotMask;
  while (true) {
    const token = u32At(t.slots, slot) - 1;
    if (token == NONE) return NONE;
    if (<usize>tokenLength(t, token) == length) {
      const text = tokenText(t, token);
      if (memory.compare(text, a, aLength) == 0 && memory.compare(text + aLength, b, bLength) == 0) return token;
    }
    slot = (slot + 1) & t.slotMask;
  }
}

@inline
export function findToken(t: Tokenizer, text: usize, length: usize): u32 {
  return findText(t, text, length, text, 0);
}

/** What became of an entry. */
export namespace Entered {
  export const NEW: u32 = 0;
  /** Another has the same text or pair. */
  export const TWIN: u32 = 1;
  /** The table is crowded: it must begin anew under another seed. */
  export const CROWDED: u32 = 2;
}

/** Enters a token by its text. */
export function enterToken(t: Tokenizer, token: u32): u32 {
  const text = tokenText(t, token);
  const length = tokenLength(t, token);
  let slot = spread(fnv32(FNV32_START ^ t.seed, text, length)) & t.slotMask;
  for (let walk: u32 = 0; walk < LONGEST_WALK; walk++) {
    const other = u32At(t.slots, slot) - 1;
    if (other == NONE) {
      setU32(t.slots, slot, token + 1);
      return Entered.NEW;
    }
    if (tokenLength(t, other) == length && memory.compare(tokenText(t, other), text, length) == 0) return Entered.TWIN;
    slot = (slot + 1) & t.slotMask;
  }
  return Entered.CROWDED;
}

@inline
export function mergeLeft(t: Tokenizer, rank: u32): u32 {
  return load<u32>(t.merges + <usize>rank * 12);
}

@inline
export function mergeRight(t: Tokenizer, rank: u32): u32 {
  return load<u32>(t.merges + <usize>rank * 12, 4);
}

@inline
export function mergedSymbol(t: Tokenizer, rank: u32): u32 {
  return load<u32>(t.merges + <usize>rank * 12, 8);
}

/** Two multiplications apart, so that pairs of one sum do not share their slots under every seed. */
@inline
function slotOfPair(t: Tokenizer, left: u32, right: u32): u32 {
  return spread(spread(left ^ t.pairSeed) * 0x9e3779b1 + right) & t.pairMask;
}

/** The rank of the merge that joins two symbols; NONE. */
export function findMerge(t: Tokenizer, left: u32, right: u32): u32 {
  let slot = slotOfPair(t, left, right);
  while (true) {
    const rank = u32At(t.pairSlots, slot) - 1;
    if (rank == NONE) return NONE;
    if (mergeLeft(t, rank) == left && mergeRight(t, rank) == right) return rank;
    slot = (slot + 1) & t.pairMask;
  }
}

/** Enters a merge by its pair, unless one of a lower rank has the same. */
export function enterMerge(t: Tokenizer, rank: u32): u32 {
  const left = mergeLeft(t, rank);
  const right = mergeRight(t, rank);
  let slot = slotOfPair(t, left, right);
  for (let walk: u32 = 0; walk < LONGEST_WALK; walk++) {
    const other = u32At(t.pairSlots, slot) - 1;
    if (other == NONE) {
      setU32(t.pairSlots, slot, rank + 1);
      return Entered.NEW;
    }
    if (mergeLeft(t, other) == left && mergeRight(t, other) == right) return Entered.TWIN;
    slot = (slot + 1) & t.pairMask;
  }
  return Entered.CROWDED;
}

/** A symbol that the vocabulary lacks: two stretches of text. */
@unmanaged
export class HiddenSymbol {
  a: usize;
  aLength: u32;
  b: usize;
  bLength: u32;
}

@inline
export function hiddenSymbol(t: Tokenizer, symbol: u32): HiddenSymbol {
  return changetype<HiddenSymbol>(t.hidden + <usize>(symbol - t.count) * offsetof<HiddenSymbol>());
}

/**
 * The symbol with this text, which is `count` + its index; entered when it is new and `enter` is set, else NONE; so
 * it is where symbols crowd.
 */
export function findHidden(t: Tokenizer, a: usize, aLength: u32, b: usize, bLength: u32, enter: bool): u32 {
  if (t.hidden == 0) return NONE;
  let slot = spread(fnv32(fnv32(FNV32_START ^ t.seed, a, aLength), b, bLength)) & t.hiddenMask;
  for (let walk: u32 = 0; ; walk++) {
    const index = u32At(t.hiddenSlots, slot) - 1;
    if (index == NONE) break;
    if (walk == LONGEST_WALK) return NONE;
    if (isText(hiddenSymbol(t, t.count + index), a, aLength, b, bLength)) return t.count + index;
    slot = (slot + 1) & t.hiddenMask;
  }
  if (!enter) return NONE;
  const symbol = t.count + t.hiddenCount++;
  const record = hiddenSymbol(t, symbol);
  record.a = a;
  record.aLength = aLength;
  record.b = b;
  record.bLength = bLength;
  setU32(t.hiddenSlots, slot, t.hiddenCount);
  return symbol;
}

function isText(record: HiddenSymbol, a: usize, aLength: u32, b: usize, bLength: u32): bool {
  if (record.aLength + record.bLength != aLength + bLength) return false;
  for (let i: u32 = 0; i < aLength + bLength; i++) {
    const mine = i < record.aLength ? load<u8>(record.a + i) : load<u8>(record.b + (i - record.aLength));
    if (mine != (i < aLength ? load<u8>(a + i) : load<u8>(b + (i - aLength)))) return false;
  }
  return true;
}
