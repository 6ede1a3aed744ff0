/** Values of declared types, right ones, and ones of any other kind. */
import { type Declarations, fieldsIn, splitAt } from "./declarations.ts";
import type { Random } from "./random.ts";

/** Values by the name of what they are asked for, where their type says too little, or by their type's own name. */
export type Known = Readonly<Record<string, (random: Random) => unknown>>;

/** Deeper than this no options are. */
const DEEPEST = 6;

/** A value of a type. */
export function makeValue(
  random: Random,
  all: Declarations,
  known: Known,
  name: string,
  type: string,
  depth = 0,
): unknown {
  const named = known[name];
  if (named) return named(random);
  const again = (other: string): unknown => makeValue(random, all, known, "", other, depth + 1);
  if (depth > DEEPEST) return undefined;
  const words = type.trim();
  if (/^\(.*\)\s*=>/s.test(words)) return () => {};
  const union = splitAt(words, "|").filter((one) => one.trim());
  if (union.length > 1) return again(random.pick(union));
  const parts = splitAt(words, "&");
  if (parts.length > 1) return Object.assign({}, ...parts.map(again));
  if (/^\(.*\)$/s.test(words)) return again(words.slice(1, -1));
  if (words.startsWith("readonly ")) return again(words.slice(9));
  if (words.endsWith("[]")) return Array.from({ length: random.below(4) }, () => again(words.slice(0, -2)));
  if (words.startsWith("{")) return objectOf(random, all, known, fieldsIn(words.slice(1, -1)), depth);
  const literal = words.match(/^"(.*)"$/)?.[1];
  if (literal !== undefined) return literal;
  if (/^-?\d+$/.test(words)) return Number(words);
  const [, base = "", argument = ""] = words.match(/^(\w+)(?:<([\s\S]*)>)?$/) ?? [];
  const own = known[base];
  if (own) return own(random);
  switch (base) {
    case "string":
      return random.pick(["A", "", "Once upon", "é😊"]);
    case "number":
      return numberOf(random);
    case "bigint":
      return random.edge();
    case "boolean":
      return random.oneIn(2);
    case "true":
      return true;
    case "false":
      return false;
    case "undefined":
    case "void":
      return undefined;
    case "null":
      return null;
    case "ArrayLike":
    case "ReadonlyArray":
      return Array.from({ length: random.below(6) }, () => again(argument));
    case "Float32Array":
      return Float32Array.from({ length: random.pick([0, 1, 2, 4, 8, 32, 64, 256]) }, () => random.float());
    case "Uint8Array":
      return random.bytes(random.pick([0, 1, 18, 34, 64, 256]));
    case "URL":
      return new URL("http://host/x");
    case "AbortSignal":
      return random.oneIn(4) ? AbortSignal.abort() : new AbortController().signal;
    default: {
      const alias = all.aliasOf(base);
      if (alias !== null) return again(alias);
      const fields = all.fieldsOf(base);
      return fields ? objectOf(random, all, known, fields, depth) : undefined;
    }
  }
}

/** Small numbers, as callers give them, and now and then one at an edge. */
function numberOf(random: Random): number {
  if (random.oneIn(8)) return random.oneIn(2) ? random.edge32() : random.float();
  return random.pick([0, 1, 1, 2, 3, 4, 8, 0.5, 16, 32]);
}

function objectOf(
  random: Random,
  all: Declarations,
  known: Known,
  fields: readonly { name: string; type: string; isOptional: boolean }[],
  depth: number,
): object {
  const made: Record<string, unknown> = {};
  for (const { name, type, isOptional } of fields) {
    if (isOptional && !random.oneIn(4)) continue;
    made[name] = makeValue(random, all, known, name, type, depth + 1);
  }
  return made;
}

class Liar extends Float32Array {
  override get length(): number {
    return 65536;
  }
}

/** What callers give who have not read anything. */
const ODD: readonly (() => unknown)[] = [
  () => undefined,
  () => null,
  () => true,
  () => -1,
  () => 0.5,
  () => Number.NaN,
  () => Number.POSITIVE_INFINITY,
  () => 2 ** 32,
  () => 2 ** 53,
  () => -0,
  () => 10n,
  () => 2n ** 70n,
  () => "x",
  () => "toString",
  () => "__proto__",
  () => "\ud800",
  () => Symbol("s"),
  () => () => 1,
  () => [],
  () => [1.5],
  () => [null],
  () => [undefined, 1],
  () => new Array(3),
  () => ["a"],
  () => ({}),
  () => ({ length: 2 ** 40 }),
  () => ({ length: -1 }),
  () => ({ length: "2" }),
  () => ({ toString: () => "A" }),
  () => ({ role: "evil", content: "x" }),
  () => new Float64Array(3),
  () => new BigInt64Array(2),
  () => new DataView(new ArrayBuffer(4)),
  () => new Uint8Array(40),
  () => new Liar(4),
  () => new SharedArrayBuffer(8),
  () => new Date(0),
  () => new Map(),
  () => /x/,
  () => Object.create(null),
  () => new Proxy({}, {}),
  () => Object.freeze([1, 2]),
  () => new (class {})(),
  () => {
    const buffer = new ArrayBuffer(16);
    const view = new Float32Array(buffer);
    structuredClone(buffer, { transfer: [buffer] });
    return view;
  },
];

export const oddValue = (random: Random): unknown => random.pick(ODD)();

/** The same arguments with one value, at any depth, of another kind. */
export function withOdd(random: Random, args: readonly unknown[], arity: number): unknown[] {
  const list = [...args];
  const at = random.below(Math.max(arity, 1));
  const there = list[at];
  const isPlain = typeof there === "object" && there !== null && Object.getPrototypeOf(there) === Object.prototype;
  if (isPlain && !random.oneIn(4)) {
    const keys = Object.keys(there);
    const key = keys.length && !random.oneIn(6) ? random.pick(keys) : random.pick(["x", "maxTokens", "constructor"]);
    list[at] = { ...there, [key]: oddValue(random) };
  } else list[at] = oddValue(random);
  return list;
}
