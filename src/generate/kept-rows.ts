/** What a session's cache holds, as callers say it: a type of values, and a policy that keeps fewer rows than tokens. */
import { Merge } from "../../bindings/numbers.ts";
import { type Check, type OptionTable, oneOf, printable, readOptions, real, whole } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";

/** Type of the cached keys and values. */
export type CacheType = "f16" | "f32" | "q8_0";

/**
 * Which rows of a layer stay where it keeps fewer than there are tokens. `window`: the first few and the last ones
 * (StreamingLLM, arXiv:2309.17453); `h2o`: those that were attended to most, and the last ones (arXiv:2306.14048);
 * `d2o`: the same, and layers may share rows, and what goes may be merged into what is like it (arXiv:2406.13035).
 */
export type CachePolicy = "d2o" | "h2o" | "window";

/** The cache of a session: what its rows are, and which of them stay. */
export interface CacheOptions {
  /** Type of its values. Default: the model's, f16. */
  type?: CacheType;
  /** Which rows stay. Default: all. */
  policy?: CachePolicy;
  /** The share of the context's tokens that a layer keeps rows of, above 0 and at most 1. Default: 0.2. */
  budget?: number;
  /** How many rows a layer keeps, in place of the share. */
  rows?: number;
  /**
   * Whether layers keep equally many rows, of `d2o`, or share them (`variance`): one that attends evenly then has more
   * than one that attends to few. Default: `uniform`.
   */
  layers?: "variance" | "uniform";
  /** The share of kept rows that are the last ones, above 0 and at most 1: of `d2o` and `h2o`. Default: 0.5. */
  recent?: number;
  /** Rows at the beginning that always stay. Default: 4. */
  sinks?: number;
  /**
   * What becomes of rows that go, of `d2o`. `none`: they are dropped; `mean` (by the authors' code) and `softmax` (by
   * their paper): they are merged into the row that is most like them. Default: `none`.
   */
  merge?: "none" | "mean" | "softmax";
  /** Rows that go at once where a layer is full, between two passes. Default: an eighth, 64 at most. */
  every?: number;
}

const MOST_ROWS = 1_000_000;
const PART: Check<number> = (name, value) => {
  const read = real(name, value);
  if (read > 0 && read <= 1) return read;
  throw new LimpetError("BAD_ARGUMENT", `${name} is above 0 and at most 1, not ${printable(value)}`);
};

const CACHE_OPTIONS: OptionTable<CacheOptions> = {
  type: typeKind,
  policy: oneOf<CachePolicy>("d2o", "h2o", "window"),
  budget: PART,
  rows: whole(1, MOST_ROWS),
  layers: oneOf("variance", "uniform"),
  recent: PART,
  sinks: whole(0, MOST_ROWS),
  merge: oneOf("none", "mean", "softmax"),
  every: whole(1, MOST_ROWS),
};

/** A type of a cache, checked. */
export function typeKind(_: string, value: unknown): CacheType {
  if (value === "f16" || value === "f32" || value === "q8_0") return value;
  throw new LimpetError("UNSUPPORTED", `the cache is of type "f16", "f32" or "q8_0", not "${printable(value)}"`);
}

/** A type, or a cache's options, checked. */
export const cacheKind: Check<CacheType | CacheOptions> = (name, value) => {
  if (typeof value !== "object" || value === null) return typeKind(name, value);
  const read = readOptions(value, CACHE_OPTIONS, name);
  const { policy, budget, rows } = read;
  if (budget !== undefined && rows !== undefined) throw wrong(`${name} has a budget, or rows`);
  const idle = Object.keys(read).find((option) => option !== "type" && option !== "policy" && !belongs(option, policy));
  if (idle === undefined) return read;
  throw wrong(policy ? `${name}.${idle} is not of the policy "${policy}"` : `${name}.${idle} is of a policy: give one`);
};

function belongs(option: string, policy: CachePolicy | undefined): boolean {
  if (option === "merge" || option === "layers") return policy === "d2o";
  return option === "recent" ? policy === "d2o" || policy === "h2o" : policy !== undefined;
}

/** The type of a cache that keeps all rows; `whose` has no policy, and refuses one. */
export function plainType(kv: CacheType | CacheOptions | undefined, whose?: string): CacheType {
  if (typeof kv !== "object") return kv ?? "f16";
  if (kv.policy === undefined || whose === undefined) return kv.type ?? "f16";
  throw new LimpetError("UNSUPPORTED", `${whose} all rows: give a type of the cache (kv) without a policy`);
}

/** Which rows a layer keeps, as the core is told. */
export interface KeptRows {
  readonly rows: number;
  /** Whether that is what layers keep on average. */
  readonly shared: boolean;
  readonly scored: boolean;
  readonly recent: number;
  readonly sinks: number;
  readonly merge: number;
  readonly every: number;
  readonly beta: number;
}

/** Contexts of the same kind can take each other's place. */
export interface CacheKind {
  readonly kv: CacheType;
  /** Null: every token has its row. */
  readonly kept: KeptRows | null;
}

const MERGES = { none: Merge.NONE, mean: Merge.MEAN, softmax: Merge.SOFTMAX };
/** How fast the threshold of likeness follows: the code's share, and the paper's. */
const BETAS = { none: 0.5, mean: 0.5, softmax: 0.7 };

/** The cache of a context of so many tokens. */
export function cacheOf(tokens: number, kv: CacheType | CacheOptions | undefined, type: CacheType): CacheKind {
  if (typeof kv !== "object") return { kv: kv ?? type, kept: null };
  const { policy, budget = 0.2, recent = 0.5, sinks = 4 } = kv;
  const rows = kv.rows ?? Math.ceil(budget * tokens);
  const cache = { kv: kv.type ?? type, kept: null };
  if (policy === undefined || rows >= tokens) return cache;
  const merge = policy === "d2o" ? (kv.merge ?? "none") : "none";
  const every = kv.every ?? Math.min(Math.max(Math.floor(rows / 8), 1), 64);
  const scored = policy !== "window";
  const shared = policy === "d2o" && kv.layers === "variance";
  return { ...cache, kept: { rows, shared, scored, recent, sinks, merge: MERGES[merge], every, beta: BETAS[merge] } };
}

/** Whether rows of one cache are those of the other. */
export function areAlike(a: CacheKind, b: CacheKind): boolean {
  return a.kv === b.kv && JSON.stringify(a.kept) === JSON.stringify(b.kept);
}

function wrong(words: string): LimpetError {
  return new LimpetError("BAD_ARGUMENT", words);
}
