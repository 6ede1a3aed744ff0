/**
 * Sessions that share a context: what they generate is computed in ragged passes, one token of each that decodes beside
 * the prompts of others. Whoever waits for a piece drives the passes for all that wait; who does not ask is left out,
 * and none gets ahead of its reader.
 */
import type { Pointer } from "../../bindings/exports.ts";
import { Status } from "../../bindings/numbers.ts";
import { LimpetError } from "../host/errors.ts";
import { macrotask, Pace } from "../host/pace.ts";
import { within } from "../host/wait.ts";
import { draftRows, type Speculate } from "./drafts.ts";
import type { CacheType } from "./kept-rows.ts";
import { type Context, createContext, type Form, formNumber, type LoadedModel } from "./sequence-pool.ts";
import { releaseState, type SessionGroup, type SessionState } from "./session-state.ts";

/** What a group's context is made with. */
export interface GroupShape {
  /** Sessions at a time. */
  readonly sequences: number;
  /** Tokens that a session holds. */
  readonly rows: number;
  /** Tokens that all of them hold together, shared ones counted once. */
  readonly total: number;
  readonly kv: CacheType;
  readonly form: Form;
  /** Where drafts come from. */
  readonly speculate: Speculate;
}

export class SequenceGroup implements SessionGroup {
  readonly #loaded: LoadedModel;
  readonly #shape: GroupShape;
  readonly #context: Context;
  /** u32[sequences] in the core: the sessions of a step. */
  readonly #list: Pointer;
  readonly #free: number[];
  /** The sequence of each session. */
  readonly #members = new Map<SessionState, number>();
  /** Who waits for a sequence. */
  readonly #queue: (() => void)[] = [];
  /** Who generates, who of them waits for something to come of it, and what has come. */
  readonly #active = new Set<SessionState>();
  readonly #asking = new Set<SessionState>();
  /** Whose reader wants to know how much of a prompt has been read; and how much that was. */
  readonly #watched = new Map<SessionState, number>();
  readonly #outcomes = new Map<SessionState, Status | LimpetError>();
  /** Whose logits somebody looks at: the pass that made them is the last one until then. */
  readonly #shown = new Set<SessionState>();
  #looked: (() => void) | null = null;
  #turn: Promise<void> | null = null;
  readonly #pace = new Pace(undefined);
  #disposed = false;

  constructor(loaded: LoadedModel, shape: GroupShape) {
    const { core, pointer: model, sequences: pool } = loaded;
    const { exports } = core;
    const { sequences, total, kv, form, speculate } = shape;
    const batch = Math.min(Math.max(exports.model_batch(model), sequences), Math.max(total, sequences));
    // `auto` drafts nothing here: many sequences fill a pass without.
    const drafts = speculate === "auto" ? 0 : draftRows(speculate);
    const logitRows = Math.min(sequences * (1 + drafts), batch);
    const pointer = createContext(core, model, pool, total, batch, logitRows, kv, undefined, sequences);
    exports.context_set_form(pointer, formNumber(form));
    this.#loaded = loaded;
    this.#shape = shape;
    this.#context = { pointer, rows: total, kv, kept: null, logitRows, bytes: 0 };
    this.#free = Array.from({ length: sequences }, (_, i) => sequences - 1 - i);
    try {
      this.#list = core.handle(exports.core_allocate(core.pointer, BigInt(4 * sequences)));
    } catch (error) {
      exports.context_release(pointer);
      throw error;
    }
  }

  /** Where the drafts of its sessions come from. */
  get speculate(): Speculate {
    return this.#shape.speculate;
  }

  /** Whether all sequences are in use. */
  get isFull(): boolean {
    return this.#free.length === 0;
  }

  /** Whether somebody waits for a sequence. */
  get isWaitedFor(): boolean {
    return this.#queue.length > 0;
  }

  /** A session over a free sequence. */
  join(): SessionState {
    this.#requireAlive();
    const sequence = this.#free.pop();
    if (sequence === undefined) {
      const words = `all ${this.#shape.sequences} sequences of this batch are in use`;
      throw new LimpetError("WRONG_STATE", `${words}: dispose of a session, or make it with more ({ sequences: N })`);
    }
    const { core } = this.#loaded;
    const { rows } = this.#shape;
    try {
      const pointer = core.handle(core.exports.session_create(core.pointer, this.#context.pointer, sequence));
      core.check(core.exports.session_limit(pointer, Math.min(rows, this.#context.rows)));
      const state: SessionState = {
        loaded: this.#loaded,
        rows: Math.min(rows, this.#context.rows),
        keep: null,
        isSpare: false,
        pointer,
        context: this.#context,
        group: this,
        holder: { rests: false, park: () => false },
        parked: null,
        generates: false,
        hasRun: false,
        activity: { zeros: [], activations: [] },
        adapters: [],
        applied: [],
        isMixed: false,
        neurons: undefined,
        turn: 0,
        disposed: false,
      };
      this.#members.set(state, sequence);
      return state;
    } catch (error) {
      this.#free.push(sequence);
      throw error;
    }
  }

  /** As `join`, as soon as a sequence is free. */
  async joinLater(signal?: AbortSignal): Promise<SessionState> {
    while (this.#free.length === 0) {
      this.#requireAlive();
      let enter = (): void => {};
      const free = new Promise<void>((resolve) => {
        enter = resolve;
        this.#queue.push(enter);
      });
      try {
        await within(free, signal);
      } finally {
        if (this.#queue.includes(enter)) this.#queue.splice(this.#queue.indexOf(enter), 1);
        else if (signal?.aborted) this.#queue.shift()?.();
      }
    }
    return this.join();
  }

  /** Waits until the context is in no pass. */
  async isIdle(): Promise<void> {
    const { core } = this.#loaded;
    while (this.#turn && !this.#loaded.disposed && core.exports.context_at(this.#context.pointer) >= 0) {
      await this.#turn.catch(() => {});
    }
  }

  /**
   * Has an empty session begin with the tokens that another one has of a text, from `least` of them on, whose rows both
   * share then. How many these are.
   */
  share(state: SessionState, tokens: readonly number[], least: number): number {
    const { core } = this.#loaded;
    const { exports, memory } = core;
    let [best, most] = [null as SessionState | null, 0];
    for (const other of this.#members.keys()) {
      // What adapters have read is another text to those who have none.
      if (other === state || other.applied.length > 0 || other.isMixed) continue;
      const there = memory.u32(exports.session_tokens(other.pointer), exports.session_evaluated(other.pointer));
      let common = 0;
      while (common < there.length && there[common] === tokens[common]) common++;
      if (common >= least && common > most) [best, most] = [other, common];
    }
    if (!best || exports.context_at(this.#context.pointer) >= 0) return 0;
    // Where it cannot be, the text is read anew.
    return exports.session_share(state.pointer, best.pointer, Math.min(most, state.rows)) < 0 ? 0 : most;
  }

  /** A session is given back; who waits for a sequence gets its. */
  leave(state: SessionState): void {
    this.end(state);
    this.#loaded.core.exports.session_release(state.pointer);
    this.#free.push(this.#members.get(state)!);
    this.#members.delete(state);
    this.#queue.shift()?.();
  }

  /** A session begins to generate. */
  begin(state: SessionState): void {
    this.#requireAlive();
    this.#active.add(state);
    this.#outcomes.delete(state);
  }

  /** A session generates no more. */
  end(state: SessionState): void {
    this.#active.delete(state);
    this.#outcomes.delete(state);
    this.#look(state);
  }

  /** Steps the group until something has come of a session: a token, logits to look at, or the end. */
  async advance(
    state: SessionState,
    usable: () => void,
    signal: AbortSignal | undefined,
    isWatched: boolean,
  ): Promise<Status> {
    this.#look(state);
    this.#asking.add(state);
    try {
      for (;;) {
        signal?.throwIfAborted();
        usable();
        if (isWatched) this.#watched.set(state, this.#evaluated(state));
        const outcome = this.#outcomes.get(state);
        if (outcome !== undefined) {
          this.#outcomes.delete(state);
          if (outcome instanceof LimpetError) throw outcome;
          return outcome;
        }
        this.#turn ??= this.#step().finally(() => {
          this.#turn = null;
        });
        await this.#turn;
      }
    } finally {
      this.#asking.delete(state);
      this.#watched.delete(state);
    }
  }

  #evaluated({ pointer }: SessionState): number {
    return this.#loaded.core.exports.session_evaluated(pointer);
  }

  /** Gives the context back; sessions of the group are of no use after it. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const state of [...this.#members.keys()]) releaseState(state);
    for (const enter of this.#queue.splice(0)) enter();
    const { core, disposed, source } = this.#loaded;
    if (disposed) return;
    source?.leave(this.#context.pointer, "the batch was disposed of");
    core.exports.core_release(core.pointer, this.#list);
    core.exports.context_release(this.#context.pointer);
  }

  /** Steps those that ask until something has come of one, or the event loop has had its turn between two passes. */
  async #step(): Promise<void> {
    // Who has been given a token asks for its next one within a turn of the event loop, or is left out.
    if ([...this.#active].some((state) => !this.#asking.has(state))) await macrotask();
    while (this.#shown.size > 0) {
      await new Promise<void>((resolve) => {
        this.#looked = resolve;
      });
    }
    const { core, source } = this.#loaded;
    for (;;) {
      if (this.#disposed || this.#loaded.disposed) return;
      const asking = [...this.#asking].filter((state) => this.#active.has(state) && !this.#outcomes.has(state));
      if (asking.length === 0) return;
      const { exports, memory } = core;
      const { pointer } = this.#context;
      memory.write(
        this.#list,
        Uint32Array.from(asking, (state) => state.pointer),
      );
      const step = () => exports.session_step_all(core.pointer, this.#list, asking.length);
      const status: Status = core.step(step, pointer, pointer);
      if (status < 0) {
        const error = core.error();
        for (const state of asking) this.#outcomes.set(state, error);
        return;
      }
      if (status === Status.TOKEN) {
        for (const state of asking) {
          const own = exports.session_status(state.pointer);
          state.hasRun = true;
          if (own !== Status.MORE) this.#outcomes.set(state, own < 0 ? core.error() : own);
          if (own === Status.LOGITS) this.#shown.add(state);
        }
        return;
      }
      if (status === Status.NEED_DATA) {
        const put = await source!.read(pointer, undefined);
        if (this.#disposed || this.#loaded.disposed) return;
        // Who has ended meanwhile may have taken the pass along.
        if (exports.context_at(pointer) >= 0) put?.();
      }
      const wait = this.#pace.step();
      if (wait) await wait;
      if (this.#disposed || this.#loaded.disposed) return;
      if (wait && exports.context_at(pointer) < 0) return;
      if ([...this.#watched].some(([state, before]) => !state.disposed && this.#evaluated(state) !== before)) return;
    }
  }

  #look(state: SessionState): void {
    this.#shown.delete(state);
    if (this.#shown.size > 0) return;
    this.#looked?.();
    this.#looked = null;
  }

  #requireAlive(): void {
    if (this.#loaded.disposed) throw new LimpetError("WRONG_STATE", "the model was disposed of");
    if (this.#disposed) throw new LimpetError("WRONG_STATE", "the batch was disposed of");
  }
}
