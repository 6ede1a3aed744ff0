/**
 * FlexBuffers, as custom operators of TFLite files have their options: a map from words to numbers. Nothing is trusted:
 * what leads out of the bytes is a map without the word.
 *
 *     … keys │ distance to them │ their width │ count │ values … │ types … │ … │ distance to the map │ type │ width
 *            └──────────────── of the map's width ────────────────┘  bytes
 *
 * Source: google.github.io/flatbuffers, "FlexBuffers".
 */
import { letterAt } from "../memory/bytes";

/** Types of values, as the format numbers them. */
namespace Flex {
  export const INT: u32 = 1;
  export const UINT: u32 = 2;
  export const INDIRECT_INT: u32 = 6;
  export const INDIRECT_UINT: u32 = 7;
  export const MAP: u32 = 9;
  export const BOOL: u32 = 26;
}

/** A number of `width` bytes at a place of `length` bytes at `at`; −1 outside of them or where it is negative. */
function numberAt(at: usize, length: u32, place: i64, width: u32): i64 {
  if (place < 0 || place + width > <i64>length) return -1;
  const p = at + <usize>place;
  if (width == 1) return <i64>load<u8>(p);
  if (width == 2) return <i64>load<u16>(p);
  if (width == 4) return <i64>load<u32>(p);
  return width == 8 ? load<i64>(p) : -1;
}

/** The whole number ≥ 0 that a map of `length` bytes at `at` has for a word; −1: it has none. */
export function flexNumber(at: usize, length: u32, word: string): i64 {
  if (length < 3) return -1;
  const rootWidth = load<u8>(at + length - 1);
  const rootType = load<u8>(at + length - 2);
  if (rootType >> 2 != Flex.MAP) return -1;
  const width: u32 = 1 << (rootType & 3);
  const rootPlace = <i64>length - 2 - rootWidth;
  const distance = numberAt(at, length, rootPlace, rootWidth);
  const map = rootPlace - distance;
  if (distance <= 0 || distance > rootPlace) return -1;
  const count = numberAt(at, length, map - width, width);
  const keyWidth = numberAt(at, length, map - 2 * width, width);
  const keysDistance = numberAt(at, length, map - 3 * width, width);
  const keys = map - 3 * width - keysDistance;
  if (count < 0 || count > <i64>length || keyWidth < 1 || keyWidth > 8) return -1;
  if (keysDistance < 0 || keysDistance > <i64>length) return -1;
  for (let i: i64 = 0; i < count; i++) {
    const place = keys + i * keyWidth;
    const back = numberAt(at, length, place, <u32>keyWidth);
    if (back < 0 || back > place || !isWord(at, length, place - back, word)) continue;
    const value = map + i * width;
    const type = numberAt(at, length, map + count * width + i, 1);
    if (type < 0) return -1;
    switch (<u32>type >> 2) {
      case Flex.INT:
      case Flex.UINT:
      case Flex.BOOL: return numberAt(at, length, value, width);
      case Flex.INDIRECT_INT:
      case Flex.INDIRECT_UINT: {
        const far = numberAt(at, length, value, width);
        return far < 0 || far > value ? -1 : numberAt(at, length, value - far, 1 << (<u32>type & 3));
      }
      default: return -1;
    }
  }
  return -1;
}

/** Whether the letters at a place are a word, with a 0 behind them. */
function isWord(at: usize, length: u32, place: i64, word: string): bool {
  let i: u32 = 0;
  for (; place + i < <i64>length; i++) {
    const letter = letterAt(word, i);
    if (<u32>load<u8>(at + <usize>place + i) != <u32>letter) return false;
    if (letter == 0) return true;
  }
  return false;
}
