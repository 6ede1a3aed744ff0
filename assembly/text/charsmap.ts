/**
 * SentencePiece's precompiled map of characters (`tokenizer.ggml.precompiled_charsmap`): the longest beginning of a
 * text that the map has is replaced. It is a double array, then the replacements, each with a zero behind it:
 *
 *     ┌ bytes of the array u32 ┬ unit u32 … ┬ text 0 text 0 … ┐
 *     unit:  base = bits 10 … 30, shifted left by 8 where bit 9 is set · bit 8 a value stands at base · bits 0 … 7 the
 *            byte that leads here, with bit 31 clear · of a value: bits 0 … 30, where its replacement begins
 *
 * The child of the place p by the byte c is the unit p ^ c, if that has the byte c; its own place is p ^ c ^ base. The
 * map is walked whole when it is loaded: every unit that a text could lead to lies in it, no way is longer than 250
 * bytes or goes round, and every value has a replacement that ends, within so many bytes. So no text can leave it, or
 * cost more than so many steps a byte.
 */
import { allocate, release } from "../memory/arena";
import { u32At } from "../memory/bytes";
import { Core, ErrorCode, fail, wordsOf } from "../memory/core";

/** The most bytes that one replacement has, or stands for. */
const LONGEST: u32 = 250;

@unmanaged
export class Charsmap {
  /** u32[count]; 0: there is no map. */
  units: usize;
  count: u32;
  texts: usize;
  textsEnd: usize;
}

@inline
function baseOf(unit: u32): u32 {
  return (unit >> 10) << ((unit & 0x200) >> 6);
}

@inline
function leadsBy(unit: u32, byte: u32): bool {
  return (unit & 0x8000_00ff) == byte;
}

@inline
function hasValue(unit: u32): bool {
  return (unit & 0x100) != 0;
}

/** The record of a map of `length` bytes, which is looked through; 0 with an error set. `release` gives it back. */
export function createCharsmap(core: Core, bytes: usize, length: u32): usize {
  const block = allocate(core, offsetof<Charsmap>(), "the map of characters");
  if (block == 0 || length == 0) return block;
  const map = changetype<Charsmap>(block);
  const arrayBytes: u32 = length < 4 ? 0 : load<u32>(bytes);
  let sound = false;
  if (arrayBytes < 4 || arrayBytes & 3 || arrayBytes > length - 4) damaged(core, "its array does not lie in it");
  else {
    map.units = bytes + 4;
    map.texts = map.units + arrayBytes;
    map.textsEnd = bytes + length;
    map.count = arrayBytes >> 2;
    sound = isSound(core, map);
  }
  if (sound) return block;
  release(core, block);
  return 0;
}

/** A place on the way through the map. */
@unmanaged
class Step {
  place: u32;
  /** The unit that led here. */
  unit: u32;
  /** The byte that was tried last. */
  byte: u32;
  /** The longest way on from here, as far as it has been seen. */
  height: u32;
}

/**
 * Walks the whole map. Ways may meet, as beginnings with one replacement do, and each unit is gone on from once; where
 * ways go round, they are longer than any.
 */
function isSound(core: Core, map: Charsmap): bool {
  const stepBytes = (<u64>LONGEST + 1) * offsetof<Step>();
  const scratch = allocate(core, stepBytes + <u64>map.count, "looking through the map of characters");
  if (scratch == 0) return false;
  const sound = walk(core, map, scratch, scratch + <usize>stepBytes);
  release(core, scratch);
  return sound;
}

@inline
function stepAt(steps: usize, depth: u32): Step {
  return changetype<Step>(steps + <usize>depth * offsetof<Step>());
}

/** `heights`: u8 a unit, 1 and the longest way on from it; 0: nobody was there. */
function walk(core: Core, map: Charsmap, steps: usize, heights: usize): bool {
  let depth: u32 = 0;
  if (!enter(map, stepAt(steps, 0), baseOf(load<u32>(map.units)), 0)) return damaged(core, "it leads out of its array");
  while (true) {
    const step = stepAt(steps, depth);
    if (step.byte == 255) {
      if (depth == 0) return true;
      store<u8>(heights + step.unit, <u8>(step.height + 1));
      depth -= 1;
      stepAt(steps, depth).height = max(stepAt(steps, depth).height, step.height + 1);
      continue;
    }
    step.byte += 1;
    const child = step.place ^ step.byte;
    const unit = u32At(map.units, child);
    if (!leadsBy(unit, step.byte)) continue;
    const height = <u32>load<u8>(heights + child);
    if (depth + max(height, 1) > LONGEST) return damaged(core, "it goes round, or has texts of more than 250 bytes");
    step.height = max(step.height, height);
    if (height != 0) continue;
    const next = child ^ baseOf(unit);
    depth += 1;
    if (!enter(map, stepAt(steps, depth), next, child)) return damaged(core, "it leads out of its array");
    if (hasValue(unit) && !hasText(map, u32At(map.units, next) & 0x7fff_ffff)) {
      return damaged(core, "a replacement does not lie in it, or is longer than 250 bytes");
    }
  }
}

/** Whether all that could follow a place lies in the array. */
function enter(map: Charsmap, step: Step, place: u32, unit: u32): bool {
  step.place = place;
  step.unit = unit;
  step.byte = 0;
  step.height = 0;
  return (place | 255) < map.count;
}

/** Whether a replacement begins here that ends soon enough. */
function hasText(map: Charsmap, offset: u32): bool {
  if (<usize>offset >= map.textsEnd - map.texts) return false;
  const text = map.texts + offset;
  const end = min(map.textsEnd, text + LONGEST + 1);
  for (let at = text; at < end; at++) if (load<u8>(at) == 0) return true;
  return false;
}

function damaged(core: Core, what: string): bool {
  fail(core, ErrorCode.BAD_FILE, "tokenizer.ggml.precompiled_charsmap is damaged: {w}", wordsOf(what));
  return false;
}

/**
 * The longest beginning of a text that the map replaces: its bytes × 2^32 + the address of the replacement, which ends
 * with a zero; 0 when there is none.
 */
export function longestMapped(map: Charsmap, text: usize, end: usize): u64 {
  if (map.count == 0) return 0;
  let longest: u64 = 0;
  let place = baseOf(load<u32>(map.units));
  for (let at = text; at < end; ) {
    const byte = <u32>load<u8>(at++);
    const child = place ^ byte;
    if (byte == 0) break;
    const unit = u32At(map.units, child);
    if (!leadsBy(unit, byte)) break;
    place = child ^ baseOf(unit);
    if (!hasValue(unit)) continue;
    const replacement = map.texts + (u32At(map.units, place) & 0x7fff_ffff);
    longest = ((<u64>(at - text)) << 32) | <u64>replacement;
  }
  return longest;
}
