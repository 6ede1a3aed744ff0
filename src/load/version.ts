/**
 * Whether two answers of a server are of one file. Whatever is put together of several answers (a download that goes on, a
 * range, a piece of the cache) is held against the first one here, and nowhere else.
 */

/** What an answer says of the file behind it. */
export interface Version {
  /** Bytes of the whole file; null where it is not said, or said of encoded bytes. */
  readonly size: number | null;
  readonly etag: string | null;
  readonly modified: string | null;
}

/** The part of a file that an answer says it holds: bytes `from` to `to`, both of them in it, of `size`. */
interface AnsweredRange {
  readonly from: number;
  readonly to: number;
  readonly size: number;
}

/** What an answer says of the whole file. */
export function versionOf({ status, headers }: Response): Version {
  const whole = status === 206 ? (rangeOf(headers)?.size ?? null) : wholeNumber(headers.get("content-length"));
  return {
    size: headers.has("content-encoding") ? null : whole,
    etag: tagIn(headers.get("etag")),
    modified: dateIn(headers.get("last-modified")),
  };
}

/** A tag that says something: an empty one is the same for all versions. */
function tagIn(text: string | null): string | null {
  return text === null || /^(W\/)?"?"?$/.test(text) ? null : text;
}

/** A date that says something: what is none, or the beginning of time, is the same for all versions. */
function dateIn(text: string | null): string | null {
  return text !== null && Date.parse(text) > 0 ? text : null;
}

/** How many bytes an answer holds, if it is bytes from `from` on (to `to` at most) of that version; null: it is not. */
export function pieceLength(first: Version, answer: Response, from: number, to: number = Infinity): number | null {
  const range = rangeOf(answer.headers);
  if (answer.status !== 206 || !range || range.from !== from || range.to > to) return null;
  return isSame(first, versionOf(answer)) ? range.to + 1 - from : null;
}

/** Whether the same tags promise the same bytes: of any two files without tags, nothing can be told. */
export function isTagged({ size, etag, modified }: Version): boolean {
  return size !== null && (isStrong(etag) || modified !== null);
}

/** What asks for the rest of a version, and (by a strong tag) for nothing of another. */
export function restHeaders({ etag }: Version, from: number): Record<string, string> {
  return { range: `bytes=${from}-`, ...(etag !== null && isStrong(etag) ? { "if-range": etag } : {}) };
}

function isSame(a: Version, b: Version): boolean {
  // An answer to If-Range may leave the date out.
  const dated = a.modified === b.modified || (isStrong(a.etag) && b.modified === null);
  return a.size !== null && a.size === b.size && a.etag === b.etag && dated;
}

function isStrong(etag: string | null): boolean {
  return etag !== null && !etag.startsWith("W/");
}

function rangeOf(headers: Headers): AnsweredRange | null {
  const match = headers.get("content-range")?.match(/^\s*bytes\s+(\d+)-(\d+)\/(\d+)\s*$/i);
  const [from, to, size] = (match?.slice(1) ?? []).map(wholeNumber);
  if (from == null || to == null || size == null || from > to || to >= size) return null;
  return { from, to, size };
}

function wholeNumber(text: string | null): number | null {
  const number = /^\s*\d+\s*$/.test(text ?? "") ? Number(text) : Number.NaN;
  return Number.isSafeInteger(number) ? number : null;
}
