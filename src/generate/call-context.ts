/** The context of one call, which no session shares: given back when the call ends, or when it was begun and left. */
import type { Pointer } from "../../bindings/exports.ts";
import { Dropped } from "../host/dropped.ts";
import type { LoadedModel } from "./sequence-pool.ts";

/** A context, and the model that it belongs to. */
export interface CallContext {
  readonly loaded: LoadedModel;
  readonly context: Pointer;
}

/** Contexts of calls that were begun and left. */
export const droppedCalls: Dropped<CallContext> = new Dropped<CallContext>(releaseCall);

/** Ends the pass that a context is in, and gives it back. */
export function releaseCall({ loaded, context }: CallContext): void {
  if (loaded.disposed) return;
  loaded.core.exports.context_abort(context);
  loaded.core.exports.context_release(context);
}
