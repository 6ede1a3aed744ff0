/**
 * What WordPiece makes of a code point: its letter without accents, lower case, or both, by two sorted tables that are
 * made when a vocabulary is loaded. The tables of the build are lists of (code point, target) in order, as numbers of
 * seven bits a byte, the lowest first:
 *
 *     ┌ 2 · (target − expected, 0 −1 1 −2 … as 0 1 2 3 …) + not the next code point ┬ [code points left out between] ┐
 *
 * in which the expected target is as far from the last as the code point is. Targets from 0x110000 on are indices into
 * `SEVERAL`. Hangul is decomposed by rule.
 */
import { allocateRaw } from "../memory/arena";
import { setU64, u64At } from "../memory/bytes";
import { Core } from "../memory/core";
import { BASES, BASE_COUNT, DROP_RUNS, DROP_RUN_COUNT, LOWERS, LOWER_COUNT, SEVERAL } from "./fold_tables";
import { kindOf } from "./unicode";

/** Targets from here on are several code points. */
const FIRST_OF_SEVERAL: u32 = 0x11_0000;
const FIRST_CODE_POINT: u32 = 127;

/** Two sorted tables of what is asked for: u64 a pair, code point × 2^32 + target. */
@unmanaged
export class Folds {
  bases: usize;
  baseCount: u32;
  lowers: usize;
  lowerCount: u32;
  strips: bool;
  toLower: bool;
}

/** The tables to strip accents, to lower case, or for both; 0 with an error set. `release` gives them back. */
export function createFolds(core: Core, strips: bool, toLower: bool): usize {
  const baseCount: u32 = strips ? BASE_COUNT : 0;
  const lowerCount: u32 = toLower ? LOWER_COUNT : 0;
  const record = (offsetof<Folds>() + 7) & ~7;
  const block = allocateRaw(core, <u64>record + 8 * <u64>(baseCount + lowerCount), "WordPiece's letters");
  if (block == 0) return 0;
  const folds = changetype<Folds>(block);
  folds.strips = strips;
  folds.toLower = toLower;
  folds.bases = block + record;
  folds.baseCount = baseCount;
  folds.lowers = folds.bases + ((<usize>baseCount) << 3);
  folds.lowerCount = lowerCount;
  unpack(BASES, folds.bases, baseCount);
  unpack(LOWERS, folds.lowers, lowerCount);
  return block;
}

function unpack(list: usize, pairs: usize, count: u32): void {
  let codePoint = FIRST_CODE_POINT;
  let target = FIRST_CODE_POINT;
  for (let i: u32 = 0; i < count; i++) {
    const packed = numberAt(list);
    list += bytesOfNumber(packed);
    let step: u32 = 1;
    if (packed & 1) {
      const between = numberAt(list);
      list += bytesOfNumber(between);
      step = between + 2;
    }
    const off = packed >> 1;
    codePoint += step;
    target += step + (off & 1 ? ~(off >> 1) : off >> 1);
    setU64(pairs, i, ((<u64>codePoint) << 32) | target);
  }
}

function numberAt(at: usize): u32 {
  let byte = <u32>load<u8>(at++);
  let value = byte & 127;
  for (let shift: u32 = 7; byte >= 128; shift += 7) {
    byte = <u32>load<u8>(at++);
    value |= (byte & 127) << shift;
  }
  return value;
}

@inline
function bytesOfNumber(value: u32): u32 {
  return value < 1 << 7 ? 1 : value < 1 << 14 ? 2 : value < 1 << 21 ? 3 : 4;
}

@inline
function isUpper(codePoint: u32): bool {
  return codePoint - 0x41 < 26;
}

/** The target of a code point, itself where it has none. */
function find(pairs: usize, count: u32, codePoint: u32): u32 {
  let low: u32 = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    const pair = u64At(pairs, middle);
    if (<u32>(pair >> 32) == codePoint) return <u32>pair;
    if (<u32>(pair >> 32) < codePoint) low = middle + 1;
    else high = middle;
  }
  return codePoint;
}

/**
 * What a code point becomes: written to `target` (u32[3]); their number, one to three. Not for what is left out.
 */
export function fold(folds: Folds, codePoint: u32, target: usize): u32 {
  if (folds.strips && codePoint - 0xac00 < 11172) return decomposeHangul(codePoint - 0xac00, target);
  let to = codePoint < 128 ? codePoint : find(folds.bases, folds.baseCount, codePoint);
  if (folds.toLower && to < FIRST_OF_SEVERAL) {
    if (to >= 128) to = find(folds.lowers, folds.lowerCount, to);
    else if (isUpper(to)) to += 32;
  }
  if (to < FIRST_OF_SEVERAL) {
    store<u32>(target, to);
    return 1;
  }
  const several = SEVERAL + <usize>((to - FIRST_OF_SEVERAL) * 9);
  let count: u32 = 0;
  for (; count < 3; count++) {
    const one = load<u32>(several + <usize>(3 * count)) & 0xff_ffff;
    if (one == 0) break;
    store<u32>(target + ((<usize>count) << 2), one);
  }
  return count;
}

/** A syllable by its number → its two or three letters. */
function decomposeHangul(syllable: u32, target: usize): u32 {
  store<u32>(target, 0x1100 + syllable / 588);
  store<u32>(target, 0x1161 + (syllable % 588) / 28, 4);
  store<u32>(target, 0x11a7 + (syllable % 28), 8);
  return syllable % 28 == 0 ? 2 : 3;
}

/** Whether a mark (Mn, Mc, Me) is an accent (Mn). */
export function isAccent(mark: u32): bool {
  return (kindOf(mark, DROP_RUNS, DROP_RUN_COUNT) & 1) != 0;
}

/** Whether a code point of no class is a control (Cc, Cf, Co), and not one that is not assigned. */
export function isControl(codePoint: u32): bool {
  return (kindOf(codePoint, DROP_RUNS, DROP_RUN_COUNT) & 2) != 0;
}
