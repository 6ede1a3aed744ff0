/**
 * What a source is, asked of the thing itself and not of its class: pages have frames, tests have realms, and a Blob of
 * another one is a Blob. Names are looked at here too: which are URLs, what the parts of a split model are called.
 */
import { bytesOf } from "../../bindings/memory.ts";
import { isNode } from "../../bindings/node.ts";
import { LimpetError } from "../host/errors.ts";
import { isUrl, ownPlace, schemeOf } from "../host/names.ts";
import { bodyOf } from "./request.ts";

/**
 * A path, URL or hub's name (`hf:owner/repository`) as text, a `URL`, the bytes, a `Blob` or `File`, those of all parts of a
 * split model, a `Response`, or a stream of bytes.
 */
export type ModelSource =
  | string
  | URL
  | ArrayBufferLike
  | ArrayBufferView
  | Blob
  | readonly Blob[]
  | Response
  | ReadableStream<Uint8Array>;

/** A source, as what it is. */
export type KnownSource =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "blob"; readonly blob: Blob }
  | { readonly kind: "blobs"; readonly blobs: readonly Blob[] }
  | { readonly kind: "response"; readonly response: Response }
  | { readonly kind: "stream"; readonly stream: ReadableStream<unknown> };

/** What a source is; a thing that is none is refused in words. */
export function known(source: ModelSource): KnownSource {
  if (typeof source === "string") {
    if (source === "") throw noSource("an empty text");
    return { kind: "name", name: source };
  }
  // Of a list with holes `every` sees what is there alone.
  const list: unknown[] = Array.isArray(source) ? Array.from(source) : [];
  if (list.length > 0 && list.every(isBlob)) return { kind: "blobs", blobs: list };
  const bytes = bytesIn(source);
  if (bytes) return { kind: "bytes", bytes };
  const is = (source ?? {}) as unknown as Record<string, unknown>;
  const does = (name: string): boolean => typeof is[name] === "function";
  if (isUrl(source)) return { kind: "name", name: ownPlace(source).href };
  if (does("getReader")) {
    if (is.locked) throw new LimpetError("BAD_ARGUMENT", "the stream is read by somebody else (it is locked)");
    return { kind: "stream", stream: source as ReadableStream<unknown> };
  }
  if (does("arrayBuffer") && typeof is.status === "number" && "body" in is) {
    return { kind: "response", response: source as Response };
  }
  if (isBlob(source)) return { kind: "blob", blob: source };
  throw noSource(source === null || typeof source !== "object" ? String(source) : tagOf(source));
}

function isBlob(source: unknown): source is Blob {
  const is = (source ?? {}) as Record<string, unknown>;
  const does = (name: string): boolean => typeof is[name] === "function";
  return does("arrayBuffer") && does("slice") && Number.isSafeInteger(is["size"]) && (is["size"] as number) >= 0;
}

/** The bytes under a typed array or a buffer of any realm; null where it is neither. */
export function bytesIn(value: unknown): Uint8Array | null {
  const isView = ArrayBuffer.isView(value);
  if (!isView && !/^(Shared)?ArrayBuffer$/.test(tagOf(value))) return null;
  try {
    return bytesOf(value as ArrayBufferView | ArrayBufferLike);
  } catch (error) {
    throw new LimpetError("BAD_ARGUMENT", "the bytes are gone: their buffer was given away", { cause: error });
  }
}

/** What a message to a worker can hold of a source, and what moves with it. URLs are the page's, not the worker's. */
export function forWorker(source: ModelSource): [unknown, ReadableStream<unknown>[]] {
  const it = known(source);
  if (it.kind === "stream") return [it.stream, [it.stream]];
  if (it.kind === "response") {
    const body = bodyOf(it.response);
    return [body, [body]];
  }
  if (it.kind === "bytes") return [it.bytes, []];
  if (it.kind === "blob") return [it.blob, []];
  if (it.kind === "blobs") return [it.blobs, []];
  return [nameForWorker(it.name), []];
}

/** A name as a worker finds what the page means by it. */
export function nameForWorker(name: string | URL): string {
  const onPage = typeof location === "object" && /^https?:/i.test(location.href);
  return onPage ? new URL(name, location.href).href : String(name);
}

/** The names of all parts. */
export function splitNames(source: string | URL): (string | URL)[] {
  const text = String(source);
  const hasTail = schemeOf(source) !== null || !isNode();
  // Behind a URL's name may stand what its server wants to know.
  const tail = hasTail ? "(?:[?#].*)?" : "";
  const match = text.match(new RegExp(`^(${hasTail ? "[^?#]" : "."}*-)00001(-of-(\\d{5})\\.gguf${tail})$`, "is"));
  const count = Number(match?.[3] ?? 1);
  if (!match || count < 2) return [source];
  const names = Array.from({ length: count }, (_, i) => `${match[1]}${String(i + 1).padStart(5, "0")}${match[2]}`);
  return typeof source === "string" ? names : names.map((name) => new URL(name));
}

/** What is written is one file; by the name of a first part its readers would look for others. */
export function requireOnePiece(out: string): void {
  if (splitNames(out).length === 1) return;
  const words = `${out} is the name of a file's first part: choose another for one in one piece`;
  throw new LimpetError("BAD_ARGUMENT", words);
}

/** The last part of a source's name, for `info`. */
export function sourceName(source: ModelSource): string | null {
  const { name, url, href } = (Array.isArray(source) ? source[0] : source) as {
    name?: unknown;
    url?: unknown;
    href?: unknown;
  };
  const text = [source, href, name, url].find((value) => typeof value === "string" && value !== "") as
    | string
    | undefined;
  if (text === undefined) return null;
  const scheme = schemeOf(text);
  if (scheme === "data" || scheme === "blob") return null;
  const path = scheme === null && isNode() ? text : text.replace(/[?#].*$/s, "");
  return path.split(/[\\/]/).pop() || null;
}

function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

function noSource(what: string): LimpetError {
  const words = "a model is loaded from a path, a URL, bytes, a Blob, a Response or a ReadableStream";
  return new LimpetError("BAD_ARGUMENT", `${words}, not from ${what}`);
}
