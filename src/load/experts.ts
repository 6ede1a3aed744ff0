/**
 * Experts that stay where the model came from: what is asked of a model, and what it says of them. Who reads their
 * matrices is weight-source.ts.
 */

import type { Pointer } from "../../bindings/exports.ts";
import { type Check, printable, whole } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import type { Core } from "../host/instance.ts";

/** Where the matrices of experts are: in memory, or where the model was loaded from. */
export type Experts = "resident" | "stream";

/** Where a model's experts stay. */
export interface ExpertOptions {
  /**
   * `stream` leaves the matrices of experts where the model comes from, a file, Blob or URL, and reads those that tokens
   * go to: a model may be larger than memory. The bits are the same. Default: resident.
   */
  experts?: Experts;
  /**
   * With `stream`: bytes of memory for matrices that were read, at least those that one token takes in one layer.
   * Default: 512 MiB.
   */
  expertCache?: number;
}

/** Experts that are streamed: how much stays outside memory, and what has been read of it so far. */
export interface ExpertUse {
  /** Bytes of experts that stay where the model came from. */
  readonly bytes: number;
  /** Passes wanted so many matrices: those of an expert are two or three in a layer. */
  readonly slabsWanted: number;
  /** So many of them were read, because the cache did not have them. */
  readonly slabsRead: number;
  /** So many bytes were read for them. */
  readonly bytesRead: number;
}

const DEFAULT_CACHE = 512 << 20;

/** Checks where experts are to lie. */
export function expertsOf(_: string, value: unknown): Experts {
  if (value === "resident" || value === "stream") return value;
  throw new LimpetError("BAD_ARGUMENT", `experts are "resident" or "stream", not "${printable(value)}"`);
}

/** Checks the bytes of their cache. */
export const expertCacheOf: Check<number> = whole(0, 2 ** 32 - 1);

/** Tells a model that is not loaded yet whether its experts stay in the file. */
export function leaveExperts(core: Core, model: Pointer, { experts = "resident", expertCache }: ExpertOptions): void {
  const cache = expertCacheOf("expertCache", expertCache ?? DEFAULT_CACHE);
  if (expertsOf("experts", experts) === "stream") core.check(core.exports.model_stream_experts(model, cache));
}

/** What a model's streamed experts come to; null where none are. */
export function expertUse({ exports }: Core, model: Pointer): ExpertUse | null {
  const bytes = Number(exports.model_expert_bytes(model));
  if (bytes === 0) return null;
  return {
    bytes,
    slabsWanted: Number(exports.model_slabs_wanted(model)),
    slabsRead: Number(exports.model_slabs_read(model)),
    bytesRead: Number(exports.model_slab_bytes_read(model)),
  };
}
