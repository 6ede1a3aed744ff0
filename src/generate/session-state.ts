/**
 * The core's side of a session: its handle and its context. Where nobody asked for a size, the context is small at first,
 * and the session moves to a larger one with its tokens, rows and sampler when it needs more: the bits are the same. One
 * that rests may have to lend its context, and is kept as bytes meanwhile.
 */
import type { Pointer } from "../../bindings/exports.ts";
import type { Status } from "../../bindings/numbers.ts";
import { Dropped } from "../host/dropped.ts";
import { LimpetError } from "../host/errors.ts";
import type { Core } from "../host/instance.ts";
import { type AdapterSet, giveAdapters, sweepAdapters } from "./adapter.ts";
import type { Speculate } from "./drafts.ts";
import type { CacheKind, KeptRows } from "./kept-rows.ts";
import { giveNeurons, type Neurons } from "./neurons.ts";
import { type Context, contextRows, type Holder, type LoadedModel } from "./sequence-pool.ts";

/** What the last pass did behind the ReLU² of each layer; empty where the model has another activation. */
export interface Activity {
  /** Exact zeros, layer by layer. */
  readonly zeros: readonly number[];
  /** Activations in all. */
  readonly activations: readonly number[];
}

/** Sessions that share a context, and are stepped together (sequence-group.ts). */
export interface SessionGroup {
  /** A session begins to generate, or does so no more. */
  begin(state: SessionState): void;
  end(state: SessionState): void;
  /** Steps the group until something has come of this session; `usable` is called as more of a watched one is read. */
  advance(
    state: SessionState,
    usable: () => void,
    signal: AbortSignal | undefined,
    isWatched: boolean,
  ): Promise<Status>;
  /** A session is given back. */
  leave(state: SessionState): void;
  /** Where the drafts of its sessions come from. */
  readonly speculate: Speculate;
}

/** What a generation needs of its session. */
export interface SessionState {
  readonly loaded: LoadedModel;
  /** The session as those see it who want its context. */
  readonly holder: Holder;
  /** The most rows that its context may come to. */
  readonly rows: number;
  /** Where they are full, the oldest tokens make room, but for the first `keep`; null: nothing does. */
  keep: number | null;
  /** Nobody has it now: where others need its context it is given back, not parked. */
  isSpare: boolean;
  /** Neither is of use while the session is parked. */
  pointer: Pointer;
  context: Context;
  /** What it holds, while others have its context. */
  parked: Uint8Array | null;
  /** A generation goes on, between whose tokens the context must stay; and whether it has run passes. */
  generates: boolean;
  hasRun: boolean;
  /** Of the last generation that has ended. */
  activity: Activity;
  /** With whom it shares its context; null: it is its own. */
  readonly group: SessionGroup | null;
  /** The adapters that its generations use which name none, and those that the core knows of. */
  adapters: AdapterSet;
  applied: AdapterSet;
  /** Whether some of its rows may be those of other adapters than `applied`, which `keepCache` kept. */
  isMixed: boolean;
  /** The neurons that its answers use. Default: all. */
  readonly neurons: Neurons | undefined;
  /** Counts generations: only the latest may step. */
  turn: number;
  disposed: boolean;
}

/** Sessions that nobody holds any more. */
export const droppedSessions: Dropped<SessionState> = new Dropped<SessionState>(releaseState);

/** A session over a context of its own, which has room for `tokens` and may grow to `rows`. */
export function createState(
  loaded: LoadedModel,
  rows: number,
  cache: CacheKind,
  tokens: number,
  keep: number | null = null,
  logitRows: number = 1,
  neurons?: Neurons,
): SessionState {
  const holder: Holder = {
    get rests() {
      return !state.generates && !state.parked;
    },
    park: () => park(state),
  };
  const state: SessionState = {
    ...{
      loaded,
      holder,
      rows,
      keep,
      isSpare: false,
      neurons,
      // What a policy keeps is planned as a whole.
      ...begin(
        { loaded, holder, applied: [], neurons },
        cache.kept ? rows : contextRows(tokens, rows),
        cache,
        logitRows,
      ),
      parked: null,
      group: null,
      ...{ adapters: [], applied: [], isMixed: false },
    },
    ...{ generates: false, hasRun: false, activity: { zeros: [], activations: [] }, turn: 0, disposed: false },
  };
  return state;
}

/** Takes a context again for a session that has lent its own. On an error it stays parked. */
export function wake(state: SessionState): void {
  const { loaded, context, parked } = state;
  loaded.sequences.touch(context);
  if (!parked) return;
  Object.assign(state, begin(state, context.rows, context, context.logitRows));
  try {
    restoreState(state, parked);
    state.parked = null;
  } catch (error) {
    giveBack(state);
    throw error;
  }
}

/** Keeps what a resting session holds as bytes, if somebody has it, and gives its context back. */
function park(state: SessionState): boolean {
  if (state.isSpare) {
    releaseState(state);
    return true;
  }
  try {
    state.parked = saveState(state);
  } catch {
    return false;
  }
  giveBack(state);
  return true;
}

function giveBack({ loaded, pointer, context }: Pick<SessionState, "loaded" | "pointer" | "context">): void {
  loaded.core.exports.session_release(pointer);
  loaded.sequences.release(context);
  sweepAdapters(loaded);
}

/** The generation is over, which has run passes or none. */
export function rest(state: SessionState, hasRun: boolean): void {
  state.loaded.core.exports.session_stop(state.pointer);
  if (state.generates && hasRun) state.activity = readActivity(state);
  state.generates = false;
}

/** What the last pass in the session's context did. */
export function readActivity({ loaded, context }: SessionState): Activity {
  const { exports, memory } = loaded.core;
  const layers = exports.model_layers(loaded.pointer);
  const counts = (at: Pointer): number[] => {
    const halves = memory.u32(at, layers * 2);
    return Array.from({ length: layers }, (_, i) => halves[2 * i] + halves[2 * i + 1] * 2 ** 32);
  };
  const activations = counts(exports.context_activations(context.pointer));
  if (!activations.some((count) => count > 0)) return { zeros: [], activations: [] };
  return { zeros: counts(exports.context_zeros(context.pointer)), activations };
}

/** Gives the context back. */
export function releaseState(state: SessionState): void {
  const { loaded, context, parked, disposed } = state;
  if (disposed) return;
  state.disposed = true;
  state.parked = null;
  if (loaded.disposed || parked) return;
  if (state.group) {
    state.group.leave(state);
    return;
  }
  // A range that never comes is waited for no longer.
  loaded.source?.leave(context.pointer, "the session was disposed of");
  giveBack(state);
}

/**
 * Sees to it that the context holds so many tokens, or as many as it may, and gives logits of so many of a pass. No
 * generation goes on over it.
 */
export function reserve(state: SessionState, tokens: number, logitRows: number = 1): void {
  const { context } = state;
  const wanted = Math.max(contextRows(tokens, state.rows), context.rows);
  const wantedLogits = Math.max(logitRows, context.logitRows);
  if (state.group || (wanted === context.rows && wantedLogits === context.logitRows)) return;
  const saved = saveState(state);
  try {
    moveBeside(state, wanted, wantedLogits, saved);
  } catch (error) {
    if (!(error instanceof LimpetError && error.code === "OUT_OF_MEMORY")) throw error;
    moveAlone(state, wanted, wantedLogits, saved);
  }
}

/** Room for more tokens; where there can be none, nothing has changed. */
export function requireRoom(state: SessionState, there: number, more: number): void {
  if (there + more > state.rows) {
    const words = `the context holds ${state.rows} tokens: ${there} are there, and ${more} more do not fit`;
    const sizes = { tokens: there + more, capacity: state.rows };
    throw new LimpetError("CONTEXT_FULL", `${words}; make it longer (--ctx N, { context: N })`, { sizes });
  }
  reserve(state, there + more);
}

/** The next size of context between two tokens of a generation, which goes on there; on an error it is over. */
export function growWithin(state: SessionState): void {
  const { exports } = state.loaded.core;
  exports.session_stop(state.pointer);
  const wanted = contextRows(state.context.rows + 1, state.rows);
  moveBeside(state, wanted, state.context.logitRows, saveState(state), (moved) => {
    state.loaded.core.check(exports.session_continue(moved.pointer, state.pointer));
  });
}

/**
 * Makes room where a session's rows are full: half of its tokens behind the first `keep` are forgotten, and more where
 * `wanted` are to find room. How many were forgotten; 0: there is no room to be made.
 */
export function makeRoom(state: SessionState, wanted: number = 1): number {
  const { loaded, pointer, rows, keep } = state;
  const { core } = loaded;
  const count = core.exports.session_count(pointer);
  if (keep === null) return 0;
  const forgotten = Math.max(Math.floor((count - keep) / 2), count + wanted - rows);
  if (forgotten < 1 || keep + forgotten >= count) return 0;
  core.check(core.exports.session_shift(pointer, keep, forgotten));
  return forgotten;
}

/** Moves to a context that is there beside the old one. On an error nothing has changed. */
function moveBeside(
  state: SessionState,
  wanted: number,
  logitRows: number,
  saved: Uint8Array,
  finish?: (moved: SessionState) => void,
): void {
  const { loaded, context } = state;
  const moved: SessionState = {
    ...state,
    ...begin(state, wanted, context, logitRows),
  };
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
function moveAlone(state: SessionState, wanted: number, logitRows: number, saved: Uint8Array): void {
  const { loaded, context } = state;
  loaded.core.exports.session_release(state.pointer);
  loaded.sequences.drop(context);
  const start = (rows: number, logits: number): void => {
    Object.assign(state, begin(state, rows, context, logits));
    restoreState(state, saved);
  };
  try {
    start(wanted, logitRows);
  } catch (error) {
    // What was there before fits again, into the memory that it had.
    state.disposed = true;
    start(context.rows, context.logitRows);
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
  { loaded, holder, applied, neurons }: Pick<SessionState, "loaded" | "holder" | "applied" | "neurons">,
  rows: number,
  cache: CacheKind,
  logitRows: number,
): Pick<SessionState, "pointer" | "context"> {
  const { core, sequences } = loaded;
  const context = sequences.acquire(rows, cache, holder, logitRows);
  const session = core.exports.session_create(core.pointer, context.pointer, 0);
  if (session === 0) {
    const { code, message } = core.error();
    sequences.release(context);
    throw new LimpetError(code, code === "OUT_OF_MEMORY" ? message + sequences.holders : message);
  }
  const begun = { context, pointer: core.handle(session) };
  try {
    if (cache.kept) setPolicy(core, begun.pointer, cache.kept);
    if (neurons) giveNeurons(loaded, begun.pointer, neurons);
    if (applied.length > 0) give(loaded, begun.pointer, applied, false);
  } catch (error) {
    giveBack({ loaded, ...begun });
    throw error;
  }
  return begun;
}

function setPolicy(core: Core, session: Pointer, kept: KeptRows): void {
  const { scored, recent, sinks, merge, every, beta } = kept;
  core.check(core.exports.session_set_policy(session, scored ? 1 : 0, recent, sinks, merge, every, beta));
}

/** What a session's cache takes, and keeps. */
export interface CacheUse {
  /** Bytes of the cache. */
  readonly bytes: number;
  /** Rows that each layer has now; 0 where it keeps none of its own. */
  readonly rows: readonly number[];
}

/** What it is now. */
export function readCache({ loaded, pointer, context }: SessionState): CacheUse {
  const { exports } = loaded.core;
  const layers = exports.model_layers(loaded.pointer);
  const rows = Array.from({ length: layers }, (_, layer) => exports.session_rows(pointer, layer));
  return { bytes: Number(exports.context_cache_bytes(context.pointer)), rows };
}

/**
 * The session's tokens use these adapters from now on. Rows that others have made are made anew, unless `keepCache`.
 */
export function useAdapters(state: SessionState, set: AdapterSet, keepCache: boolean = false): void {
  if (set.length === 0 && state.applied.length === 0 && (keepCache || !state.isMixed)) return;
  give(state.loaded, state.pointer, set, keepCache);
  state.applied = set;
  state.isMixed = keepCache;
}

function give(loaded: LoadedModel, session: Pointer, set: AdapterSet, keepCache: boolean): void {
  giveAdapters(loaded, set, (adapters, weights, count) =>
    loaded.core.exports.session_set_adapters(session, adapters, weights, count, keepCache ? 1 : 0),
  );
}
