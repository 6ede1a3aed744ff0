/** The folder of a checkpoint: its small files as JSON, and typed values of them. */
import { decodeText } from "../../bindings/memory.ts";
import { type OpenFile, openFile, readFile } from "../../bindings/node.ts";
import { LimpetError, messageOf } from "../host/errors.ts";

export type Json = Readonly<Record<string, unknown>>;

export class Folder {
  readonly path: string;

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

  has(name: string): boolean {
    try {
      openFile(this.place(name)).close();
      return true;
    } catch {
      return false;
    }
  }

  open(name: string): OpenFile {
    return this.#host(name, () => openFile(this.place(name)));
  }

  bytes(name: string): Uint8Array {
    return this.#host(name, () => readFile(this.place(name)));
  }

  text(name: string): string {
    return decodeText(this.bytes(name));
  }

  json(name: string): Json {
    const text = this.text(name);
    let value: unknown;
    try {
      value = JSON.parse(text);
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

  #host<T>(name: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const why = code === "ENOENT" || code === "ENOTDIR" ? "there is no such file" : messageOf(error);
      throw new LimpetError("HOST", `${this.place(name)}: ${why}`, { cause: error });
    }
  }
}

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** config.json: what is missing, or no number where one belongs, is an error that names the key. */
export class Config {
  readonly #place: string;
  readonly #values: Json;

  constructor(folder: Folder) {
    this.#place = folder.place("config.json");
    this.#values = folder.json("config.json");
  }

  get(key: string): unknown {
    return this.#values[key] ?? undefined;
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

  wrong(words: string, code: "BAD_FILE" | "UNSUPPORTED" = "BAD_FILE"): LimpetError {
    return new LimpetError(code, `${this.#place}: ${words}`);
  }
}
