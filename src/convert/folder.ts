/** The folder of a checkpoint: its small files as JSON, and typed values of them. */
import { type OpenFile, openFile, readFile, realPath } from "../../bindings/node.ts";
import { LimpetError, messageOf } from "../host/errors.ts";
import { parseJson } from "../host/json.ts";

export type Json = Readonly<Record<string, unknown>>;

/** Texts and JSON have fewer bytes: a tokenizer of 256,000 tokens has 34 million. */
const SMALL = 2 ** 28;

export class Folder {
  readonly path: string;
  readonly #read = new Set<string>();

  constructor(path: string) {
    this.path = path.replace(/[\\/]+$/, "") || path;
  }

  /** The folder's own name. */
  get name(): string {
    return this.path.split(/[\\/]/).pop()!;
  }

  place(name: string): string {
    return `${this.path}/${name}`;
  }

  /** Whether there is such a file. What is there and no file of this folder is an error: it was not meant to be passed over. */
  has(name: string): boolean {
    try {
      this.open(name).close();
      return true;
    } catch (error) {
      if (isMissing((error as Error).cause)) return false;
      throw error;
    }
  }

  open(name: string): OpenFile {
    const file = this.#host(name, () => openFile(this.#within(name)));
    this.#read.add(this.place(name));
    return file;
  }

  bytes(name: string): Uint8Array {
    const bytes = this.#host(name, () => readFile(this.#within(name), SMALL));
    this.#read.add(this.place(name));
    return bytes;
  }

  /** The first bytes of a file. */
  head(name: string, length: number): Uint8Array {
    const file = this.open(name);
    try {
      const bytes = new Uint8Array(Math.min(length, file.size));
      return bytes.subarray(0, file.read(0, bytes));
    } finally {
      file.close();
    }
  }

  /** The files that were opened so far. */
  get filesRead(): string[] {
    return [...this.#read];
  }

  text(name: string): string {
    const bytes = this.bytes(name);
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (error) {
      throw new LimpetError("BAD_FILE", `${this.place(name)} is no UTF-8, so that its text is not known`, {
        cause: error,
      });
    }
  }

  json(name: string): Json {
    const text = this.text(name);
    let value: unknown;
    try {
      value = parse(text);
    } catch (error) {
      throw new LimpetError("BAD_FILE", `${this.place(name)} is no JSON: ${messageOf(error)}`, { cause: error });
    }
    if (isObject(value)) return value;
    throw new LimpetError("BAD_FILE", `${this.place(name)} is no JSON object`);
  }

  /** `{}` where there is no such file. */
  jsonOrNone(name: string): Json {
    return this.has(name) ? this.json(name) : {};
  }

  /** The path of a file, which lies in the folder also when links are followed. */
  #within(name: string): string {
    const place = this.place(name);
    const root = realPath(this.path);
    const real = realPath(place);
    // The cache of Hugging Face's hub keeps files under their hashes, and snapshots are links to them.
    const blobs = /^(.*)[\\/]snapshots[\\/][^\\/]+$/.exec(root);
    const roots = blobs ? [root, `${blobs[1]}/blobs`] : [root];
    if (roots.some((folder) => real.startsWith(folder) && /^[\\/]/.test(real.slice(folder.length)))) return place;
    throw new Error(`it is a link to ${real}, outside the folder: put the file itself there`);
  }

  #host<T>(name: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      const why = isMissing(error) ? "there is no such file" : messageOf(error);
      throw new LimpetError("HOST", `${this.place(name)}: ${why}`, { cause: error });
    }
  }
}

/** JSON, and what Python writes of numbers that JSON has not: an infinity or a NaN is null. */
function parse(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    const plain = text.replace(/([[,:]\s*)(?:-?Infinity|NaN)(?=\s*[\],}])/g, "$1null");
    if (plain === text) throw error;
    return parseJson(plain);
  }
}

function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === "ENOENT" || code === "ENOTDIR";
}

/** A value of a configuration in a sentence, behind "is". */
export function said(value: unknown): string {
  return value === undefined ? "missing" : JSON.stringify(value);
}

/** A key that is there with a value that does something is one that a file cannot say. */
export function refuseUnless(given: Json, key: string, neutral: readonly unknown[], place: string): void {
  const value = given[key];
  if (value === undefined || value === null || value === false || neutral.includes(value)) return;
  if (Array.isArray(value) && value.length === 0) return;
  const words = `${place}: ${key} is ${JSON.stringify(value).slice(0, 80)}`;
  throw new LimpetError("UNSUPPORTED", `${words}, which changes answers and which limpet does not do`);
}

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** config.json: what is missing, or no number where one belongs, is an error that names the key. */
export class Config {
  readonly #place: string;
  readonly #values: Json;

  constructor(place: string, values: Json) {
    this.#place = place;
    this.#values = values;
  }

  static of(folder: Folder): Config {
    return new Config(folder.place("config.json"), folder.json("config.json"));
  }

  /** The keys of a part, of the whole where it lacks one, and where that lacks it too, of `otherwise`. */
  part(key: string, otherwise: Json = {}): Config {
    const own = this.#values[key] ?? {};
    if (!isObject(own)) throw this.wrong(`${key} is no object`);
    return new Config(this.#place, { ...otherwise, ...this.#values, ...own });
  }

  /** The same with other values: of a config that calls things otherwise. */
  with(values: Json): Config {
    return new Config(this.#place, { ...this.#values, ...values });
  }

  get(key: string): unknown {
    return this.#values[key] ?? undefined;
  }

  /** Whether a key is there and says null, which for some is no default. */
  isNull(key: string): boolean {
    return this.#values[key] === null;
  }

  /** A whole number above 0. */
  size(key: string, fallback?: number): number {
    const value = this.#values[key] ?? fallback;
    if (Number.isInteger(value) && (value as number) > 0 && (value as number) < 2 ** 31) return value as number;
    throw this.wrong(value === undefined ? `${key} is missing` : `${key} is no size: ${JSON.stringify(value)}`);
  }

  number(key: string, fallback?: number): number {
    const value = this.#values[key] ?? fallback;
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw this.wrong(value === undefined ? `${key} is missing` : `${key} is no number: ${JSON.stringify(value)}`);
  }

  /** Refuses a key that changes answers, unless its value does nothing: one of `neutral`, null, false or an empty list. */
  refuse(key: string, ...neutral: unknown[]): void {
    refuseUnless(this.#values, key, neutral, this.#place);
  }

  wrong(words: string, code: "BAD_FILE" | "UNSUPPORTED" = "BAD_FILE"): LimpetError {
    return new LimpetError(code, `${this.#place}: ${words}`);
  }
}
