/**
 * What a page (or process) and its model's worker tell each other. A request names an object in the worker by its number
 * (0: the model; sessions and generations as they are made) and a method of it; each gets one answer.
 */
import { Adapter, type AdapterSet, requireOwn } from "../generate/adapter.ts";
import { type ContextSizes, type ErrorCode, LimpetError } from "../host/errors.ts";

export interface WorkerRequest {
  readonly id: number;
  /**
   * `abort`: of request `on`. `begin`: as `call`, but what comes out stays there and its number is the answer. `logits`:
   * what `onLogits` has made of those that call `on` of it was given.
   */
  readonly kind: "load" | "call" | "begin" | "abort" | "drop" | "logits";
  readonly on: number;
  readonly method: string;
  readonly args: readonly unknown[];
  /** The last argument, of methods that take a signal; the worker adds its own. */
  readonly options?: object;
  /** Functions of the options that are told how far it is, by their names. */
  readonly told?: readonly string[];
  /** Whether `onLogits` is called. */
  readonly hook?: boolean;
}

export interface WorkerAnswer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: WorkerError;
  /** Not an answer yet: which function of the options is called, and with what. */
  readonly told?: { readonly name: string; readonly args: readonly unknown[] };
  /** Not an answer yet: what `onLogits` of the generation is called with, and the number of the call. */
  readonly hook?: {
    readonly call: number;
    readonly logits: Float32Array<ArrayBuffer>;
    readonly tokens: readonly number[];
  };
}

/** An argument as a message can hold it: adapters of options are their numbers in the worker that `hold` holds. */
export function sendable<Argument>(argument: Argument, hold: object): Argument {
  const { adapters } = (argument ?? {}) as { adapters?: AdapterSet };
  if (!Array.isArray(adapters)) return argument;
  requireOwn(adapters, hold);
  return { ...argument, adapters: adapters.map(([{ number }, weight]) => [number, weight]) };
}

/** The argument again, in the worker. */
export function received<Argument>(argument: Argument, objects: ReadonlyMap<number, unknown>): Argument {
  const { adapters } = (argument ?? {}) as { adapters?: readonly (readonly [number, number])[] };
  if (!Array.isArray(adapters)) return argument;
  const own = adapters.map(([number, weight]) => {
    const adapter = objects.get(number);
    if (adapter instanceof Adapter) return [adapter, weight];
    throw new LimpetError("WRONG_STATE", "this adapter was disposed of");
  });
  return { ...argument, adapters: own };
}

interface WorkerError {
  readonly name: string;
  readonly message: string;
  readonly code?: ErrorCode;
  readonly sizes?: ContextSizes;
}

/** An error as a message can hold it. */
export function packError(error: unknown): WorkerError {
  if (error instanceof LimpetError) {
    const { name, message, code, sizes } = error;
    return { name, message, code, ...(sizes && { sizes }) };
  }
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return { name, message };
}

export function unpackError({ name, message, code, sizes }: WorkerError): Error {
  if (code) return new LimpetError(code, message, { sizes });
  return Object.assign(new Error(message), { name });
}
