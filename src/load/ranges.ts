/**
 * A file behind a URL, read range by range for as long as a model wants it. The first answer says how long the file is and
 * which version; an answer that disagrees with it later is an error, not a wrong row.
 */
import { LimpetError } from "../host/errors.ts";
import { within } from "../host/wait.ts";
import { changed, type Part } from "./part.ts";
import { drop, reasonOf, refused, request } from "./request.ts";
import { pieceLength, versionOf } from "./version.ts";

/** Bytes of the first request: most of a header. */
const FIRST_BYTES = 1 << 16;
/** Two ranges that lie no further apart are read as one: that costs less than another request. */
const NEAR_BYTES = 1 << 14;

/** Opens a URL whose server gives ranges. */
export async function openRanges(url: string, signal?: AbortSignal): Promise<Part> {
  const response = await request(url, signal, { range: `bytes=0-${FIRST_BYTES - 1}` });
  const version = versionOf(response);
  const { size } = version;
  const given = pieceLength(version, response, 0, FIRST_BYTES - 1);
  if (size === null || given === null) {
    if (!response.ok) throw refused(url, response);
    drop(response);
    throw new LimpetError(
      "HOST",
      `${url} is not given range by range (the server answers ${response.status} where 206 and a content-range are ` +
        `asked for), so no weights can stay there: load it with tables: "resident" and experts: "resident", or give it as a File or Blob`,
    );
  }
  let first = await bytesOf(url, response, given, signal);

  const get = async (from: number, length: number, stop?: AbortSignal): Promise<Uint8Array> => {
    const to = from + length - 1;
    const part = await request(url, stop, { range: `bytes=${from}-${to}` });
    const there = pieceLength(version, part, from, to);
    if (there !== null) return bytesOf(url, part, there, stop);
    drop(part);
    if (part.ok || part.status === 416) throw changed(url);
    throw new LimpetError("HOST", `${url} answers ${part.status} to a range of it: try again`);
  };
  return {
    size,
    place: url,
    near: NEAR_BYTES,
    async read(offset, target, stop) {
      const length = Math.min(target.length, Math.max(size - offset, 0));
      let done = 0;
      // A server may give less of a range at once than was asked for.
      while (done < length) {
        const [from, rest] = [offset + done, length - done];
        const inFirst = from + rest <= first.length;
        const found = inFirst ? first.subarray(from, from + rest) : await get(from, rest, stop);
        if (found.length === 0) break;
        target.set(found, done);
        done += found.length;
      }
      return done;
    },
    headerDone() {
      first = new Uint8Array(0);
    },
    close() {},
  };
}

/** The `length` bytes that an answer says it holds, or fewer; of one that gives more, no more are taken. */
async function bytesOf(url: string, answer: Response, length: number, signal?: AbortSignal): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const reader = answer.body?.getReader();
  let at = 0;
  try {
    while (reader && at < length) {
      const { done, value } = await within(reader.read(), signal, url);
      if (done) break;
      const some = value.subarray(0, length - at);
      bytes.set(some, at);
      at += some.length;
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw new LimpetError("HOST", `${url} broke off: ${reasonOf(error)}: try again`, { cause: error });
  } finally {
    reader?.cancel().catch(() => {});
  }
  return bytes.subarray(0, at);
}
