/**
 * The core's side of a session: its handle and its context. Where nobody asked for a size, the context is small at first,
 * and the session moves to a larger one with its tokens, rows and sampler when it needs more: the bits are the same.
 */
import type { Pointer } from "../../bindings/exports.ts";
import { Dropped } from "../host/dropped.ts";
import { LimpetError } from "../host/errors.ts";
import { type CacheType, type Context, contextRows, type LoadedModel } from "./sequence-pool.ts";

/** What a generation needs of its session. */
export interface SessionState {
  readonly loaded: LoadedModel;
  /** The most rows that its context may come to. */
  readonly rows: number;
  pointer: Pointer;
  context: Context;
  /** Counts generations: only the latest may step. */
  turn: number;
  disposed: boolean;
}

/** Sessions that nobody holds any more. */
export const droppedSessions: Dropped<SessionState> = new Dropped<SessionState>(releaseState);

/** A session over a context of its own, which has room for `tokens` and may grow to `rows`. */
export function createState(loaded: LoadedModel, rows: number, kv: CacheType, tokens: number): SessionState {
  return { loaded, rows, turn: 0, disposed: false, ...begin(loaded, contextRows(tokens, rows), kv, rows) };
}

/** Gives the context back. */
export function releaseState(state: SessionState): void {
  const { loaded, pointer, context, disposed } = state;
  if (disposed) return;
  state.disposed = true;
  if (loaded.disposed) return;
  // A range that never comes is waited for no longer.
  loaded.tables?.leave(context.pointer, "the session was disposed of");
  loaded.core.exports.session_release(pointer);
  loaded.sequences.release(context);
}

/** Sees to it that the context holds so many tokens, or as many as it may. No generation goes on over it. */
export function reserve(state: SessionState, tokens: number): void {
  const wanted = contextRows(tokens, state.rows);
  if (wanted <= state.context.rows) return;
  const saved = saveState(state);
  try {
    moveBeside(state, wanted, saved);
  } catch (error) {
    if (!(error instanceof LimpetError && error.code === "OUT_OF_MEMORY")) throw error;
    moveAlone(state, wanted, saved);
  }
}

/** The next size of context between two tokens of a generation, which goes on there; on an error it is over. */
export function growWithin(state: SessionState): void {
  const { exports } = state.loaded.core;
  exports.session_stop(state.pointer);
  const wanted = contextRows(state.context.rows + 1, state.rows);
  moveBeside(state, wanted, saveState(state), (moved) => {
    state.loaded.core.check(exports.session_continue(moved.pointer, state.pointer));
  });
}

/** Moves to a context that is there beside the old one. On an error nothing has changed. */
function moveBeside(
  state: SessionState,
  wanted: number,
  saved: Uint8Array,
  finish?: (moved: SessionState) => void,
): void {
  const { loaded, rows, context } = state;
  const moved: SessionState = { ...state, ...begin(loaded, wanted, context.kv, rows) };
  try {
    restoreState(moved, saved);
    finish?.(moved);
  } catch (error) {
    releaseState(moved);
    throw error;
  }
  loaded.core.exports.session_release(state.pointer);
  loaded.sequences.release(context);
  state.pointer = moved.pointer;
  state.context = moved.context;
}

/** As `reserve`, where both contexts at a time do not fit: the old one makes room. */
function moveAlone(state: SessionState, wanted: number, saved: Uint8Array): void {
  const { loaded, context } = state;
  loaded.core.exports.session_release(state.pointer);
  loaded.sequences.drop(context);
  const start = (rows: number): void => {
    Object.assign(state, begin(loaded, rows, context.kv, state.rows));
    restoreState(state, saved);
  };
  try {
    start(wanted);
  } catch (error) {
    // What was there before fits again, into the memory that it had.
    state.disposed = true;
    start(context.rows);
    state.disposed = false;
    throw error;
  }
}

/** The core's bytes of a session that does not generate. */
export function saveState({ loaded: { core }, pointer }: SessionState): Uint8Array<ArrayBuffer> {
  const bytes = Number(core.exports.session_save_bytes(pointer));
  return core.scoped((arena) => {
    const target = arena.allocate(bytes);
    core.check(core.exports.session_save(pointer, target));
    return core.memory.read(target, bytes);
  });
}

/** Makes a session what was saved; where that has more tokens than the context, it grows. */
export function restoreState(state: SessionState, saved: Uint8Array): void {
  const { core } = state.loaded;
  core.scoped((arena) => {
    const source = arena.put(saved);
    for (;;) {
      const status = core.exports.session_restore(state.pointer, source, saved.length);
      if (status >= 0) return;
      const error = core.error();
      if (error.code === "BAD_ARGUMENT") {
        throw new LimpetError("BAD_FILE", `this saved session is broken: ${error.message}; save it again`);
      }
      if (error.code !== "CONTEXT_FULL" || state.context.rows >= state.rows) throw error;
      reserve(state, state.context.rows + 1);
    }
  });
}

function begin(
  loaded: LoadedModel,
  rows: number,
  kv: CacheType,
  most: number,
): Pick<SessionState, "pointer" | "context"> {
  const { core, sequences } = loaded;
  const context = sequences.acquire(rows, kv, most);
  const session = core.exports.session_create(core.pointer, context.pointer, 0);
  if (session !== 0) return { context, pointer: core.handle(session) };
  const { code, message } = core.error();
  sequences.release(context);
  throw new LimpetError(code, code === "OUT_OF_MEMORY" ? message + sequences.holders : message);
}
