/**
 * The characters that byte-level BPE writes bytes with: 33-126, 161-172 and 174-255 stand for themselves, the other 68
 * bytes in increasing order for U+0100, U+0101, …: so a space is U+0120 and a line feed U+010A.
 *
 *     byte    0 … 32 │ 33 … 126 │ 127 … 160 │ 161 … 172 │ 173 │ 174 … 255
 *     U+    100 … 120 │ 21 … 7E │ 121 … 142 │  A1 … AC  │ 143 │  AE … FF
 */

/** The code point that stands for a byte. */
export function characterOfByte(byte: u32): u32 {
  if (byte <= 32) return 256 + byte;
  if (byte < 127) return byte;
  if (byte <= 160) return 256 + 33 + (byte - 127);
  return byte == 173 ? 256 + 67 : byte;
}

/** The byte that a code point stands for; 256 when it stands for none. */
export function byteOfCharacter(codePoint: u32): u32 {
  if (codePoint < 256) return codePoint == characterOfByte(codePoint) ? codePoint : 256;
  const index = codePoint - 256;
  if (index <= 32) return index;
  if (index < 67) return 127 + (index - 33);
  return index == 67 ? 173 : 256;
}
