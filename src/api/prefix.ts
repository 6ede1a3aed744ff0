/** What texts begin with, as callers hold it and give it. */
import { type Message, messagesOf } from "../generate/messages.ts";
import { CONTEXT_OPTIONS, type ContextOptions } from "../generate/sequence-pool.ts";
import { promptOf } from "../generate/tokenizer.ts";
import { bytes as bytesOf, type Check, type OptionTable, readOptions, signal, unchecked } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";

/** What many texts begin with, as a model has read it. */
export interface Prefix {
  /** Its tokens. */
  readonly tokens: readonly number[];
  /** The session that holds them, saved: what `Model.prefix` and `restore` take back. */
  readonly bytes: Uint8Array;
}

/** How a prefix is read. */
export interface PrefixOptions extends ContextOptions {
  /**
   * Looks for it where prefixes are kept, and keeps it there: a folder's path in Node and Deno, or true: the cache's own
   * (`~/.cache/limpet/prefixes`, or the browser's file system). Default: false.
   */
  store?: boolean | string;
  /** Ends the reading: the signal's reason is thrown. */
  signal?: AbortSignal;
}

/** What each of `PrefixOptions` has to be. */
export const PREFIX_OPTIONS: OptionTable<PrefixOptions> = {
  ...CONTEXT_OPTIONS,
  store: (name, value) => {
    if (typeof value === "boolean" || (typeof value === "string" && value !== "")) return value;
    throw new LimpetError("BAD_ARGUMENT", `${name} is true, false or the path of a folder`);
  },
  signal,
};

/** A prefix, as `session` is given one. */
export const prefixKind: Check<Prefix> = (name, value) => {
  const read = readOptions<Prefix>(value, { tokens: unchecked, bytes: bytesOf }, name);
  if (read.bytes) return read;
  throw new LimpetError("BAD_ARGUMENT", `${name} is what model.prefix gave: it has bytes`);
};

/** A text, ids, messages, or a prefix that was kept elsewhere. */
export type Beginning = string | ArrayLike<number> | readonly Message[] | Prefix;

/** What a prefix is of, checked. */
export function beginningOf(name: string, value: unknown): Beginning {
  if (typeof value === "object" && value !== null && "bytes" in value) return prefixKind(name, value);
  const isMessages = Array.isArray(value) && value.length > 0 && typeof value[0] === "object";
  return isMessages ? messagesOf(value) : promptOf(name, value);
}
