/** What texts begin with, as callers hold it and give it. */

import { POSITION_LIMIT } from "../../bindings/numbers.ts";
import { type Message, messagesOf } from "../generate/messages.ts";
import { CONTEXT_OPTIONS, type ContextOptions } from "../generate/sequence-pool.ts";
import { promptOf } from "../generate/tokenizer.ts";
import {
  bytes as bytesOf,
  type Check,
  type OptionTable,
  readOptions,
  signal,
  unchecked,
  whole,
} from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";

/** What many texts begin with, as a model has read it. */
export interface Prefix {
  /** Its tokens. */
  readonly tokens: readonly number[];
  /** The session that holds them, saved: what `Model.prefix` and `restore` take back. */
  readonly bytes: Uint8Array;
}

/** A piece of texts, as a model has read it behind a lead: what `Session.compose` joins. */
export interface Chunk extends Prefix {
  /** How many of its tokens are the lead's. */
  readonly lead: number;
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

/** How a piece is read. */
export interface ChunkOptions extends PrefixOptions {
  /**
   * What stands in front of all pieces that are composed together (a text, or ids), a system's text, say: the first token
   * of a text draws much attention, and must not stand in the middle of another. Default: what the model's vocabulary
   * puts in front of a text, if it does.
   */
  lead?: string | ArrayLike<number>;
}

/** What each of `ChunkOptions` has to be. */
export const CHUNK_OPTIONS: OptionTable<ChunkOptions> = { ...PREFIX_OPTIONS, lead: promptOf };

/** A prefix, as `session` is given one. */
export const prefixKind: Check<Prefix> = (name, value) => {
  // A chunk is a prefix.
  const { tokens, bytes } = readOptions<Chunk>(value, { tokens: unchecked, bytes: bytesOf, lead: unchecked }, name);
  if (bytes) return { tokens, bytes };
  throw new LimpetError("BAD_ARGUMENT", `${name} is what model.prefix gave: it has bytes`);
};

/** A piece, as `compose` is given one. */
export const chunkKind: Check<Chunk> = (name, value) => {
  const read = readOptions<Chunk>(value, { tokens: tokensKind, bytes: bytesOf, lead: whole(0, POSITION_LIMIT) }, name);
  if (read.bytes && read.tokens && read.lead < read.tokens.length) return read;
  throw new LimpetError("BAD_ARGUMENT", `${name} is what model.chunk gave: it has tokens, bytes and lead`);
};

/** What a chunk is of, checked. */
export function chunkOf(name: string, value: unknown): string | ArrayLike<number> | Chunk {
  return typeof value === "object" && value !== null && "bytes" in value
    ? chunkKind(name, value)
    : promptOf(name, value);
}

function tokensKind(name: string, value: unknown): readonly number[] {
  const ids = promptOf(name, value);
  if (typeof ids !== "string") return Array.from(ids);
  throw new LimpetError("BAD_ARGUMENT", `${name} is a list of tokens, not text`);
}

/** A text, ids, messages, or a prefix that was kept elsewhere. */
export type Beginning = string | ArrayLike<number> | readonly Message[] | Prefix;

/** What a prefix is of, checked. */
export function beginningOf(name: string, value: unknown): Beginning {
  if (typeof value === "object" && value !== null && "bytes" in value) return prefixKind(name, value);
  const isMessages = Array.isArray(value) && value.length > 0 && typeof value[0] === "object";
  return isMessages ? messagesOf(value) : promptOf(name, value);
}
