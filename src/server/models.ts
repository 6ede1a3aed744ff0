/**
 * The models of a server, by their names: loaded when somebody asks, put away when others need their memory, the one that
 * was not used for longest first and never one that answers. So many requests of a model are computed at a time; others
 * wait, and where many wait already the next is refused.
 */
import type { Batch } from "../api/batch.ts";
import { Model } from "../api/model.ts";
import type { LoadOptions, ModelMemory } from "../api/options.ts";
import type { WorkerBatch } from "../api/worker-batch.ts";
import type { WorkerModel } from "../api/worker-model.ts";
import type { Adapter, AdapterSet } from "../generate/adapter.ts";
import { type Recommended, recommendedOf } from "../generate/recommended.ts";
import { type OptionTable, printable, whole } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { within } from "../host/wait.ts";
import type { ModelSource } from "../load/source.ts";
import { RequestError } from "./errors.ts";
import { Tokens } from "./tokens.ts";

/**
 * A model of a server: one that is loaded; where it is to be loaded from when it is first asked for; or a function that
 * loads it, which is called again after it was put away.
 */
export type ServedModel =
  | Model
  | WorkerModel
  | ModelSource
  | (() => Promise<Model | WorkerModel>)
  | ({ readonly source: ModelSource; readonly worker?: boolean } & LoadOptions)
  | AdaptedModel;

/** Another model of the server with adapters: both are one in memory, and what they are asked is computed together. */
export interface AdaptedModel {
  /** The name of the model that it is made of. */
  readonly base: string;
  /** Its adapters, from what `Model.adapter` takes, with their weights. */
  readonly adapters: readonly (readonly [source: ModelSource, weight: number])[];
}

/** How much a server takes on. */
export interface ModelOptions {
  /** Requests of one model that are computed together; further ones wait. Default: 8. */
  parallel?: number;
  /**
   * Tokens that a conversation holds, its answer too. Default: as many as the model was trained for, at most 4,096, and
   * fewer where `parallel` conversations take more than 1 GiB.
   */
  context?: number;
  /** Requests that wait at most; one more is told to come again (429). Default: 64. */
  queue?: number;
  /**
   * Bytes that loaded models may take together: one that is asked for waits until others that nobody uses make room.
   * Models that were given loaded stay. Default: no limit.
   */
  memory?: number;
}

const PARALLEL = 8;
const QUEUE = 64;
const CONTEXT = 4096;
const LEAST_CONTEXT = 512;
const CACHE_BYTES = 2 ** 30;
/** A request that is refused because others wait is told to come again after so many seconds. */
const RETRY_AFTER = 2;

/** A model in use. */
export interface Held {
  readonly model: Model | WorkerModel;
  /** Where it generates with others; null for one that makes no text. */
  readonly batch: Batch | WorkerBatch | null;
  /** Tokens that a conversation holds. */
  readonly context: number;
  readonly tokens: Tokens;
  /** How the file recommends to sample. */
  readonly sampling: Recommended;
  /** Whether it answers conversations: the file has a chat template. */
  readonly chat: boolean;
  readonly bytes: number;
  /** Sets of adapters, by the names of the models that have them. */
  readonly sets: Map<string, Promise<AdapterSet>>;
}

/** A model that is held for one request, until `release`. */
export interface Lease extends Held {
  readonly id: string;
  /** What its generations are asked with. */
  readonly adapters: AdapterSet;
  release(): void;
}

interface Entry {
  readonly id: string;
  readonly given: Exclude<ServedModel, AdaptedModel>;
  readonly created: number;
  held: Held | null;
  loading: Promise<Held> | null;
  /** Requests that are computed, and those that wait for one of them to end. */
  active: number;
  readonly waiting: (() => void)[];
  /** Counts leases: the least was used longest ago. */
  used: number;
}

/** What is told of a model. */
export interface ModelState {
  readonly id: string;
  readonly created: number;
  readonly active: number;
  readonly waiting: number;
  /** Null where it is not loaded. */
  readonly held: Held | null;
  /** The model that this one is with adapters; null for one by itself. */
  readonly base: string | null;
}

export class Models {
  readonly #entries = new Map<string, Entry>();
  readonly #adapted = new Map<string, AdaptedModel>();
  readonly #parallel: number;
  readonly #context: number | undefined;
  readonly #queue: number;
  readonly #memory: number;
  /** Models are loaded one after the other: each knows what the others take. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Who waits for memory. */
  #roomy: (() => void)[] = [];
  #uses = 0;
  #disposed = false;

  constructor(models: Readonly<Record<string, ServedModel>>, options: ModelOptions) {
    const { parallel = PARALLEL, context, queue = QUEUE, memory = Number.POSITIVE_INFINITY } = options;
    this.#parallel = parallel;
    this.#context = context;
    this.#queue = queue;
    this.#memory = memory;
    if (typeof models !== "object" || models === null || Array.isArray(models)) {
      const words = `a server's models are an object of models by their names, not ${printable(models)}`;
      throw new LimpetError("BAD_ARGUMENT", words);
    }
    const created = Math.floor(Date.now() / 1000);
    for (const [id, given] of Object.entries(models)) {
      if (isAdapted(given)) {
        this.#adapted.set(id, adaptedOf(id, given, models));
        continue;
      }
      const entry: Entry = { id, given, created, held: null, loading: null, active: 0, waiting: [], used: 0 };
      this.#entries.set(id, entry);
    }
    if (this.#entries.size === 0) throw new LimpetError("BAD_ARGUMENT", "a server has one model at least");
  }

  /** All of them, in the order that they were given in. */
  get states(): ModelState[] {
    const own = [...this.#entries.values()].map(({ id, created, active, waiting, held }) => ({
      ...{ id, created, active, held, base: null },
      waiting: waiting.length,
    }));
    const adapted = [...this.#adapted].map(([id, { base }]) => ({
      ...{ ...own.find((state) => state.id === base)!, id, base },
    }));
    return [...own, ...adapted];
  }

  /** How many conversations of a model are computed at a time. */
  get parallel(): number {
    return this.#parallel;
  }

  /** A model for one request, as soon as it has its turn; without a name the first. */
  async lease(name: string | undefined, signal: AbortSignal): Promise<Lease> {
    const adapted = name === undefined ? undefined : this.#adapted.get(name);
    const entry = this.#find(adapted?.base ?? name);
    await this.#enter(entry, signal);
    try {
      entry.held ??= await within((entry.loading ??= this.#load(entry)), signal);
      entry.used = ++this.#uses;
      const adapters = adapted ? await within(this.#set(entry, name!, adapted), signal) : [];
      let isReleased = false;
      const release = (): void => {
        if (isReleased) return;
        isReleased = true;
        this.#leave(entry);
      };
      return { ...entry.held, id: adapted ? name! : entry.id, adapters, release };
    } catch (error) {
      this.#leave(entry);
      throw error;
    }
  }

  /** Puts all models away that it has loaded. */
  dispose(): void {
    this.#disposed = true;
    for (const entry of this.#entries.values()) putAway(entry);
  }

  #find(name: string | undefined): Entry {
    const entry = name === undefined ? [...this.#entries.values()][0] : this.#entries.get(name);
    if (entry) return entry;
    const words = `there is no model ${JSON.stringify(name!.slice(0, 100))}: there are ${[...this.#entries.keys(), ...this.#adapted.keys()].join(", ")}`;
    throw new RequestError("not_found_error", words, { param: "model", code: "model_not_found" });
  }

  /** Waits for a request's turn. */
  async #enter(entry: Entry, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#disposed) throw new RequestError("overloaded_error", "the server is closing");
    if (entry.active < this.#parallel && entry.waiting.length === 0) {
      entry.active++;
      return;
    }
    const waiting = [...this.#entries.values()].reduce((sum, { waiting: { length } }) => sum + length, 0);
    if (waiting >= this.#queue) {
      const words = `${waiting} requests wait already, and no more are taken: come again later`;
      throw new RequestError("rate_limit_error", words, { code: "queue_full", retryAfter: RETRY_AFTER });
    }
    let enter = (): void => {};
    const turn = new Promise<void>((resolve) => {
      enter = resolve;
      entry.waiting.push(enter);
    });
    try {
      await within(turn, signal);
    } catch (error) {
      const at = entry.waiting.indexOf(enter);
      if (at >= 0) entry.waiting.splice(at, 1);
      // Its turn came with its end: the next one has it.
      else this.#leave(entry);
      throw error;
    }
  }

  /** A request has ended; its place goes to who waits longest. */
  #leave(entry: Entry): void {
    const next = entry.waiting.shift();
    if (next) {
      next();
      return;
    }
    entry.active--;
    if (entry.active > 0) return;
    for (const look of this.#roomy.splice(0)) look();
  }

  #load(entry: Entry): Promise<Held> {
    const load = async (): Promise<Held> => {
      const { given } = entry;
      await this.#makeRoom(await this.#planned(given), entry);
      const model = await open(given);
      try {
        const held = await this.#hold(model);
        // What a function loads is known only now.
        entry.held = held;
        await this.#makeRoom(0, entry);
        return held;
      } catch (error) {
        entry.held = null;
        if (model !== given) model.dispose();
        throw error;
      }
    };
    const loading = this.#turn.then(load).finally(() => {
      entry.loading = null;
    });
    this.#turn = loading.catch(() => {});
    return loading;
  }

  /** The adapters of a model of this entry, which are loaded once as long as it is. */
  #set(entry: Entry, name: string, { adapters }: AdaptedModel): Promise<AdapterSet> {
    const { model, sets } = entry.held!;
    const known = sets.get(name);
    if (known) return known;
    const load = async (): Promise<AdapterSet> => {
      const set: [Adapter, number][] = [];
      try {
        for (const [source, weight] of adapters) set.push([await model.adapter(source), weight]);
      } catch (error) {
        for (const [adapter] of set) adapter.dispose();
        sets.delete(name);
        throw error;
      }
      // It may have been put away meanwhile, with all that it had.
      if (entry.held?.model === model) entry.held = { ...entry.held, bytes: await bytesOf(model) };
      return set;
    };
    const loading = load();
    loading.catch(() => {});
    sets.set(name, loading);
    return loading;
  }

  /** Bytes that a model will take; 0 where nobody knows before it is there. */
  async #planned(given: Entry["given"]): Promise<number> {
    if (this.#memory === Number.POSITIVE_INFINITY || isModel(given) || typeof given === "function") return 0;
    const { source, ...options } = isSpecified(given) ? given : { source: given };
    // What can be read once alone is not read to learn its size.
    const isKept = typeof source === "string" || source instanceof URL || source instanceof Blob;
    if (!isKept) return 0;
    const { onProgress: _, signal: __, worker: ___, ...load } = options as LoadOptions & { worker?: boolean };
    return (await Model.plan(source, load)).total;
  }

  /** Puts models away that nobody uses, until so many bytes more fit; waits for those that answer. */
  async #makeRoom(bytes: number, asking: Entry): Promise<void> {
    if (bytes > this.#memory) {
      const words = `the model takes ${bytes} bytes, and the server's models may take ${this.#memory}`;
      throw new RequestError("overloaded_error", words, { code: "model_too_large" });
    }
    for (;;) {
      const loaded = [...this.#entries.values()].filter(({ held, given }) => held && !isModel(given));
      const taken = loaded.reduce((sum, { held }) => sum + held!.bytes, 0);
      if (taken + bytes <= this.#memory || loaded.every((entry) => entry === asking)) return;
      const [oldest] = loaded.filter((entry) => entry !== asking && entry.active === 0).sort((a, b) => a.used - b.used);
      if (oldest) putAway(oldest);
      else await new Promise<void>((resolve) => this.#roomy.push(resolve));
    }
  }

  async #hold(model: Model | WorkerModel): Promise<Held> {
    const { info } = model;
    const metadata = await model.metadata(1);
    const sampling = recommendedOf(metadata);
    const chat = metadata.has("tokenizer.chat_template");
    const tokens = new Tokens(model);
    const sets = new Map<string, Promise<AdapterSet>>();
    const trained = info.contextLength || CONTEXT;
    if (info.makes !== "text") {
      return { model, batch: null, context: trained, tokens, sampling, chat, bytes: await bytesOf(model), sets };
    }
    let context = this.#context ?? Math.min(trained, CONTEXT);
    const { cacheBytesPerToken } = await memoryOf(model);
    const isFree = this.#context === undefined;
    while (isFree && context > LEAST_CONTEXT && context * this.#parallel * cacheBytesPerToken > CACHE_BYTES) {
      context = Math.ceil(context / 2);
    }
    for (;;) {
      try {
        const batch = await model.batch({ sequences: this.#parallel, context, reuse: true });
        return { model, batch, context, tokens, sampling, chat, bytes: await bytesOf(model), sets };
      } catch (error) {
        const isShort = error instanceof LimpetError && error.code === "OUT_OF_MEMORY";
        if (!isShort || !isFree || context <= LEAST_CONTEXT) throw error;
        context = Math.ceil(context / 2);
      }
    }
  }
}

/** What each of `ModelOptions` has to be. */
export const MODEL_LIMITS: OptionTable<ModelOptions> = {
  parallel: whole(1, 64),
  context: whole(1, 2 ** 31 - 1),
  queue: whole(0, 2 ** 31 - 1),
  memory: whole(1, Number.MAX_SAFE_INTEGER),
};

function putAway(entry: Entry): void {
  const { held, given } = entry;
  entry.held = null;
  held?.batch?.dispose();
  if (held && held.model !== given) held.model.dispose();
}

async function memoryOf(model: Model | WorkerModel): Promise<ModelMemory> {
  const { memory } = model;
  return typeof memory === "function" ? await memory.call(model) : memory;
}

async function bytesOf(model: Model | WorkerModel): Promise<number> {
  return (await memoryOf(model)).linear;
}

async function open(given: Entry["given"]): Promise<Model | WorkerModel> {
  if (isModel(given)) return given;
  if (typeof given === "function") return given();
  if (!isSpecified(given)) return Model.load(given as ModelSource);
  const { source, worker, ...options } = given;
  return worker ? Model.load(source, { ...options, worker }) : Model.load(source, options);
}

function isModel(given: ServedModel): given is Model | WorkerModel {
  return typeof given === "object" && "info" in given && "batch" in given;
}

function isAdapted(given: ServedModel): given is AdaptedModel {
  return typeof given === "object" && given !== null && "base" in given;
}

/** What a model with adapters is, where it is well said. */
function adaptedOf(id: string, given: AdaptedModel, models: Readonly<Record<string, ServedModel>>): AdaptedModel {
  const { base, adapters } = given;
  const wrong = (words: string): never => {
    throw new LimpetError("BAD_ARGUMENT", `the server's model ${printable(id)}: ${words}`);
  };
  if (typeof base !== "string" || !Object.hasOwn(models, base) || isAdapted(models[base])) {
    wrong(`base is the name of another one that has no base, not ${printable(base)}`);
  }
  const isSet = Array.isArray(adapters) && adapters.length > 0;
  if (!isSet || !adapters.every((pair) => Array.isArray(pair) && Number.isFinite(pair[1]))) {
    wrong(`adapters is a list of [file, weight], not ${printable(adapters)}`);
  }
  return given;
}

function isSpecified(given: Entry["given"]): given is { source: ModelSource; worker?: boolean } & LoadOptions {
  return typeof given === "object" && "source" in given;
}
