/** Requests to a model's worker and their answers, and what goes on in it piece by piece. */
import { startWorker, type WorkerLink } from "../../bindings/worker-link.ts";
import { type GenerateOptions, Generation, type GenerationResult, type Piece } from "../generate/generation.ts";
import { Dropped } from "../host/dropped.ts";
import { type ErrorCode, LimpetError, messageOf } from "../host/errors.ts";
import { unpackError, type WorkerAnswer, type WorkerRequest } from "./worker-protocol.ts";

/** The number of the model in its worker. */
export const MODEL = 0;

interface Waiting {
  /** Who asks is held as long as it waits. */
  readonly by: WorkerHold;
  resolve(value: unknown): void;
  reject(error: unknown): void;
  progress?(...figures: number[]): void;
}

/** What a question has beside its arguments. */
interface More {
  /** The last argument of methods that take a signal, without it. */
  options?: object;
  signal?: AbortSignal;
  progress?: Waiting["progress"];
  transfer?: Transferable[];
}

/** Requests to one worker, and their answers. */
export class Channel {
  readonly #worker: WorkerLink;
  readonly #waiting = new Map<number, Waiting>();
  /** What was begun for somebody who does not wait for it any more. */
  readonly #abandoned = new Set<number>();
  #last = MODEL;
  #ended: LimpetError | null = null;

  constructor() {
    try {
      this.#worker = startWorker(
        (answer) => this.#take(answer as WorkerAnswer),
        (reason) => this.end("HOST", `the model's worker has ended: ${reason}`),
      );
    } catch (error) {
      throw new LimpetError("HOST", `the model's worker cannot be started: ${messageOf(error)}`, { cause: error });
    }
  }

  ask(
    by: WorkerHold,
    kind: WorkerRequest["kind"],
    on: number,
    method: string,
    args: readonly unknown[],
    { options, signal, progress, transfer = [] }: More,
  ): Promise<unknown> {
    if (this.#ended) return Promise.reject(this.#ended);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const id = ++this.#last;
    let abort = (): void => {};
    return new Promise<unknown>((resolve, reject) => {
      abort = () => {
        this.tell("abort", id);
        if (kind === "begin") this.#abandoned.add(id);
        this.#settle(id);
        reject(signal!.reason);
      };
      this.#waiting.set(id, { by, resolve, reject, progress });
      signal?.addEventListener("abort", abort, { once: true });
      this.#worker.hold(true);
      try {
        this.#worker.post({ id, kind, on, method, args, options, progress: progress !== undefined }, transfer);
      } catch (error) {
        this.#settle(id);
        const words = `an argument of ${method || kind} cannot be sent to a worker: ${messageOf(error)}`;
        reject(new LimpetError("BAD_ARGUMENT", words, { cause: error }));
      }
    }).finally(() => signal?.removeEventListener("abort", abort));
  }

  tell(kind: "abort" | "drop", on: number): void {
    if (!this.#ended) this.#worker.post({ id: ++this.#last, kind, on, method: "", args: [] }, []);
  }

  /** Ends the worker; what waits fails. */
  end(code: ErrorCode, why: string): void {
    if (this.#ended) return;
    this.#ended = new LimpetError(code, why);
    this.#worker.end();
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }

  #take({ id, value, error, progress }: WorkerAnswer): void {
    const waiting = this.#waiting.get(id);
    if (progress) {
      try {
        waiting?.progress?.(...progress);
      } catch (thrown) {
        this.tell("abort", id);
        this.#settle(id);
        waiting?.reject(thrown);
      }
      return;
    }
    if (this.#abandoned.delete(id) && !error) this.tell("drop", id);
    this.#settle(id);
    if (error) waiting?.reject(unpackError(error));
    else waiting?.resolve(value);
  }

  /** Nobody waits for this answer any more. */
  #settle(id: number): void {
    this.#waiting.delete(id);
    if (!this.#ended) this.#worker.hold(this.#waiting.size > 0);
  }
}

/** Workers whose model, sessions and generations nobody holds any more. */
const droppedWorkers = new Dropped<Channel>((channel) => channel.end("WRONG_STATE", "the model was dropped"));

/** Sessions and generations in workers that nobody holds any more. */
export const droppedObjects: Dropped<{ readonly channel: Channel; readonly number: number }> = new Dropped(
  ({ channel, number }) => channel.tell("drop", number),
);

/** What a model, its sessions and its generations hold of their worker: when all are gone, it ends. */
export class WorkerHold {
  readonly channel: Channel;

  constructor(channel: Channel) {
    this.channel = channel;
    droppedWorkers.watch(this, channel);
  }

  ask(
    kind: WorkerRequest["kind"],
    on: number,
    method: string,
    args: readonly unknown[],
    more: More = {},
  ): Promise<unknown> {
    return this.channel.ask(this, kind, on, method, args, more);
  }

  end(code: ErrorCode, why: string): void {
    droppedWorkers.forget(this);
    this.channel.end(code, why);
  }
}

/** What something in the worker is begun with: read when it is. */
export type Beginning<Options = unknown> = () => { input: unknown; options: Options & { signal?: AbortSignal } };

/** Pieces that the worker makes when they are asked for. */
export async function* pieces<Given, Result>(
  hold: WorkerHold,
  on: number,
  method: string,
  read: Beginning,
): AsyncGenerator<Given, Result, undefined> {
  const {
    input,
    options: { signal, ...options },
  } = read();
  const { channel } = hold;
  const number = (await hold.ask("begin", on, method, [input], { options, signal })) as number;
  const abort = (): void => channel.tell("abort", number);
  signal?.addEventListener("abort", abort, { once: true });
  // Held by this generator alone, and so gone with it.
  const thing = {};
  droppedObjects.watch(thing, { channel, number });
  try {
    for (;;) {
      signal?.throwIfAborted();
      const step = (await hold.ask("call", number, "next", [], { signal })) as IteratorResult<Given, Result>;
      if (step.done) return step.value;
      yield step.value;
    }
  } finally {
    signal?.removeEventListener("abort", abort);
    droppedObjects.forget(thing);
    channel.tell("drop", number);
    // The session that it is of lives as long as it.
    void read;
  }
}

export function generation(hold: WorkerHold, on: number, method: string, read: Beginning<GenerateOptions>): Generation {
  const refuseHook = () => {
    const begun = read();
    if (!begun.options.onLogits) return begun;
    const words = "onLogits sees the logits where they are computed: load the model without the option worker";
    throw new LimpetError("UNSUPPORTED", words);
  };
  return new Generation(pieces<Piece, GenerationResult>(hold, on, method, refuseHook));
}
