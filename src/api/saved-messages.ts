/** What was said in a session, behind the core's bytes of it when it is saved. */
import { encodeText } from "../../bindings/memory.ts";
import { type Message, messagesOf } from "../generate/messages.ts";
import { fnv } from "../host/checksum.ts";
import { LimpetError } from "../host/errors.ts";

/**
 * Behind the core's bytes of a saved session, where there were messages: JSON, its FNV-1a as u32, its length as u32, these
 * four bytes.
 */
const MESSAGES_MARK = "LMPN";
const TRAILER = 12;

/** The bytes of a saved session with its messages behind them, where there are any. */
export function joinMessages(saved: Uint8Array<ArrayBuffer>, said: readonly Message[]): Uint8Array<ArrayBuffer> {
  if (said.length === 0) return saved;
  const messages = encodeText(JSON.stringify(said));
  const all = new Uint8Array(saved.length + messages.length + TRAILER);
  all.set(saved);
  all.set(messages, saved.length);
  const trailer = new DataView(all.buffer, all.length - TRAILER);
  trailer.setUint32(0, fnv(messages), true);
  trailer.setUint32(4, messages.length, true);
  all.set(encodeText(MESSAGES_MARK), all.length - 4);
  return all;
}

/** The core's bytes of a saved session, and its messages. */
export function splitMessages(bytes: Uint8Array): { saved: Uint8Array; messages: Message[] } {
  const mark = new TextDecoder().decode(bytes.subarray(-4));
  if (bytes.length < TRAILER || mark !== MESSAGES_MARK) return { saved: bytes, messages: [] };
  const trailer = new DataView(bytes.buffer, bytes.byteOffset + bytes.length - TRAILER, TRAILER);
  const end = bytes.length - TRAILER;
  const start = end - trailer.getUint32(4, true);
  try {
    if (start < 0) throw new RangeError("they are longer than the file");
    const text = bytes.subarray(start, end);
    if (fnv(text) !== trailer.getUint32(0, true)) throw new RangeError("their checksum is another");
    return { saved: bytes.subarray(0, start), messages: messagesOf(JSON.parse(new TextDecoder().decode(text))) };
  } catch (error) {
    throw new LimpetError("BAD_FILE", "the messages of this saved session are broken; save it again", { cause: error });
  }
}
