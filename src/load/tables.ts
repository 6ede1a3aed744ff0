/**
 * Tables that stay where the model came from: what is asked of a model, and what it says of them. Who reads their rows is
 * weight-source.ts, which is loaded when weights are streamed.
 */

import type { Pointer } from "../../bindings/exports.ts";
import { Streamed } from "../../bindings/numbers.ts";
import { type Check, printable, whole } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import type { Core } from "../host/instance.ts";

/** Where look-up tables are: in memory, or where the model was loaded from. */
export type Tables = "resident" | "stream";

/** Where a model's look-up tables stay. */
export interface TableOptions {
  /**
   * `stream` leaves look-up tables (and an embedding that is not the head too) where the model comes from, a file, Blob or
   * URL, and reads only the rows that are hit: a model may be larger than memory. The bits are the same. Default: resident.
   */
  tables?: Tables;
  /** With `stream`: bytes of memory for rows that were hit. Default: 8 MiB; 0: each is read each time. */
  tableCache?: number;
}

/** Tables that are streamed: how much stays outside memory, and what has been read of it so far. */
export interface TableUse {
  /** Bytes of tables that stay where the model came from. */
  readonly bytes: number;
  /** Passes wanted so many rows. */
  readonly rowsWanted: number;
  /** So many of them were read, because the cache did not have them. */
  readonly rowsRead: number;
  /** So many bytes were read for them. */
  readonly bytesRead: number;
}

const DEFAULT_CACHE = 8 << 20;
const STREAMED = { resident: Streamed.NOTHING, stream: Streamed.TABLES } as const;

/** Checks where tables are to lie. */
export function tablesOf(_: string, value: unknown): "resident" | "stream" {
  if (value === "resident" || value === "stream") return value;
  throw new LimpetError("BAD_ARGUMENT", `tables are "resident" or "stream", not "${printable(value)}"`);
}

/** Checks the bytes of a cache of their rows. */
export const tableCacheOf: Check<number> = whole(0, 2 ** 32 - 1);

/** Tells a model that is not loaded yet what stays in the file. */
export function leaveTables(core: Core, model: Pointer, { tables = "resident", tableCache }: TableOptions): void {
  const streamed = STREAMED[tablesOf("tables", tables)];
  core.check(core.exports.model_stream(model, streamed, tableCacheOf("tableCache", tableCache ?? DEFAULT_CACHE)));
}

/** What a model's streamed tables come to; null where none are. */
export function tableUse({ exports }: Core, model: Pointer): TableUse | null {
  const bytes = Number(exports.model_streamed_bytes(model) - exports.model_expert_bytes(model));
  if (bytes === 0) return null;
  return {
    bytes,
    rowsWanted: Number(exports.model_rows_wanted(model)),
    rowsRead: Number(exports.model_rows_read(model)),
    bytesRead: Number(exports.model_row_bytes_read(model)),
  };
}
