/// <reference lib="esnext.disposable" preserve="true" />
/** Adapters (LoRA, aLoRA): low rank beside a model's weights, which its sequences use as they are asked to. */
import type { Pointer } from "../../bindings/exports.ts";
import { listOf, real } from "../host/arguments.ts";
import { Dropped } from "../host/dropped.ts";
import { LimpetError } from "../host/errors.ts";
import type { Core } from "../host/instance.ts";
import { requireAlive } from "./pass.ts";
import type { LoadedModel } from "./sequence-pool.ts";

/** What an adapter's file says of itself. */
export interface AdapterInfo {
  /** Where it came from: a file's name, without its folder; null where nobody gave one. */
  readonly name: string | null;
  /** `alora`: it begins at its invocation, the last time that it stands in a prompt; what is before is the model's own. */
  readonly kind: "lora" | "alora";
  /** Matrices of the model that it changes. */
  readonly pairs: number;
  /** The largest rank of its pairs. */
  readonly rank: number;
  /** A pair counts with alpha / its rank; 0: with 1. */
  readonly alpha: number;
  /** The tokens that an aLoRA begins with; of a LoRA none. */
  readonly invocation: readonly number[];
  /** Bytes of memory that it takes. */
  readonly bytes: number;
}

/** Adapters that nobody holds any more, not by a session either. */
const dropped = new Dropped<() => void>((free) => free());

/** An adapter of a model, which generations use that are given it: `generate(prompt, { adapters: [[adapter, 1]] })`. */
export class Adapter {
  /** What its file says of itself. */
  readonly info: AdapterInfo;
  /** @internal The model that it was loaded for, or what holds that model's worker; and its number there. */
  readonly of: object;
  /** @internal */
  readonly number: number;
  readonly #free: () => void;
  #disposed = false;

  /** @internal */
  constructor(info: AdapterInfo, of: object, number: number, free: (number: number) => void) {
    this.info = info;
    this.of = of;
    this.number = number;
    this.#free = () => free(number);
    dropped.watch(this, this.#free);
  }

  /** @internal */
  get disposed(): boolean {
    return this.#disposed;
  }

  /** It can be used no more, as when nobody holds it any more. Its memory is given back as soon as no session that used it last is left. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    dropped.forget(this);
    this.#free();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Adapters with their weights: the products of each are added, times its weight, in this order. */
export type AdapterSet = readonly (readonly [adapter: Adapter, weight: number])[];

/** Which adapters a call uses. */
export interface AdapterOptions {
  /** Adapters of the model with their weights, up to 8: `[[adapter, 1]]`. Default: those of the session, else none. */
  adapters?: AdapterSet;
}

/** A set of adapters, checked. */
export function adaptersOf(name: string, value: unknown): AdapterSet {
  return listOf((place, pair) => {
    const [adapter, weight] = Array.isArray(pair) && pair.length === 2 ? pair : [null, null];
    if (adapter instanceof Adapter) return [adapter, real(`${place}[1]`, weight)] as const;
    throw new LimpetError("BAD_ARGUMENT", `${place} is a pair of an adapter and its weight: [adapter, 1]`);
  })(name, value);
}

/** What each of `AdapterOptions` has to be. */
export const ADAPTER_OPTIONS: { readonly adapters: typeof adaptersOf } = { adapters: adaptersOf };

/** Whether two sets have the same adapters with the same weights. */
export function areEqual(a: AdapterSet, b: AdapterSet): boolean {
  return a.length === b.length && a.every(([adapter, weight], i) => b[i][0] === adapter && b[i][1] === weight);
}

/** Refuses adapters that are not those of `of`, or were disposed of. */
export function requireOwn(set: AdapterSet, of: object): void {
  for (const [adapter] of set) {
    if (adapter.of !== of)
      throw new LimpetError("BAD_ARGUMENT", "an adapter is used with the model that it was loaded for");
    if (adapter.disposed) throw new LimpetError("WRONG_STATE", "this adapter was disposed of");
  }
}

/** Hands a set to the core: `give` takes u32[count] handles and f32[count] weights. */
export function giveAdapters(
  loaded: LoadedModel,
  set: AdapterSet,
  give: (adapters: Pointer, weights: Pointer, count: number) => number,
): void {
  requireOwn(set, loaded);
  loaded.core.scoped((arena) => {
    const adapters = arena.put(Uint32Array.from(set, ([adapter]) => adapter.number));
    const weights = arena.put(Float32Array.from(set, ([, weight]) => weight));
    loaded.core.check(give(adapters, weights, set.length));
  });
  sweepAdapters(loaded);
}

/** A sequence of a context that nobody but the caller has uses a set; in `tokens` an aLoRA finds where it begins. */
export function useInSequence(
  loaded: LoadedModel,
  context: Pointer,
  sequence: number,
  set: AdapterSet | undefined,
  tokens: ArrayLike<number>,
): void {
  if (!set || set.length === 0) return;
  loaded.core.scoped((arena) => {
    const ids = arena.put(Uint32Array.from(tokens));
    giveAdapters(loaded, set, (adapters, weights, count) =>
      loaded.core.exports.sequence_set_adapters(context, sequence, adapters, weights, count, ids, tokens.length),
    );
  });
}

/** An adapter that the core has loaded. */
export function adapterAt(loaded: LoadedModel, pointer: Pointer, name: string | null): Adapter {
  return new Adapter(readAdapter(loaded.core, pointer, name), loaded, pointer, (number) => {
    if (loaded.disposed) return;
    loaded.leaving.add(number);
    sweepAdapters(loaded);
  });
}

function readAdapter({ exports, memory }: Core, pointer: Pointer, name: string | null): AdapterInfo {
  const count = exports.adapter_invocation_count(pointer);
  return {
    name,
    kind: count > 0 ? "alora" : "lora",
    pairs: exports.adapter_pairs(pointer),
    rank: exports.adapter_rank(pointer),
    alpha: exports.adapter_alpha(pointer),
    invocation:
      count > 0 ? Array.from(memory.u8(exports.adapter_invocation(pointer), 4 * count).slice()).flatMap(fours) : [],
    bytes: Number(exports.model_plan_bytes(pointer)),
  };
}

/** The little-endian u32 that begins at every fourth byte: where they lie in a header they need not be aligned. */
function fours(_: number, i: number, bytes: readonly number[]): number[] {
  return i % 4 === 0
    ? [(bytes[i] + bytes[i + 1] * 2 ** 8 + bytes[i + 2] * 2 ** 16 + bytes[i + 3] * 2 ** 24) >>> 0]
    : [];
}

/** Gives back the adapters that were disposed of and that no sequence uses any more. */
export function sweepAdapters(loaded: LoadedModel): void {
  requireAlive(loaded);
  for (const number of loaded.leaving) {
    if (loaded.core.exports.model_release(number) >= 0) loaded.leaving.delete(number);
  }
}
