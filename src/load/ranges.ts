/**
 * A file behind a URL, read range by range for as long as a model wants it. The first answer says how long the file is and
 * which version; an answer that disagrees with it later is an error, not a wrong row.
 */
import { LimpetError, messageOf } from "../host/errors.ts";
import { changed, type Part } from "./part.ts";
import { request } from "./request.ts";

/** Bytes of the first request: most of a header. */
const FIRST_BYTES = 1 << 16;
/** Two ranges that lie no further apart are read as one: that costs less than another request. */
const NEAR_BYTES = 1 << 14;

/** Opens a URL whose server gives ranges. */
export async function openRanges(url: string | URL, signal?: AbortSignal): Promise<Part> {
  const response = await request(url, signal, { range: `bytes=0-${FIRST_BYTES - 1}` });
  const size = Number(response.headers.get("content-range")?.match(/^bytes 0-\d+\/(\d+)$/)?.[1] ?? Number.NaN);
  if (response.status !== 206 || Number.isNaN(size) || response.headers.has("content-encoding")) {
    response.body?.cancel().catch(() => {});
    if (!response.ok) throw new LimpetError("HOST", `${url} answers ${response.status}: check its path`);
    throw new LimpetError(
      "HOST",
      `${url} is not given range by range (the server answers ${response.status} where 206 and a content-range are ` +
        `asked for), so tables cannot stay there: load it with tables: "resident", or give it as a File or Blob`,
    );
  }
  const version = versionOf(response);
  let first = await bytesOf(url, response, signal);

  const get = async (from: number, length: number, stop?: AbortSignal): Promise<Uint8Array> => {
    const part = await request(url, stop, { range: `bytes=${from}-${from + length - 1}` });
    if (part.status === 206 && versionOf(part) === version) return bytesOf(url, part, stop);
    part.body?.cancel().catch(() => {});
    if (part.status === 206 || part.ok || part.status === 416) throw changed(url);
    throw new LimpetError("HOST", `${url} answers ${part.status} to a range of it: try again`);
  };
  return {
    size,
    place: String(url),
    near: NEAR_BYTES,
    async read(offset, target, stop) {
      const length = Math.min(target.length, Math.max(size - offset, 0));
      if (length === 0) return 0;
      const inFirst = offset + length <= first.length;
      const found = inFirst ? first.subarray(offset, offset + length) : await get(offset, length, stop);
      target.set(found.subarray(0, length));
      return Math.min(found.length, length);
    },
    headerDone() {
      first = new Uint8Array(0);
    },
    close() {},
  };
}

async function bytesOf(url: string | URL, response: Response, signal?: AbortSignal): Promise<Uint8Array> {
  try {
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    signal?.throwIfAborted();
    throw new LimpetError("HOST", `${url} broke off: ${messageOf(error)}: try again`, { cause: error });
  }
}

/** What tells one version of a file from another: its length, and its tag where the server shows one. */
function versionOf({ headers }: Response): string {
  const length = headers.get("content-range")?.split("/")[1];
  return `${length} ${headers.get("etag") ?? headers.get("last-modified") ?? ""}`;
}
