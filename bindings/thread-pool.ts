/**
 * The pool of threads of one core: workers that live as long as it does. They share its memory and need no message after
 * the first. Whether they help is measured with the work itself (thread-trial.ts): where they do not, the main thread works alone.
 */
import type { Worker as NodeWorker } from "node:worker_threads";
import type { Pointer, Status, ThreadExports } from "./exports.ts";
import { movedWorker } from "./moved.ts";
import { isNode, requirePlace } from "./node.ts";
import type { WasmModule } from "./platform.ts";
import type { ThreadTask } from "./thread.ts";
import { ThreadTrial } from "./thread-trial.ts";

/** Set by the build: whether this is the bundle in build/js/, and not the sources themselves. */
declare const LIMPET_BUNDLE: boolean | undefined;

/** How long to wait for the workers; one that comes later helps from then on. */
const START_MS = 5000;
/** A worker that keeps a step waiting for so long is given up. */
const LATE_MS = 3000;
/** When nothing was computed for so long, the workers sleep. */
const ASLEEP_MS = 1;

interface Helper {
  readonly ready: Promise<void>;
  /** The host's own ways of not being kept alive by it, and of ending it. */
  unref(): void;
  end(): void;
}

export class Threads {
  readonly #exports: ThreadExports;
  readonly #pool: Pointer;
  readonly #helpers: Helper[] = [];
  /** Threads asked for, with the main one. */
  readonly threads: number;
  #lost = 0;
  /** Passes of one token, and of more: what each gains may differ. */
  readonly #tokens = new ThreadTrial();
  readonly #chunks = new ThreadTrial();
  /** The layer that is under way, what it has taken so far, and who wants to know. */
  #at = this.#tokens;
  #context: Pointer = 0;
  #layer = -1;
  #layerMs = 0;
  /** When the last step ended, and since when there was no pause. */
  #ended = Number.NEGATIVE_INFINITY;
  #awake = 0;
  #watch: ReturnType<typeof setInterval> | null = null;
  #said = false;

  private constructor(exports: ThreadExports, pool: Pointer, threads: number) {
    this.#exports = exports;
    this.#pool = pool;
    this.threads = threads;
  }

  /** Starts the workers of a core that has no contexts yet; null: the core gave no pool, and says why. */
  static async start(
    exports: ThreadExports,
    module: WasmModule,
    core: Pointer,
    threads: number,
  ): Promise<Threads | null> {
    const pool = exports.thread_start(core, threads, mayWait() ? 1 : 0);
    if (pool === 0) return null;
    const started = new Threads(exports, pool, threads);
    try {
      for (let index = 1; index < threads; index++) started.#add({ module, memory: exports.memory, pool, index });
      await started.#ready();
    } catch (error) {
      started.dispose();
      throw error;
    }
    return started;
  }

  /** Threads that compute now. */
  get count(): number {
    return this.#at.pays ? this.threads - this.#lost : 1;
  }

  /** Runs a step of the pass of a context, `run(pointer)`, and measures whether the threads pay. */
  step(run: (pointer: Pointer) => Status, pointer: Pointer, context: Pointer): Status {
    if (this.#lost === this.threads - 1) return run(pointer);
    const start = performance.now();
    if (start - this.#ended > ASLEEP_MS) this.#awake = start;
    const status = run(pointer);
    this.#ended = performance.now();
    this.#measure(context, this.#ended - start, this.#ended);
    return status;
  }

  /** Ends the workers. The core must not be stepped after it. */
  dispose(): void {
    if (this.#watch !== null) clearInterval(this.#watch);
    this.#exports.thread_stop(this.#pool);
    for (const helper of this.#helpers) helper.end();
    this.#helpers.length = 0;
  }

  #add(task: ThreadTask): void {
    let helper: Helper | null = null;
    const lost = (reason: string) => {
      // After dispose, ending is what they should do.
      if (!helper || !this.#helpers.includes(helper)) return;
      this.#exports.thread_lost(this.#pool, task.index);
      this.#lost++;
      this.#say(`limpet: a thread has ended (${reason}); the others go on`);
    };
    helper = isNode() ? nodeHelper(task, lost) : webHelper(task, lost);
    this.#helpers.push(helper);
  }

  async #ready(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, START_MS);
    });
    await Promise.race([Promise.all(this.#helpers.map(({ ready }) => ready)), late]);
    clearTimeout(timer);
    for (const helper of this.#helpers) helper.unref();
    let since = 0;
    this.#watch = setInterval(() => {
      since = this.#exports.thread_late(this.#pool) ? since + 1 : 0;
      if (since * 1000 > LATE_MS) this.#giveUp();
    }, 1000);
    (this.#watch as { unref?: () => void }).unref?.();
  }

  /** No word came that a worker has ended, but it does not go on. */
  #giveUp(): void {
    const helpers = this.#helpers.splice(0);
    for (const helper of helpers) helper.end();
    this.#lost = this.threads - 1;
    // What a terminated worker was about to write, it has written by the next turn.
    setTimeout(() => {
      for (let index = 1; index < this.threads; index++) this.#exports.thread_lost(this.#pool, index);
    }, 100);
    this.#say("limpet: the threads do not go on; computing with one");
  }

  /** A step of a pass took `ms`. Between two layers the time of one is known, and how to do the next one is chosen. */
  #measure(context: Pointer, ms: number, now: number): void {
    const { thread_layer, thread_tokens, thread_limit } = this.#exports;
    const layer = thread_layer(context);
    this.#layerMs += ms;
    if (layer < 0) return;
    const tokens = thread_tokens(context);
    const pays = tokens > 1 ? this.#chunks : this.#tokens;
    const whole = pays === this.#at && context === this.#context && layer === this.#layer + 1;
    if (whole && pays.add(this.#layerMs, tokens, now, this.#awake) && !pays.pays) {
      this.#say(`limpet: ${this.threads} threads are no faster than one here; computing with one`);
    }
    this.#at = pays;
    this.#context = context;
    this.#layer = layer;
    this.#layerMs = 0;
    thread_limit(this.#pool, pays.together ? this.threads : 1);
  }

  #say(words: string): void {
    if (!this.#said) console.warn(words);
    this.#said = true;
  }
}

function nodeHelper(task: ThreadTask, lost: (reason: string) => void): Helper {
  const { Worker } = process.getBuiltinModule("node:worker_threads");
  const file = new URL(
    typeof LIMPET_BUNDLE === "undefined" ? "../build/js/thread.mjs" : "./thread.mjs",
    import.meta.url,
  );
  const worker: NodeWorker = new Worker(requirePlace(file), { execArgv: [] });
  let reason = "it ended by itself";
  worker.on("error", (error) => {
    reason = error instanceof Error ? error.message : String(error);
  });
  const ready = new Promise<void>((resolve) => {
    worker.once("message", () => resolve());
    worker.once("exit", () => {
      lost(reason);
      resolve();
    });
  });
  give(worker, task);
  return { ready, unref: () => worker.unref(), end: () => void worker.terminate() };
}

function webHelper(task: ThreadTask, lost: (reason: string) => void): Helper {
  const moved = movedWorker("./thread.mjs", import.meta.url);
  const worker = moved
    ? new Worker(moved, { type: "module" })
    : new Worker(new URL("./thread.mjs", import.meta.url), { type: "module" });
  const ready = new Promise<void>((resolve) => {
    worker.onmessage = () => resolve();
    worker.onerror = (event) => {
      event.preventDefault();
      worker.terminate();
      lost(event.message || "its file could not be loaded");
      resolve();
    };
  });
  give(worker, task);
  return { ready, unref: () => {}, end: () => worker.terminate() };
}

/** Gives a worker its task; one that cannot be told of it ends. */
function give(worker: NodeWorker | Worker, task: ThreadTask): void {
  try {
    worker.postMessage(task);
  } catch (error) {
    void worker.terminate();
    throw error;
  }
}

/** Whether this thread may sleep: a browser's page may not, and polls instead. */
function mayWait(): boolean {
  try {
    // The value differs, so that this returns at once; where it is not allowed, it throws.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
    return true;
  } catch {
    return false;
  }
}
