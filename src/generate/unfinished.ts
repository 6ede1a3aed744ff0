/** Characters that the tokens so far have begun and not ended: their bytes belong to the text that follows. */
import type { SessionState } from "./session-state.ts";

/** More tokens than that do not share a character of four bytes, but for such as have no text. */
const LAST_TOKENS = 8;

/** Bytes at the end that begin a character of UTF-8 and do not end it; 0 where the text ends with a whole one. */
export function unfinishedCharacter(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if (byte >= 0x80 && byte < 0xc0) continue;
    const length = byte >= 0xf0 && byte < 0xf5 ? 4 : byte >= 0xe0 ? 3 : 2;
    if (byte < 0xc2 || byte >= 0xf5 || length <= back) return 0;
    return back > 1 && !mayFollow(byte, bytes[bytes.length - back + 1]) ? 0 : back;
  }
  return 0;
}

/** Whether a second byte may follow the first: not all of the range may where a character has a shorter form. */
function mayFollow(first: number, second: number): boolean {
  if (first === 0xe0) return second >= 0xa0;
  if (first === 0xed) return second < 0xa0;
  if (first === 0xf0) return second >= 0x90;
  return first !== 0xf4 || second < 0x90;
}

/** The bytes of a character that a session's tokens end within. */
export function unfinishedOf({ loaded: { core, tokenizer }, pointer }: SessionState): Uint8Array<ArrayBuffer> {
  const { exports, memory } = core;
  const count = exports.session_count(pointer);
  const last = Math.min(count, LAST_TOKENS);
  const ids = memory.u32(exports.session_tokens(pointer) + 4 * (count - last), last).slice();
  const bytes = tokenizer.detokenizeBytes(ids, { cleanSpaces: false });
  return bytes.slice(bytes.length - unfinishedCharacter(bytes));
}
