/**
 * Bytes somewhere in memory as one number, so that they can be passed and returned: `bytesOf(address, length)` of
 * memory/core.ts. And the few things that the command does with text.
 */
import { allocateRaw } from "../memory/arena";
import { copyText, letterCount, sameText, startsWithText } from "../memory/bytes";
import { Core, bytesOf } from "../memory/core";

export { bytesOf } from "../memory/core";

/** The address in the low half, the length in the high half. */
export type Bytes = u64;

@inline
export function startOf(s: Bytes): usize {
  return <usize>(s & 0xffff_ffff);
}

@inline
export function lengthOf(s: Bytes): u32 {
  return <u32>(s >> 32);
}

@inline
export function endOf(s: Bytes): usize {
  return startOf(s) + lengthOf(s);
}

/** An argument of the host's: the bytes up to its NUL. */
export function fromNul(at: usize): Bytes {
  let end = at;
  while (load<u8>(end) != 0) end += 1;
  return bytesOf(at, end - at);
}

/** A literal as bytes in the arena; 0 when there is no room. */
export function fromText(core: Core, text: string): Bytes {
  const length = letterCount(text);
  const target = allocateRaw(core, <u64>length + 1, "the table of commands");
  return target == 0 ? 0 : bytesOf(target, copyText(target, length, text));
}

export function equals(s: Bytes, text: string): bool {
  return sameText(startOf(s), lengthOf(s), text);
}

export function startsWith(s: Bytes, text: string): bool {
  return startsWithText(startOf(s), lengthOf(s), text);
}

export function same(a: Bytes, b: Bytes): bool {
  return lengthOf(a) == lengthOf(b) && memory.compare(startOf(a), startOf(b), lengthOf(a)) == 0;
}

/** The bytes from index `from` on. */
@inline
export function tail(s: Bytes, from: u32): Bytes {
  return bytesOf(startOf(s) + from, lengthOf(s) - from);
}

/** The index of the first such byte; the length when there is none. */
export function indexOf(s: Bytes, byte: u8): u32 {
  let i: u32 = 0;
  while (i < lengthOf(s) && load<u8>(startOf(s) + i) != byte) i += 1;
  return i;
}

/** The piece of this index, where a byte separates pieces; empty when there are fewer. */
export function piece(s: Bytes, separator: u8, index: u32): Bytes {
  for (; index > 0; index--) {
    const end = indexOf(s, separator);
    if (end == lengthOf(s)) return 0;
    s = tail(s, end + 1);
  }
  return bytesOf(startOf(s), indexOf(s, separator));
}

/** The bytes without the white space around them. */
export function trimmed(s: Bytes): Bytes {
  let at = startOf(s);
  let end = endOf(s);
  while (at < end && load<u8>(at) <= 0x20) at += 1;
  while (end > at && load<u8>(end - 1) <= 0x20) end -= 1;
  return bytesOf(at, end - at);
}

/** Reads a whole number in decimal, at most 2^64 − 1, to `target` (u64); false when it is none. */
export function parseWhole(s: Bytes, target: usize): bool {
  let value: u64 = 0;
  for (let at = startOf(s); at < endOf(s); at++) {
    const digit = <u64>load<u8>(at) - 48;
    if (digit > 9 || value > (<u64>u64.MAX_VALUE - digit) / 10) return false;
    value = value * 10 + digit;
  }
  store<u64>(target, value);
  return lengthOf(s) > 0;
}

/** Reads a number such as -0.5, 3 or 1e-3 to `target` (f64); false when it is none. */
export function parseNumber(s: Bytes, target: usize): bool {
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
