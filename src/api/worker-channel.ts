/** Requests to the worker of a model or a graph and their answers, and what goes on in it piece by piece. */
import { startWorker, type WorkerLink } from "../../bindings/worker-link.ts";
import {
  type Course,
  type GenerateOptions,
  Generation,
  type GenerationResult,
  type LogitsHook,
  type Piece,
  type PrefillHook,
} from "../generate/generation.ts";
import { Dropped } from "../host/dropped.ts";
import { type ErrorCode, LimpetError, messageOf } from "../host/errors.ts";
import { sendable, unpackError, type WorkerAnswer, type WorkerRequest } from "./worker-protocol.ts";

/** The number of the model, or graph, in its worker. */
export const MODEL = 0;

interface Waiting {
  /** Who asks is held as long as it waits. */
  readonly by: WorkerHold;
  resolve(value: unknown): void;
  reject(error: unknown): void;
  readonly tells: Tells;
}

/** Functions of the options that are told how far it is, by their names. */
type Tells = Readonly<Record<string, ((...args: never[]) => void) | undefined>>;

/** What a question has beside its arguments. */
interface More {
  /** The last argument of methods that take a signal, without it. */
  options?: object;
  signal?: AbortSignal;
  /** An abort waits for the worker's answer: what was asked has ended there when it is thrown here. */
  endsThere?: boolean;
  tells?: Tells;
  hook?: boolean;
  transfer?: Transferable[];
}

/** Who sees a generation's logits, who is told how far it is, and what they have thrown. */
interface Hooked {
  readonly hook: LogitsHook | undefined;
  readonly tells: Tells;
  failure?: { readonly thrown: unknown };
}

/** Requests to one worker, and their answers. */
export class Channel {
  /** Whose worker it is. */
  readonly owner: "model" | "graph";
  readonly #worker: WorkerLink;
  readonly #waiting = new Map<number, Waiting>();
  /** What was begun for somebody who does not wait for it any more. */
  readonly #abandoned = new Set<number>();
  /** By the numbers of their generations. */
  readonly #hooks = new Map<number, Hooked>();
  #last = MODEL;
  #ended: LimpetError | null = null;

  constructor(owner: "model" | "graph" = "model") {
    this.owner = owner;
    try {
      this.#worker = startWorker(
        (answer) => this.#take(answer as WorkerAnswer),
        (reason) => this.end("HOST", `the ${owner}'s worker has ended: ${reason}`),
      );
    } catch (error) {
      throw new LimpetError("HOST", `the ${owner}'s worker cannot be started: ${messageOf(error)}`, { cause: error });
    }
  }

  ask(
    by: WorkerHold,
    kind: WorkerRequest["kind"],
    on: number,
    method: string,
    args: readonly unknown[],
    { options, signal, endsThere = false, tells = {}, hook, transfer = [] }: More,
  ): Promise<unknown> {
    if (this.#ended) return Promise.reject(this.#ended);
    if (signal?.aborted) return Promise.reject(signal.reason);
    const id = ++this.#last;
    let abort = (): void => {};
    return new Promise<unknown>((resolve, reject) => {
      abort = () => {
        this.tell("abort", id);
        if (endsThere) return;
        if (kind === "begin") this.#abandoned.add(id);
        this.#settle(id);
        reject(signal!.reason);
      };
      this.#waiting.set(id, { by, resolve, reject, tells });
      signal?.addEventListener("abort", abort, { once: true });
      this.#worker.hold(true);
      try {
        const told = Object.keys(tells);
        const sent = args.map((argument) => sendable(argument, by));
        const message = { id, kind, on, method, args: sent, options: sendable(options, by), told, hook };
        this.#worker.post(message, transfer);
      } catch (error) {
        this.#settle(id);
        if (error instanceof LimpetError) return reject(error);
        const words = `an argument of ${method || kind} cannot be sent to a worker: ${messageOf(error)}`;
        reject(new LimpetError("BAD_ARGUMENT", words, { cause: error }));
      }
    }).finally(() => signal?.removeEventListener("abort", abort));
  }

  tell(kind: "abort" | "drop" | "logits", on: number, ...args: unknown[]): void {
    if (!this.#ended) this.#worker.post({ id: ++this.#last, kind, on, method: "", args }, []);
  }

  /** Has functions see the logits of a generation and how far it is; gives where it is noted that they have thrown. */
  hook(number: number, hook: LogitsHook | undefined, tells: Tells): Hooked {
    const hooked: Hooked = { hook, tells };
    this.#hooks.set(number, hooked);
    return hooked;
  }

  unhook(number: number): void {
    this.#hooks.delete(number);
  }

  async #show(number: number, { call, logits, tokens }: NonNullable<WorkerAnswer["hook"]>): Promise<void> {
    const hooked = this.#hooks.get(number);
    try {
      await hooked?.hook?.(logits, tokens);
      this.tell("logits", call, logits);
    } catch (thrown) {
      hooked!.failure = { thrown };
      this.tell("abort", number);
    }
  }

  /** Ends the worker; what waits fails. */
  end(code: ErrorCode, why: string): void {
    if (this.#ended) return;
    this.#ended = new LimpetError(code, why);
    this.#worker.end();
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }

  /** Tells how far a request is, or a generation. */
  #tell(id: number, { name, args }: NonNullable<WorkerAnswer["told"]>): void {
    const [waiting, hooked] = [this.#waiting.get(id), this.#hooks.get(id)];
    const told = (waiting ?? hooked)?.tells[name] as ((...args: unknown[]) => void) | undefined;
    try {
      told?.(...args);
    } catch (thrown) {
      this.tell("abort", id);
      if (waiting) {
        this.#settle(id);
        waiting.reject(thrown);
      } else hooked!.failure = { thrown };
    }
  }

  #take({ id, value, error, told, hook }: WorkerAnswer): void {
    if (hook) {
      void this.#show(id, hook);
      return;
    }
    if (told) {
      this.#tell(id, told);
      return;
    }
    const waiting = this.#waiting.get(id);
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

/** Workers whose model or graph, sessions and generations nobody holds any more. */
const droppedWorkers = new Dropped<Channel>((channel) => {
  channel.end("WRONG_STATE", `the ${channel.owner} was dropped`);
});

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
export type Beginning = () => {
  args: readonly unknown[];
  options: { signal?: AbortSignal; onLogits?: LogitsHook; onPrefill?: PrefillHook };
};

/** Pieces that the worker makes when they are asked for. */
export async function* pieces<Given, Result>(
  hold: WorkerHold,
  on: number,
  method: string,
  read: Beginning,
  course?: Course,
): AsyncGenerator<Given, Result, undefined> {
  const {
    args,
    options: { signal, onLogits, onPrefill, ...options },
  } = read();
  const { channel } = hold;
  const tells = { ...(onPrefill && { onPrefill }) };
  const asked = { options, signal, hook: onLogits !== undefined, tells };
  const number = (await hold.ask("begin", on, method, args, asked)) as number;
  const hooked = onLogits || onPrefill ? channel.hook(number, onLogits, tells) : undefined;
  const abort = (): void => channel.tell("abort", number);
  signal?.addEventListener("abort", abort, { once: true });
  // Held by this generator alone, and so gone with it.
  const thing = {};
  let isWhole = false;
  droppedObjects.watch(thing, { channel, number });
  try {
    for (;;) {
      signal?.throwIfAborted();
      const step = (await hold.ask("call", number, "next", [], { signal })) as IteratorResult<Given, Result>;
      if (step.done) {
        isWhole = true;
        return step.value;
      }
      yield step.value;
    }
  } catch (error) {
    throw hooked?.failure ? hooked.failure.thrown : error;
  } finally {
    channel.unhook(number);
    signal?.removeEventListener("abort", abort);
    if (course && !isWhole) {
      const begun = await hold.ask("call", number, "course", []).catch(() => null);
      course.figures = (begun as Course | null)?.figures ?? null;
    }
    droppedObjects.forget(thing);
    channel.tell("drop", number);
    // The session that it is of lives as long as it.
    void read;
  }
}

export function generation(
  hold: WorkerHold,
  on: number,
  method: string,
  read: () => { args: readonly unknown[]; options: GenerateOptions },
): Generation {
  const course: Course = { figures: null };
  return new Generation(pieces<Piece, GenerationResult>(hold, on, method, read, course), course);
}
