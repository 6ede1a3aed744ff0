/**
 * Speculation: tokens that may follow are evaluated with the last one, and those that are drawn then have cost no pass of
 * their own. The text is that of a generation without, to the bit: each token is drawn from the same logits with the same
 * random number. The core verifies (assembly/engine/speculation.ts); here is where drafts come from, and how many pay.
 */
import { LimpetError } from "../host/errors.ts";
import { readMetadata } from "../load/info.ts";
import { DRAFTED, type DraftModel, type DraftOptions, draftRows, LOOKED_UP, type Speculate } from "./drafts.ts";
import { plainType } from "./kept-rows.ts";
import { type LoadedModel, mostTokens } from "./sequence-pool.ts";
import { createState, releaseState, reserve, type SessionState, wake } from "./session-state.ts";

/** The models of this thread, by what their users hold. */
const models = new WeakMap<object, LoadedModel>();

/** A model that may draft for others. */
export function mayDraft(model: DraftModel, loaded: LoadedModel): void {
  models.set(model, loaded);
}

/** Makes the drafts of a generation, or says how many are looked up. */
export interface Drafter {
  /** In front of a step. */
  before(): void | Promise<void>;
  /** Behind a step that gave a token, which took so long [ms]. */
  after(ms: number): void;
  /** The generation is over. */
  end(): void;
}

/** Steps a session until something has come of it. */
type Advance = (state: SessionState) => Promise<unknown>;

/** What sees to the drafts of a generation that begins; null: the core needs nobody for them, or there are none. */
export function drafterOf(session: SessionState, speculate: Speculate | undefined, advance: Advance): Drafter | null {
  if (speculate === "auto") return session.group || isRecurrent(session.loaded) ? null : new Measured(session);
  if (typeof speculate === "object") return new ByModel(session, speculate, advance);
  return null;
}

function isRecurrent({ core, pointer }: LoadedModel): boolean {
  return core.exports.model_state_bytes(pointer) > 0;
}

/** Tells the core where the drafts of a generation come from. What cannot be is refused here. */
export function configureDrafts({ loaded, pointer, group }: SessionState, speculate: Speculate | undefined): void {
  const { core } = loaded;
  if (typeof speculate === "object") draftModel(loaded, speculate);
  const looksUp = speculate === "prompt" || (speculate === "auto" && !group && !isRecurrent(loaded));
  const most = speculate === "auto" ? 0 : draftRows(speculate);
  core.check(core.exports.session_speculate(pointer, looksUp ? 1 : 0, most));
}

/** How many drafts the passes of a generation had, and how many of them came true. */
export function draftFigures({ loaded: { core }, pointer }: SessionState): { drafted: number; accepted: number } {
  const [drafted, accepted] = core.memory.u32(core.exports.session_speculation(pointer), 2);
  return { drafted, accepted };
}

/** What passes of several tokens cost, in passes of one; of each model what was measured. */
class PassCosts {
  /** Milliseconds of a pass of one token; 0: none was measured. */
  plain = 0;
  /** Passes that a further token costs. */
  #further = FURTHER;

  measure(tokens: number, ms: number): void {
    if (tokens === 1) {
      this.plain = this.plain === 0 ? ms : this.plain + LEARNS * (Math.min(ms, 2 * this.plain) - this.plain);
      // What was measured long ago may have been chance.
      this.#further += FORGETS * (FURTHER - this.#further);
    } else if (this.plain > 0) {
      const further = (ms / this.plain - 1) / (tokens - 1);
      this.#further += LEARNS * (Math.min(Math.max(further, 0), 2 * FURTHER) - this.#further);
    }
  }

  of(tokens: number): number {
    return 1 + (tokens - 1) * this.#further;
  }
}

/** What a further token is thought to cost before it was measured. */
const FURTHER = 0.5;
const LEARNS = 0.1;
const FORGETS = 0.01;
/** Drafting has to be better than this to be tried. */
const MARGIN = 1.06;

const costs = new WeakMap<LoadedModel, PassCosts>();

/**
 * Looks drafts up where that pays: by how often the first draft was right (which is seen whether it is tried or not), and
 * what passes of several tokens have cost. What these passes took is held against the tokens that they gave: where more was
 * lost than a pass, drafts rest, twice as long each time.
 */
class Measured implements Drafter {
  readonly #session: SessionState;
  readonly #costs: PassCosts;
  /** How often a draft is right. */
  #share = 0.5;
  #drafted = 0;
  #accepted = 0;
  #guessed = 0;
  #right = 0;
  /** Tokens that the step has to evaluate. */
  #left = 0;
  /** Passes of one that drafts have cost more than they gave. */
  #lost = 0;
  /** Passes without drafts that are to come, and how many there are the next time. */
  #rest = 0;
  #restNext = REST;

  constructor(session: SessionState) {
    this.#session = session;
    const { loaded } = session;
    this.#costs = costs.get(loaded) ?? new PassCosts();
    costs.set(loaded, this.#costs);
  }

  before(): void {
    const { loaded, pointer } = this.#session;
    const { core } = loaded;
    this.#left = core.exports.session_count(pointer) - core.exports.session_evaluated(pointer);
    if (this.#left === 1) core.check(core.exports.session_speculate(pointer, 1, this.#best()));
  }

  after(ms: number): void {
    const { loaded, pointer } = this.#session;
    const { core } = loaded;
    const [drafted, accepted, guesses, right] = core.memory.u32(core.exports.session_speculation(pointer), 4);
    const tokens = 1 + drafted - this.#drafted;
    if (this.#left === 1) {
      if (tokens > 1) this.#lost += Math.min(ms / this.#costs.plain, 2 * tokens) - 1;
      this.#costs.measure(tokens, ms);
    }
    this.#lost -= accepted - this.#accepted;
    for (let i = this.#guessed; i < guesses; i++) {
      this.#share += SHARE_LEARNS * ((i - this.#guessed < right - this.#right ? 1 : 0) - this.#share);
    }
    [this.#drafted, this.#accepted, this.#guessed, this.#right] = [drafted, accepted, guesses, right];
  }

  end(): void {}

  /** Drafts that give most tokens a millisecond; 0 where none is worth it. */
  #best(): number {
    if (this.#costs.plain === 0) return 0;
    if (this.#lost > 1) {
      // One more that loses is enough.
      this.#lost = 1;
      this.#rest = this.#restNext;
      this.#restNext *= 2;
    } else if (this.#lost < -1) {
      this.#lost = -1;
      this.#restNext = REST;
    }
    if (this.#rest > 0) {
      this.#rest--;
      return 0;
    }
    let [best, most] = [0, MARGIN];
    let tokens = 1;
    for (let drafts = 1, chance = 1; drafts <= LOOKED_UP; drafts++) {
      chance *= this.#share;
      tokens += chance;
      const gain = tokens / this.#costs.of(1 + drafts);
      if (gain > most) [best, most] = [drafts, gain];
    }
    return best;
  }
}

const SHARE_LEARNS = 0.1;
/** Passes without drafts after a loss. */
const REST = 32;

/** Sessions of draft models that wait for the next generation, those used last at the end. */
const spare = new WeakMap<LoadedModel, SessionState[]>();
const SPARE = 4;

/** Has a smaller model draft: what it finds likeliest. */
class ByModel implements Drafter {
  readonly #session: SessionState;
  readonly #loaded: LoadedModel;
  readonly #tokens: number;
  readonly #advance: Advance;
  #state: SessionState | null = null;

  constructor(session: SessionState, options: DraftOptions, advance: Advance) {
    this.#session = session;
    this.#loaded = draftModel(session.loaded, options);
    this.#tokens = options.tokens ?? DRAFTED;
    this.#advance = advance;
  }

  async before(): Promise<void> {
    const { core } = this.#session.loaded;
    const { pointer } = this.#session;
    const { exports } = core;
    if (exports.session_count(pointer) - exports.session_evaluated(pointer) !== 1) return;
    const tokens = Uint32Array.from(core.memory.u32(exports.session_tokens(pointer), exports.session_count(pointer)));
    const drafts = await this.#draft(tokens);
    if (this.#session.disposed || this.#session.loaded.disposed || drafts.length === 0) return;
    core.scoped((arena) => {
      const ids = arena.put(Uint32Array.from(drafts));
      core.check(exports.session_draft(this.#session.pointer, ids, drafts.length));
    });
  }

  after(): void {}

  end(): void {
    const state = this.#state;
    this.#state = null;
    if (!state || state.disposed || this.#loaded.disposed) return;
    const others = spare.get(this.#loaded)!;
    others.push(state);
    state.isSpare = true;
    if (others.length > SPARE) releaseState(others.shift()!);
  }

  /** What the model writes behind these tokens. A text that is longer than its context gets no drafts. */
  async #draft(tokens: Uint32Array<ArrayBuffer>): Promise<number[]> {
    const loaded = this.#loaded;
    if (loaded.disposed) throw new LimpetError("WRONG_STATE", "the draft model was disposed of");
    const { core } = loaded;
    const { exports } = core;
    const rows = mostTokens(core, loaded.pointer, loaded.defaults.context);
    if (tokens.length + this.#tokens > rows) return [];
    this.#state ??= this.#take(tokens, rows);
    const state = this.#state;
    wake(state);
    exports.session_stop(state.pointer);
    reserve(state, tokens.length + this.#tokens);
    core.scoped((arena) => {
      core.check(exports.session_replace_tokens(state.pointer, arena.put(tokens), tokens.length));
    });
    core.check(exports.session_configure(state.pointer, 0, 0, 1, 0, 1));
    core.check(exports.session_begin(state.pointer, this.#tokens, 0, 0));
    state.generates = true;
    try {
      while (exports.session_finish(state.pointer) === 0) await this.#advance(state);
      const count = exports.session_count(state.pointer);
      return Array.from(core.memory.u32(exports.session_tokens(state.pointer), count).subarray(tokens.length));
    } finally {
      state.generates = false;
      if (!loaded.disposed && !state.disposed) exports.session_stop(state.pointer);
    }
  }

  /** A session of the draft model: the one that has most of these tokens, or a new one. */
  #take(tokens: Uint32Array<ArrayBuffer>, rows: number): SessionState {
    const { core, defaults } = this.#loaded;
    const all = (spare.get(this.#loaded) ?? []).filter(({ disposed }) => !disposed);
    let [best, most] = [-1, 0];
    for (const [i, { pointer, parked }] of all.entries()) {
      if (parked) continue;
      const own = core.memory.u32(core.exports.session_tokens(pointer), core.exports.session_count(pointer));
      let common = 0;
      while (common < own.length && own[common] === tokens[common]) common++;
      if (common > most) [best, most] = [i, common];
    }
    const found = best < 0 ? undefined : all.splice(best, 1)[0];
    spare.set(this.#loaded, all);
    if (!found) {
      const cache = { kv: plainType(defaults.kv), kept: null };
      return createState(this.#loaded, rows, cache, tokens.length + this.#tokens);
    }
    found.isSpare = false;
    return found;
  }
}

const sameVocabulary = new WeakMap<LoadedModel, WeakSet<LoadedModel>>();

/** The core's side of a model that drafts for another; what cannot is refused. */
function draftModel(loaded: LoadedModel, { draft }: DraftOptions): LoadedModel {
  const drafts = models.get(draft);
  if (!drafts) {
    const why = "a Model that was loaded in this thread: one of a worker drafts for nobody, and a worker has none";
    throw new LimpetError("BAD_ARGUMENT", `speculate.draft is ${why}; speculate: "prompt" goes everywhere`);
  }
  if (drafts.disposed) throw new LimpetError("WRONG_STATE", "the draft model was disposed of");
  if (drafts === loaded) {
    throw new LimpetError("BAD_ARGUMENT", "a model does not draft for itself: speculate.draft is a smaller one");
  }
  if (drafts.core.exports.model_has_encoder(drafts.pointer)) {
    throw new LimpetError(
      "BAD_ARGUMENT",
      "a draft model goes on with a text: this one has an encoder, which answers one",
    );
  }
  if (sameVocabulary.get(loaded)?.has(drafts)) return drafts;
  const [sizes, theirs] = [vocabularySize(loaded), vocabularySize(drafts)];
  if (sizes !== theirs || vocabularyOf(loaded) !== vocabularyOf(drafts)) {
    const which = sizes === theirs ? "of as many tokens" : `of ${theirs} tokens, not ${sizes}`;
    throw new LimpetError(
      "BAD_ARGUMENT",
      `the draft model has another vocabulary (${which}): drafts are of a smaller model of the same family`,
    );
  }
  const known = sameVocabulary.get(loaded) ?? new WeakSet();
  sameVocabulary.set(loaded, known.add(drafts));
  return drafts;
}

function vocabularySize({ core, pointer }: LoadedModel): number {
  return core.exports.model_vocabulary(pointer);
}

/** The tokens of a vocabulary as one text. */
function vocabularyOf({ core, pointer }: LoadedModel): string {
  return JSON.stringify(
    readMetadata(core, core.exports.model_gguf(pointer)).get("tokenizer.ggml.tokens")?.value ?? null,
  );
}
