/**
 * What a request says: JSON of strangers, of which each field that is used is looked at, every number within bounds. What
 * has a name that nobody asks for is ignored; null is as good as left out.
 */
import { printable } from "../host/arguments.ts";
import { parseJson } from "../host/json.ts";
import { RequestError, wrongField } from "./errors.ts";

/** Bytes of a request. */
const MOST_BYTES = 16 << 20;

/** The fields of a JSON object, by what each has to be. */
export class Fields {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #path: string;

  constructor(values: object, path: string = "") {
    this.#values = values as Record<string, unknown>;
    this.#path = path;
  }

  /** The fields of an object that stands at `path`; what is none is refused. */
  static of(value: unknown, path: string): Fields {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return new Fields(value, `${path}.`);
    throw wrongField(path, `is an object, not ${printable(value)}`);
  }

  /** The name of a field with those of the objects around it. */
  path(name: string): string {
    return this.#path + name;
  }

  /** A value as it is; undefined where there is none. */
  raw(name: string): unknown {
    return Object.hasOwn(this.#values, name) ? (this.#values[name] ?? undefined) : undefined;
  }

  has(name: string): boolean {
    return this.raw(name) !== undefined;
  }

  number(name: string, least: number, most: number): number | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (typeof value === "number" && value >= least && value <= most) return value;
    throw this.wrong(name, `is a number from ${least} to ${most}, not ${printable(value)}`);
  }

  whole(name: string, least: number, most: number): number | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return value as number;
    throw this.wrong(name, `is a whole number from ${least} to ${most}, not ${printable(value)}`);
  }

  text(name: string): string | undefined {
    const value = this.raw(name);
    if (value === undefined || typeof value === "string") return value;
    throw this.wrong(name, `is text, not ${printable(value)}`);
  }

  flag(name: string): boolean | undefined {
    const value = this.raw(name);
    if (value === undefined || typeof value === "boolean") return value;
    throw this.wrong(name, `is true or false, not ${printable(value)}`);
  }

  object(name: string): Fields | undefined {
    const value = this.raw(name);
    return value === undefined ? undefined : Fields.of(value, this.path(name));
  }

  /** A list of at most so many elements. */
  list(name: string, most: number): readonly unknown[] | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw this.wrong(name, `is a list, not ${printable(value)}`);
    if (value.length > most) throw this.wrong(name, `has ${value.length} elements, and ${most} are the most`);
    return value;
  }

  /** A list of objects. */
  objects(name: string, most: number): Fields[] | undefined {
    return this.list(name, most)?.map((value, i) => Fields.of(value, `${this.path(name)}[${i}]`));
  }

  /** A text, or a list of at most so many; none of them empty. */
  texts(name: string, most: number): string[] | undefined {
    const value = this.raw(name);
    const given = typeof value === "string" ? [value] : this.list(name, most);
    return given?.map((text, i) => {
      if (typeof text === "string" && text !== "") return text;
      throw this.wrong(`${name}[${i}]`, `is a text that is not empty, not ${printable(text)}`);
    });
  }

  /** What may not be left out. */
  required<Value>(name: string, value: Value | undefined): Value {
    if (value !== undefined) return value;
    throw new RequestError("invalid_request_error", `${this.path(name)} is missing`, {
      param: this.path(name),
      code: "missing_required_parameter",
    });
  }

  wrong(name: string, words: string): RequestError {
    return wrongField(this.path(name), words);
  }
}

/** The JSON object that a request holds. */
export async function readFields(request: Request): Promise<Fields> {
  const bytes = await readBytes(request);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw notJson("it is not UTF-8");
  }
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    throw notJson(printable((error as Error).message));
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw notJson(`it is ${printable(value)}, and not an object`);
  }
  return new Fields(value);
}

async function readBytes(request: Request): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = () => new RequestError("request_too_large", `a request has at most ${MOST_BYTES} bytes`);
  if (Number(request.headers.get("content-length") ?? 0) > MOST_BYTES) throw tooLarge();
  const pieces: Uint8Array[] = [];
  let length = 0;
  if (request.body) {
    const reader = request.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      if (length > MOST_BYTES) {
        reader.cancel().catch(() => {});
        throw tooLarge();
      }
      pieces.push(value);
    }
  }
  const all = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

function notJson(why: string): RequestError {
  return new RequestError("invalid_request_error", `the request is no JSON that can be read: ${why}`, {
    code: "invalid_json",
  });
}
