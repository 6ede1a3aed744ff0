/**
 * Where a model's bytes come from: files, bytes, blobs, responses and streams, all as parts from which the loader's
 * requests are filled. Requests come in the order of the file, so a stream serves as well as a file: what lies between
 * two requests is passed over, and what the header read too much of is kept until it is asked for again.
 */
import { openFile, pathOf } from "../../bindings/node.ts";
import { LimpetError, messageOf } from "../host/errors.ts";
import { fileName, isHubName, isRemote, schemeOf } from "../host/names.ts";
import type { NameOptions } from "../store/by-name.ts";
import { known, type ModelSource, splitNames } from "./kinds.ts";
import type { Part } from "./part.ts";
import { bodyOf, drop, isPassing, refused, request } from "./request.ts";
import { StreamPart } from "./stream.ts";
import { isTagged, pieceLength, restHeaders, versionOf } from "./version.ts";

export { type ModelSource, requireOnePiece, sourceName, splitNames } from "./kinds.ts";

/** Two ranges of a file or Blob that lie no further apart are read as one: that costs less than another read. */
const NEAR_BYTES = 1 << 12;

/** Opens all parts of a model: more than one for a split file, whose name ends in -00001-of-0000N.gguf. */
export async function openSource(source: ModelSource, signal?: AbortSignal, naming?: NameOptions): Promise<Part[]> {
  const it = known(await atHand(source, { ...naming, signal }));
  if (it.kind === "name") {
    return isRemote(it.name) ? openAll(it.name, openUrl, signal) : openAll(it.name, openPath, signal);
  }
  if (it.kind === "bytes") return [bytesPart(it.bytes)];
  if (it.kind === "blob") return [blobPart(it.blob)];
  if (it.kind === "blobs") return it.blobs.map(blobPart);
  if (it.kind === "stream") return [new StreamPart(it.stream, { signal })];
  const { response } = it;
  const body = bodyOf(response);
  return [new StreamPart(body, { size: promisedSize(response), place: response.url || "the response", signal })];
}

/**
 * As `openSource`, for who reads again and again, here and there, until all parts are closed. What can be read but once is
 * refused.
 */
export async function openForRanges(source: ModelSource, signal?: AbortSignal, naming?: NameOptions): Promise<Part[]> {
  const it = known(await atHand(source, { ...naming, signal }));
  if (it.kind === "name" && isRemote(it.name)) {
    if (/^(data|blob)$/.test(schemeOf(it.name) ?? "")) return [blobPart(await answerAsBlob(it.name, signal))];
    const { openRanges } = await import("./ranges.ts");
    return openAll(it.name, openRanges, signal);
  }
  if (it.kind === "response" || it.kind === "stream") {
    throw new LimpetError(
      "BAD_ARGUMENT",
      `a ${it.kind === "response" ? "Response" : "stream"} can be read but once, so no weights can stay there: ` +
        "give the model's path or URL, a File or Blob, or its bytes",
    );
  }
  return openSource(source, signal, naming);
}

/** A source that is at hand: a hub's model is looked up, or fetched. */
export async function atHand(source: ModelSource, naming: NameOptions): Promise<ModelSource> {
  const it = known(source);
  if (it.kind !== "name" || !isHubName(it.name)) return source;
  const { located } = await import("../store/by-name.ts");
  const parts = await located(it.name, naming);
  // The others of paths are found beside the first.
  return parts.length === 1 || typeof parts[0] === "string" ? parts[0] : (parts as File[]);
}

/** All parts of a split model: the first one, and the others at once. Where one fails, all are closed again. */
async function openAll(
  name: string,
  open: (name: string, signal?: AbortSignal) => Part | Promise<Part>,
  signal?: AbortSignal,
): Promise<Part[]> {
  const [first, ...rest] = splitNames(name) as string[];
  const parts = [await open(first, signal)];
  const others = await Promise.allSettled(rest.map(async (other) => open(other, signal)));
  for (const other of others) if (other.status === "fulfilled") parts.push(other.value);
  const failed = others.find((other) => other.status === "rejected");
  if (!failed) return parts;
  for (const part of parts) part.close();
  throw failed.reason;
}

function openPath(name: string): Part {
  try {
    const file = openFile(pathOf(fileName(name)));
    return { ...file, place: name, near: NEAR_BYTES };
  } catch (error) {
    const { code } = error as { code?: string };
    // A name as hubs have them is easily taken for a path.
    const hint = /^[\w.-]+\/[\w.-]+$/.test(name) && !/\.gguf$/i.test(name) ? `; of a hub it is hf:${name}` : "";
    const why = code === "ENOENT" ? `there is no such file${hint}` : messageOf(error);
    throw new LimpetError("HOST", `${name}: ${why}`, { cause: error });
  }
}

async function openUrl(url: string, signal?: AbortSignal): Promise<Part> {
  const response = await request(url, signal);
  const first = versionOf(response);
  /** The rest of that version; null where the server does not give it, or nothing says that it is of the same. */
  const reopen = async (from: number): Promise<ReadableStream<unknown> | null> => {
    if (!isTagged(first)) return null;
    const rest = await request(url, signal, restHeaders(first, from));
    if (isPassing(rest.status)) throw refused(url, rest);
    if (pieceLength(first, rest, from) !== null && rest.body) return rest.body;
    drop(rest);
    return null;
  };
  return new StreamPart(bodyOf(response), { size: promisedSize(response), place: url, reopen, signal });
}

/**
 * How long an answer is. From another origin it may be encoded without our seeing it, and then its length is that of the
 * encoded bytes; who makes an answer of their own may write anything.
 */
function promisedSize(response: Response): number | null {
  return response.type === "basic" ? versionOf(response).size : null;
}

async function answerAsBlob(url: string, signal?: AbortSignal): Promise<Blob> {
  const response = await request(url, signal);
  bodyOf(response);
  return response.blob();
}

function bytesPart(bytes: Uint8Array): Part {
  const size = bytes.length;
  return {
    size,
    read(offset, target) {
      if (bytes.length !== size) throw new LimpetError("WRONG_STATE", "the model's bytes were given away meanwhile");
      const found = bytes.subarray(offset, offset + target.length);
      target.set(found);
      return found.length;
    },
    close() {},
  };
}

function blobPart(blob: Blob): Part {
  const { name } = blob as { name?: unknown };
  return {
    size: blob.size,
    place: typeof name === "string" ? name : "the Blob",
    near: NEAR_BYTES,
    async read(offset, target) {
      const found = new Uint8Array(await blob.slice(offset, offset + target.length).arrayBuffer());
      target.set(found);
      return found.length;
    },
    close() {},
  };
}

/** A stream of unknown length that ended within the header: now its length is known, and its bytes are at hand. */
export async function settle(part: Part): Promise<Part> {
  const pieces: Uint8Array[] = [];
  for (let offset = 0; ; ) {
    const piece = new Uint8Array(1 << 16);
    const count = await part.read(offset, piece);
    pieces.push(piece.subarray(0, count));
    offset += count;
    if (count < piece.length) break;
  }
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytesPart(bytes);
}
