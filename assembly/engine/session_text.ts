/**
 * The text of a generation: whole characters, held back where they may begin a stop string, and cut at the first one.
 *
 *     text     │ shown │ ready to show │ held back: may be the beginning of a stop string │
 */
import { resize } from "../memory/arena";
import { flushStream, pushToken, streamCapacity } from "../text/detokenize";
import { Tokenizer } from "../text/tokenizer";
import { addToken } from "./reasoning";
import { Finish, Session } from "./session";

/** Appends a token's text to what is not shown yet, looks for stop strings, and sets how much may be shown. */
export function pushText(s: Session, token: u32): i32 {
  const status = makeRoom(s);
  if (status < 0) return status;
  const before = s.textLength;
  addToken(s.reasoning, changetype<Tokenizer>(s.tokenizer), token, s.text + before, s.textCapacity - before);
  const bytes = pushToken(s.core, s.stream, token, s.text + before, s.textCapacity - before);
  if (bytes < 0) return bytes;
  s.textLength = before + <u32>bytes;
  findStop(s, before);
  return 0;
}

/** What the stream and the stop strings still hold back comes out when nothing more follows. */
export function lastText(s: Session): i32 {
  if (s.finish == Finish.STOP_STRING) return 0;
  const status = makeRoom(s);
  if (status < 0) return status;
  const before = s.textLength;
  s.textLength = before + <u32>flushStream(s.stream, s.text + before, s.textCapacity - before);
  findStop(s, before);
  if (s.finish != Finish.STOP_STRING) s.ready = s.textLength;
  return 0;
}

/** Room for one more token's text. */
function makeRoom(s: Session): i32 {
  const more = streamCapacity(changetype<Tokenizer>(s.tokenizer));
  if (s.textLength + more <= s.textCapacity) return 0;
  const capacity = 2 * s.textCapacity + more;
  const moved = resize(s.core, s.text, capacity, "a session's text");
  if (moved == 0) return s.core.errorCode;
  s.text = moved;
  s.textCapacity = capacity;
  return 0;
}

/**
 * Cuts the text at the first stop string, or holds back an end that may become one. Text before `from` was searched.
 */
function findStop(s: Session, from: u32): void {
  let held: u32 = 0;
  let cut = s.textLength;
  for (let at: u32 = 0, index: u32 = 0; at < s.stopsLength; index++) {
    const length = load<u32>(s.stops + at);
    const stop = s.stops + at + 4;
    const first = from > length ? from - length : 0;
    for (let i = first; i < cut; i++) {
      const match = matchAt(s.text + i, s.textLength - i, stop, length);
      if (match == length) {
        cut = i;
        s.stopIndex = index;
      } else if (match == s.textLength - i && match > held) held = match;
    }
    at += 4 + length;
  }
  if (cut < s.textLength) {
    s.textLength = cut;
    s.ready = cut;
    s.finish = Finish.STOP_STRING;
  } else s.ready = s.textLength - held;
}

/** How many of the first bytes of `stop` the text begins with. */
function matchAt(text: usize, available: u32, stop: usize, length: u32): u32 {
  let i: u32 = 0;
  while (i < length && i < available && load<u8>(text + i) == load<u8>(stop + i)) i++;
  return i;
}

/** Drops the text that the host has been shown. */
export function forgetShown(s: Session): void {
  if (s.ready == 0) return;
  memory.copy(s.text, s.text + s.ready, s.textLength - s.ready);
  s.textLength -= s.ready;
  s.ready = 0;
}
