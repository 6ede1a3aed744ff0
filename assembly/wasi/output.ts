/**
 * A buffered stream of bytes to the host (stdout, stderr, a file), and numbers and JSON in it. What cannot be written
 * is dropped, and `failed` says so once: a reader that has closed its end is no error of the command's.
 *
 *     Output   ┌ record ┐┌ vector 8 B │ written 4 B ┐┌ BUFFER bytes … ┐
 */
import { allocate } from "../memory/arena";
import { letterAt } from "../memory/bytes";
import { Core } from "../memory/core";
import { decode } from "../text/utf8";
import { CHARACTER_DEVICE, fd_fdstat_get, fd_write } from "./imports";
import { Bytes, lengthOf, startOf } from "./bytes";

const BUFFER: u32 = 16384;

@unmanaged
export class Output {
  fd: u32;
  length: u32;
  /** The last byte put was no line feed. */
  lineOpen: bool;
  /** Whoever reads it obeys control characters. */
  isTerminal: bool;
  /** Errno of the first write that did not succeed. */
  failed: u32;
  /** {pointer, length} and the count written, for the host. */
  vector: usize;
  lengthLeft: u32;
  written: u32;
}

/** A stream of a descriptor; 0 with the error set. */
export function createOutput(core: Core, fd: u32): Output {
  const output = changetype<Output>(allocate(core, <u64>offsetof<Output>() + BUFFER, "a stream"));
  if (changetype<usize>(output) == 0) return output;
  output.fd = fd;
  output.isTerminal = describes(fd, bufferOf(output));
  return output;
}

/** Whether a descriptor is that of a terminal; the room for what the host says of it is a stream's. */
export function isTerminal(o: Output, fd: u32): bool {
  flush(o);
  return describes(fd, bufferOf(o));
}

function describes(fd: u32, room: usize): bool {
  // Hosts want eight bytes' alignment.
  const stat = (room + 7) & ~(<usize>7);
  return fd_fdstat_get(fd, stat) == 0 && load<u8>(stat) == CHARACTER_DEVICE;
}

@inline
function bufferOf(o: Output): usize {
  return changetype<usize>(o) + offsetof<Output>();
}

export function flush(o: Output): void {
  writeAll(o, bufferOf(o), o.length);
  o.length = 0;
}

/** Forgets what is still in the buffer. */
export function clear(o: Output): void {
  o.length = 0;
}

/** Characters in the buffer, of text that is UTF-8. */
export function charactersIn(o: Output): i32 {
  let count: i32 = 0;
  for (let i: u32 = 0; i < o.length; i++) if ((load<u8>(bufferOf(o) + i) & 0xc0) != 0x80) count += 1;
  return count;
}

function writeAll(o: Output, at: usize, length: u32): void {
  const vector = changetype<usize>(o) + offsetof<Output>("vector");
  while (length > 0 && o.failed == 0) {
    o.vector = at;
    o.lengthLeft = length;
    o.written = 0;
    const errno = fd_write(o.fd, vector, 1, vector + 8);
    if (errno != 0) o.failed = errno;
    else if (o.written == 0) o.failed = 29;
    at += o.written;
    length -= o.written;
  }
}

export function putByte(o: Output, byte: u8): void {
  if (o.length == BUFFER) flush(o);
  store<u8>(bufferOf(o) + o.length, byte);
  o.length += 1;
  o.lineOpen = byte != 0x0a;
}

export function putBytes(o: Output, at: usize, length: u32): void {
  if (length == 0) return;
  o.lineOpen = load<u8>(at + length - 1) != 0x0a;
  if (length >= BUFFER) {
    flush(o);
    writeAll(o, at, length);
    return;
  }
  if (o.length + length > BUFFER) flush(o);
  memory.copy(bufferOf(o) + o.length, at, length);
  o.length += length;
}

/** Ends a line that is not ended. */
export function endLine(o: Output): void {
  if (o.lineOpen) putByte(o, 0x0a);
}

export function put(o: Output, s: Bytes): void {
  putBytes(o, startOf(s), lengthOf(s));
}

/** Prints a word of the command line or of a file in a message: what a terminal obeys is escaped. */
export function putWords(o: Output, s: Bytes): void {
  putPlain(o, startOf(s), lengthOf(s));
}

/** Prints a literal. */
export function putText(o: Output, text: string): void {
  for (let i: u32 = 0; letterAt(text, i) != 0; i++) putByte(o, <u8>letterAt(text, i));
}

export function putSpaces(o: Output, count: i32): void {
  for (; count > 0; count--) putByte(o, 0x20);
}

/** The number of decimal digits of a number. */
export function digitsOf(value: u64): u32 {
  let digits: u32 = 1;
  for (; value >= 10; value /= 10) digits += 1;
  return digits;
}

export function putNumber(o: Output, value: u64): void {
  let divisor: u64 = 1;
  while (value / divisor >= 10) divisor *= 10;
  for (; divisor > 0; divisor /= 10) putByte(o, 48 + <u8>((value / divisor) % 10));
}

export function putInteger(o: Output, value: i64): void {
  if (value < 0) putByte(o, 0x2d);
  putNumber(o, <u64>(value < 0 ? -value : value));
}

/** Prints a number with at most `digits` (1 to 15) significant digits, as JSON has it; null for what is not finite. */
export function putFloat(o: Output, value: f64, digits: i32): void {
  if (!(value - value == 0)) {
    putText(o, "null");
    return;
  }
  if (value < 0) putByte(o, 0x2d);
  value = abs(value);
  if (value == 0) {
    putByte(o, 48);
    return;
  }
  // value = mantissa · 10^exponent, with a mantissa of `digits` digits.
  let exponent = exponentOf(value) - digits + 1;
  let mantissa = <u64>nearest(scaled(value, -exponent));
  if (digitsOf(mantissa) > <u32>digits) {
    mantissa /= 10;
    exponent += 1;
  }
  for (; mantissa % 10 == 0; mantissa /= 10) exponent += 1;
  const length = <i32>digitsOf(mantissa);
  const point = length + exponent;
  if (point > 21 || point < -5) {
    putDigits(o, mantissa, length, 1);
    putByte(o, 0x65);
    putByte(o, point > 0 ? 0x2b : 0x2d);
    putNumber(o, <u64>abs(point - 1));
    return;
  }
  if (point <= 0) {
    putText(o, "0.");
    for (let i = point; i < 0; i++) putByte(o, 48);
    putNumber(o, mantissa);
    return;
  }
  putDigits(o, mantissa, length, point);
  for (let i = length; i < point; i++) putByte(o, 48);
}

/** Prints an f32 with as few digits as give back the same f32. */
export function putFloat32(o: Output, value: f32): void {
  if (!(value - value == 0) || value == 0) return putFloat(o, value, 1);
  const whole = abs(<f64>value);
  let digits: i32 = 1;
  for (; digits < 9; digits++) {
    const exponent = exponentOf(whole) - digits + 1;
    const rounded = scaled(nearest(scaled(whole, -exponent)), exponent);
    if (<f32>rounded == abs(value)) break;
  }
  putFloat(o, value, digits);
}

/** Prints the digits of a number, with a point behind the first `before` of them. */
function putDigits(o: Output, value: u64, length: i32, before: i32): void {
  let divisor: u64 = 1;
  for (let i = 1; i < length; i++) divisor *= 10;
  for (let i = 0; divisor > 0; divisor /= 10, i++) {
    if (i == before) putByte(o, 0x2e);
    putByte(o, 48 + <u8>((value / divisor) % 10));
  }
}

/** The power of ten that a value above 0 begins with. */
function exponentOf(value: f64): i32 {
  let exponent: i32 = 0;
  while (scaled(value, -exponent) >= 10) exponent += 1;
  while (scaled(value, -exponent) < 1) exponent -= 1;
  return exponent;
}

/** value · 10^exponent, by a power that is exact for |exponent| ≤ 22. */
function scaled(value: f64, exponent: i32): f64 {
  let power: f64 = 1;
  const most = abs(exponent);
  const first = min(most, 300);
  for (let i = 0; i < first; i++) power *= 10;
  value = exponent < 0 ? value / power : value * power;
  for (let i = first; i < most; i++) value = exponent < 0 ? value / 10 : value * 10;
  return value;
}

/** Prints bytes as a JSON string: it escapes what a terminal obeys, and replaces what is no UTF-8. */
export function putJson(o: Output, at: usize, length: u32): void {
  const end = at + length;
  putByte(o, 0x22);
  while (at < end) {
    const byte = load<u8>(at);
    if (byte == 0x22 || byte == 0x5c) putByte(o, 0x5c);
    if (byte < 0x20) {
      putControl(o, byte);
      at += 1;
    } else at += putCharacter(o, at, end);
  }
  putByte(o, 0x22);
}

/** Prints bytes from a file as text for one line: what a terminal obeys as \uXXXX, and U+FFFD for what is no UTF-8. */
export function putPlain(o: Output, at: usize, length: u32): void {
  const end = at + length;
  while (at < end) at += putCharacter(o, at, end);
}

/**
 * Prints an answer's text: as it is, or to a terminal without what that obeys. Ends of lines, tabs and what joins
 * characters are the text's own.
 */
export function putAnswer(o: Output, at: usize, length: u32): void {
  if (!o.isTerminal) return putBytes(o, at, length);
  const end = at + length;
  while (at < end) {
    const c = decode(at, end) >> 3;
    if (c == 0x0a || c == 0x09 || c == 0x200c || c == 0x200d) {
      const bytes = decode(at, end) & 7;
      putBytes(o, at, bytes);
      at += bytes;
    } else at += putCharacter(o, at, end);
  }
}

/** Columns that `putPlain` takes, by bytes of what it prints. */
export function plainLength(at: usize, length: u32): i32 {
  const end = at + length;
  let sum: i32 = 0;
  while (at < end) {
    const decoded = decode(at, end);
    const bytes = <i32>(decoded & 7);
    sum += isUnfit(decoded >> 3) ? 6 : load<u8>(at) >= 0x80 && bytes == 1 ? 3 : bytes;
    at += bytes;
  }
  return sum;
}

/** Prints one character; gives the bytes that it was read from. */
function putCharacter(o: Output, at: usize, end: usize): u32 {
  const decoded = decode(at, end);
  const bytes = decoded & 7;
  if (load<u8>(at) >= 0x80 && bytes == 1) {
    // U+FFFD
    putByte(o, 0xef);
    putByte(o, 0xbf);
    putByte(o, 0xbd);
  } else if (isUnfit(decoded >> 3)) {
    putText(o, "\\u");
    for (let shift: i32 = 12; shift >= 0; shift -= 4) {
      const digit = <u8>(((decoded >> 3) >> shift) & 15);
      putByte(o, digit < 10 ? 48 + digit : 87 + digit);
    }
  } else putBytes(o, at, bytes);
  return bytes;
}

/** Controls, what turns the direction of text or hides in it, and ends of lines that are none (src/host/escape.ts). */
function isUnfit(c: u32): bool {
  if (c < 0xa0) return c < 0x20 || c >= 0x7f;
  if (c < 0x200b) return c == 0x61c;
  if (c < 0x2070) return c <= 0x200f || (c >= 0x2028 && c <= 0x202e) || c >= 0x2060;
  return c == 0xfeff;
}

function putControl(o: Output, byte: u8): void {
  putByte(o, 0x5c);
  switch (byte) {
    case 0x08: putByte(o, 0x62); break;
    case 0x09: putByte(o, 0x74); break;
    case 0x0a: putByte(o, 0x6e); break;
    case 0x0c: putByte(o, 0x66); break;
    case 0x0d: putByte(o, 0x72); break;
    default:
      putText(o, "u00");
      putByte(o, 48 + (byte >> 4));
      putByte(o, (byte & 15) < 10 ? 48 + (byte & 15) : 87 + (byte & 15));
  }
}
