/**
 * What callers give, looked at once before anything happens: each function says what kinds it takes, and from then on
 * works with what was read, not with what the caller holds. A table of options has a check for each name of its type,
 * and the compiler refuses one that lacks a name or has another.
 */
import { LimpetError } from "./errors.ts";
import { isUrl } from "./names.ts";

/** Reads a value of a kind; what is of another is a BAD_ARGUMENT that names the argument. */
export type Check<Value> = (name: string, value: unknown) => Value;

/** A check for each option of a type. */
export type OptionTable<Options> = { readonly [Name in keyof Required<Options>]: Check<Required<Options>[Name]> };

/** Any value as words can hold it. */
export function printable(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null) return "an object";
  const words = String(value);
  return words.length > 60 ? `${words.slice(0, 60)}…` : words;
}

/** A copy of the options that were given, each of its kind; a name that the table lacks is refused. */
export function readOptions<Options>(value: unknown, table: OptionTable<Options>, name: string = "options"): Options {
  const read: Record<string, unknown> = {};
  if (value === undefined) return read as Options;
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  if (typeof value !== "object" || value === null || tag !== "Object") {
    // A promise of options, or a Map of them, has no options of its own, and would be taken for none.
    const what = typeof value === "object" && value !== null && tag !== "Array" ? `a ${tag}` : printable(value);
    throw wrong(`${name} is an object of options, not ${what}`);
  }
  for (const given of Object.keys(value)) if (!Object.hasOwn(table, given)) throw unknownOption(given, table);
  for (const [option, check] of Object.entries<Check<unknown>>(table)) {
    const found = (value as Record<string, unknown>)[option];
    if (found !== undefined) read[option] = check(option, found);
  }
  return read as Options;
}

function unknownOption(given: string, table: object): LimpetError {
  const names = Object.keys(table);
  const plain = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, "");
  const [nearest] = names
    .map((name) => ({ name, away: distance(plain(given.slice(0, 60)), plain(name)) }))
    .filter(({ name, away }) => away <= Math.max(1, name.length / 3))
    .sort((a, b) => a.away - b.away);
  const hint = nearest ? `did you mean ${nearest.name}?` : `there are ${names.join(", ")}`;
  return wrong(`there is no option ${printable(given)}; ${hint}`);
}

/** Letters to put in, take out or change to make one word of another. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}

/** An argument that is left out where the caller wants; else of its kind. */
export function optional<Value>(check: Check<Value>): Check<Value | undefined> {
  return (name, value) => (value === undefined ? undefined : check(name, value));
}

/** Of no kind that is told here: who uses it looks at it. */
export function unchecked<Value>(_: string, value: unknown): Value {
  return value as Value;
}

/** A string. */
export function text(name: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw wrong(`${name} is text, not ${printable(value)}`);
}

/** The name of something that is read: a path, a URL as text or as an object, of any realm. */
export function place(name: string, value: unknown): string | URL {
  if (isUrl(value) || (typeof value === "string" && value !== "")) return value;
  throw wrong(`${name} is a path or a URL, not ${value === "" ? "an empty text" : printable(value)}`);
}

/** The path of a file or of a folder. */
export function path(name: string, value: unknown): string {
  if (typeof value === "string" && value !== "" && !value.includes("\0")) return value;
  throw wrong(`${name} is a path, not ${value === "" ? "an empty text" : printable(value)}`);
}

/** true or false. */
export function flag(name: string, value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw wrong(`${name} is true or false, not ${printable(value)}`);
}

/** A number; its range is checked by who uses it. */
export function real(name: string, value: unknown): number {
  if (typeof value === "number") return value;
  throw wrong(`${name} is a number, not ${printable(value)}`);
}

/** A whole number in a range. */
export function whole(least: number, most: number): Check<number> {
  return (name, value) => {
    if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return value as number;
    throw wrong(`${name} is a whole number from ${least} to ${most}, not ${printable(value)}`);
  };
}

/** A whole number of any size, for 64 bits. */
export function wide(name: string, value: unknown): bigint {
  if (typeof value === "bigint") return value;
  if (Number.isSafeInteger(value)) return BigInt(value as number);
  throw wrong(`${name} is a whole number or a bigint, not ${printable(value)}`);
}

/** One of some words. */
export function oneOf<Word extends string>(...words: readonly Word[]): Check<Word> {
  return (name, value) => {
    if ((words as readonly unknown[]).includes(value)) return value as Word;
    const all = words.map((word) => `"${word}"`);
    const last = all.pop();
    throw wrong(
      `${name} is ${[...(all.length ? [all.join(", ")] : []), last].join(" or ")}, not "${printable(value)}"`,
    );
  };
}

/** A function of the caller's. */
export function callback<Value>(name: string, value: unknown): Value {
  if (typeof value === "function") return value as Value;
  throw wrong(`${name} is a function, not ${printable(value)}`);
}

/** An AbortSignal, of any realm. */
export function signal(name: string, value: unknown): AbortSignal {
  const { aborted, addEventListener, throwIfAborted } = (value ?? {}) as Partial<AbortSignal>;
  if (typeof aborted === "boolean" && typeof addEventListener === "function" && typeof throwIfAborted === "function") {
    return value as AbortSignal;
  }
  throw wrong(`${name} is an AbortSignal, not ${printable(value)}`);
}

/** A list whose elements are each of a kind. */
export function listOf<Value>(check: Check<Value>): Check<readonly Value[]> {
  return (name, value) => {
    if (!Array.isArray(value)) throw wrong(`${name} is a list, not ${printable(value)}`);
    return Array.from(value, (element, i) => check(`${name}[${i}]`, element));
  };
}

/** A text, or several. */
export function texts(name: string, value: unknown): readonly string[] {
  return typeof value === "string" ? [value] : listOf(text)(name, value);
}

// What an array is, is asked of its slots: a class of the caller's may say anything of itself.
const slots: object = Object.getPrototypeOf(Uint8Array.prototype);
const slot = (name: PropertyKey): ((array: unknown) => unknown) => {
  const { get } = Object.getOwnPropertyDescriptor(slots, name)!;
  return (array) => get!.call(array);
};
const kindOf = slot(Symbol.toStringTag);
const lengthOf = slot("length");
const bufferOf = slot("buffer");
const offsetOf = slot("byteOffset");

/** Values as f32, of any realm: a view of the same memory that is surely one. */
export const floats: Check<Float32Array> = (name, value) => view(name, value, Float32Array);
/** Bytes, of any realm: a view of the same memory that is surely one. */
export const bytes: Check<Uint8Array> = (name, value) => view(name, value, Uint8Array);

function view<View>(
  name: string,
  value: unknown,
  type: { readonly name: string; new (buffer: ArrayBufferLike, offset: number, length: number): View },
): View {
  const wanted = type === (Float32Array as unknown) ? "Float32Array" : "Uint8Array";
  if (kindOf(value) !== wanted) throw wrong(`${name} is no ${wanted}`);
  try {
    return new type(bufferOf(value) as ArrayBufferLike, offsetOf(value) as number, lengthOf(value) as number);
  } catch {
    throw wrong(`${name} is a ${wanted} whose memory is gone: it was transferred to somebody else`);
  }
}

/** Whole numbers in a range, as a list or an array of any kind: a copy. `said` is what one of them is called. */
export function wholeNumbers(
  name: string,
  value: unknown,
  most: number,
  refuse: (element: unknown) => string,
): Uint32Array<ArrayBuffer> {
  const branded = kindOf(value) !== undefined;
  const isObject = typeof value === "object" && value !== null;
  const length: unknown = branded ? lengthOf(value) : isObject ? (value as ArrayLike<unknown>).length : undefined;
  if (!Number.isInteger(length) || (length as number) < 0) {
    throw wrong(`${name} is a list of whole numbers, not ${printable(value)}`);
  }
  const count = length as number;
  const list = value as ArrayLike<unknown>;
  const check = (element: unknown): number => {
    if (Number.isInteger(element) && (element as number) >= 0 && (element as number) <= most) return element as number;
    throw wrong(refuse(element));
  };
  // A length that the elements do not bear out takes no memory.
  if (count > 0) check(list[count - 1]);
  if (count >= 2 ** 31) throw wrong(`${name} has ${count} elements, more than any context holds`);
  const read = new Uint32Array(count);
  for (let i = 0; i < count; i++) read[i] = check(list[i]);
  return read;
}

function wrong(words: string): LimpetError {
  return new LimpetError("BAD_ARGUMENT", words);
}
