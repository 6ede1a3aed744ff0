/**
 * A span: bytes somewhere in memory, as one number (address in the low half, length in the high half), so that it can
 * be passed and returned. And the few things that the command does with ASCII words.
 */
import { allocateRaw } from "../memory/arena";
import { Core } from "../memory/core";

export type Span = u64;

@inline
export function span(at: usize, length: usize): Span {
  return <u64>at | ((<u64>length) << 32);
}

@inline
export function startOf(s: Span): usize {
  return <usize>(s & 0xffff_ffff);
}

@inline
export function lengthOf(s: Span): u32 {
  return <u32>(s >> 32);
}

@inline
export function endOf(s: Span): usize {
  return startOf(s) + lengthOf(s);
}

/** The bytes of an argument of the host's: up to its NUL. */
export function fromNul(at: usize): Span {
  let end = at;
  while (load<u8>(end) != 0) end += 1;
  return span(at, end - at);
}

/** A literal's ASCII words as bytes in the arena; an empty span when there is no room. */
export function fromWords(core: Core, words: string): Span {
  const length = <usize>words.length;
  const target = allocateRaw(core, length + 1, "the table of commands");
  if (target == 0) return 0;
  for (let i: usize = 0; i < length; i++) store<u8>(target + i, <u8>load<u16>(changetype<usize>(words) + (i << 1)));
  return span(target, length);
}

export function equals(s: Span, words: string): bool {
  return lengthOf(s) == <u32>words.length && startsWith(s, words);
}

export function startsWith(s: Span, words: string): bool {
  const length = <u32>words.length;
  if (lengthOf(s) < length) return false;
  for (let i: u32 = 0; i < length; i++) {
    if (<u16>load<u8>(startOf(s) + i) != load<u16>(changetype<usize>(words) + (<usize>i << 1))) return false;
  }
  return true;
}

export function same(a: Span, b: Span): bool {
  return lengthOf(a) == lengthOf(b) && memory.compare(startOf(a), startOf(b), lengthOf(a)) == 0;
}

/** The bytes from index `from` on. */
@inline
export function tail(s: Span, from: u32): Span {
  return span(startOf(s) + from, lengthOf(s) - from);
}

/** Where a byte stands first; the length when it does not. */
export function indexOf(s: Span, byte: u8): u32 {
  let i: u32 = 0;
  while (i < lengthOf(s) && load<u8>(startOf(s) + i) != byte) i += 1;
  return i;
}

/** Piece `index` of what a byte separates; empty when there are fewer. */
export function piece(s: Span, separator: u8, index: u32): Span {
  for (; index > 0; index--) {
    const end = indexOf(s, separator);
    if (end == lengthOf(s)) return 0;
    s = tail(s, end + 1);
  }
  return span(startOf(s), indexOf(s, separator));
}

/** Without the spaces around it. */
export function trimmed(s: Span): Span {
  let at = startOf(s);
  let end = endOf(s);
  while (at < end && load<u8>(at) <= 0x20) at += 1;
  while (end > at && load<u8>(end - 1) <= 0x20) end -= 1;
  return span(at, end - at);
}

/** A whole number in decimal, at most 2^64 − 1: whether it is one, and its value at `target` (u64). */
export function parseWhole(s: Span, target: usize): bool {
  let value: u64 = 0;
  for (let at = startOf(s); at < endOf(s); at++) {
    const digit = <u64>load<u8>(at) - 48;
    if (digit > 9 || value > (<u64>u64.MAX_VALUE - digit) / 10) return false;
    value = value * 10 + digit;
  }
  store<u64>(target, value);
  return lengthOf(s) > 0;
}

/** A number such as -0.5, 3 or 1e-3: whether it is one, and its value at `target` (f64). */
export function parseNumber(s: Span, target: usize): bool {
  let at = startOf(s);
  const end = endOf(s);
  const negative = at < end && load<u8>(at) == 0x2d;
  if (negative || (at < end && load<u8>(at) == 0x2b)) at += 1;
  let digits: u32 = 0;
  let scale: i32 = 0;
  let value: f64 = 0;
  let point = false;
  for (; at < end; at++) {
    const byte = load<u8>(at);
    if (byte == 0x2e && !point) point = true;
    else if (byte >= 48 && byte <= 57) {
      value = value * 10 + <f64>(byte - 48);
      digits += 1;
      if (point) scale -= 1;
    } else break;
  }
  if (digits == 0) return false;
  if (at < end && (load<u8>(at) | 0x20) == 0x65) {
    at += 1;
    const down = at < end && load<u8>(at) == 0x2d;
    if (down || (at < end && load<u8>(at) == 0x2b)) at += 1;
    if (at == end) return false;
    let exponent: i32 = 0;
    for (; at < end && load<u8>(at) >= 48 && load<u8>(at) <= 57; at++) {
      exponent = min(exponent * 10 + (<i32>load<u8>(at) - 48), 400);
    }
    scale += down ? -exponent : exponent;
  }
  if (at != end) return false;
  // One division or product by an exact power gives the nearest value for all numbers that a person types.
  let power: f64 = 1;
  for (let i = abs(scale); i > 0; i--) power *= 10;
  value = scale < 0 ? value / power : value * power;
  store<f64>(target, negative ? -value : value);
  return true;
}
