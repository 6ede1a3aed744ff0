/** One file of a model as its readers see it, wherever its bytes come from; source.ts and ranges.ts open such files. */
import { LimpetError, messageOf } from "../host/errors.ts";
import { within } from "../host/wait.ts";

/** One file of a model. */
export interface Part {
  /** Bytes; null where a stream does not say. */
  readonly size: number | null;
  /** What errors call it. */
  readonly place?: string;
  /** Of what can be read while the event loop goes on: ranges no more bytes apart than this are better read as one. */
  readonly near?: number;
  /** Fills as much of `target` as there is from `offset`; gives how many bytes that were. */
  read(offset: number, target: Uint8Array, signal?: AbortSignal): number | Promise<number>;
  /** The same in a promise, where `read` gives its number at once. */
  readLater?(offset: number, target: Uint8Array): Promise<number>;
  /** Whether the file is not what it was when it was opened. */
  changed?(): boolean;
  /** The header is read: what lies before the current place is not asked for again. */
  headerDone?(): void;
  close(): void;
}

/** The error of a file that is not what it was when the model was loaded. */
export function changed(place: string | URL): LimpetError {
  return new LimpetError("BAD_FILE", `${place} was changed since the model was loaded from it: load it anew`);
}

/** Fills what a reader of a file wants; gives how many bytes there were. An abort is the signal's reason. */
export async function fillFrom(part: Part, offset: number, target: Uint8Array, signal?: AbortSignal): Promise<number> {
  try {
    const read = part.read(offset, target, signal);
    return typeof read === "number" ? read : await within(read, signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw unreadable(part, error);
  }
}

/** What reading throws, in words: those of the system, and what to do. */
export function unreadable(part: Part, error: unknown): unknown {
  if (error instanceof LimpetError || (error as { name?: unknown } | null)?.name === "AbortError") return error;
  const place = part.place ?? "the model's file";
  const words = `${place} cannot be read any more: ${messageOf(error)}; load the model anew`;
  return new LimpetError("HOST", words, { cause: error });
}
