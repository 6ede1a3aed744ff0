/**
 * GGUF files for tests, sound or broken: every field that a sound file derives can be given a wrong value.
 *
 *     const bytes = gguf({ entries: [["llama.block_count", "u32", 2]], tensors: [{ name: "a", type: F32, ne: [32] }] });
 *     const broken = gguf({ keyCount: 2n ** 60n });
 */
import { BLOCKS, BlockFormat, type BlockFormatName, ValueType } from "../../bindings/numbers.ts";

/** Value types by name, in the order of their ids; `[]` behind a name makes an array of it. */
type TypeName = Lowercase<keyof typeof ValueType>;
const TYPES = Object.keys(ValueType).map((name) => name.toLowerCase() as TypeName);

/** Blocks by the numbers of their formats. */
const BLOCKS_BY_ID = new Map(
  Object.entries(BlockFormat).map(([name, id]) => [id as number, BLOCKS[name as BlockFormatName]]),
);

export type Value = number | bigint | boolean | string | readonly Value[];

/** A key, its type (`"u32"`, `"string[]"`, or an id that GGUF need not have), and its value; or bytes as they are. */
export type EntrySpec = readonly [key: string, type: string | number, value: Value] | Uint8Array;

export interface TensorSpec {
  name: string;
  type?: number;
  ne?: readonly (number | bigint)[];
  /** Dimensions claimed; else the length of `ne`. */
  dimensions?: number;
  /** Offset in the data section; else behind the tensor before. */
  offset?: number | bigint;
}

export interface FileSpec {
  magic?: string;
  version?: number;
  keyCount?: number | bigint;
  tensorCount?: number | bigint;
  entries?: readonly EntrySpec[];
  tensors?: readonly TensorSpec[];
  alignment?: number;
  /** Bytes of tensor data; else as many as the tensors take. */
  dataBytes?: number;
}

/** Little-endian bytes, growing as they come. */
export class Bytes {
  #list: number[] = [];

  get length(): number {
    return this.#list.length;
  }

  number(type: TypeName, value: number | bigint): this {
    const view = new DataView(new ArrayBuffer(8));
    const size = { u8: 1, i8: 1, bool: 1, u16: 2, i16: 2, u32: 4, i32: 4, f32: 4 }[type as string] ?? 8;
    if (type === "f32") view.setFloat32(0, Number(value), true);
    else if (type === "f64") view.setFloat64(0, Number(value), true);
    else view.setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true);
    return this.bytes(new Uint8Array(view.buffer, 0, size));
  }

  bytes(bytes: Uint8Array): this {
    for (const byte of bytes) this.#list.push(byte);
    return this;
  }

  string(text: string): this {
    const bytes = new TextEncoder().encode(text);
    return this.number("u64", bytes.length).bytes(bytes);
  }

  value(type: string, value: Value): this {
    if (type.endsWith("[]")) {
      const element = type.slice(0, -2);
      const items = value as readonly Value[];
      this.number("u32", TYPES.indexOf(element as "u8")).number("u64", items.length);
      for (const item of items) this.value(element, item);
      return this;
    }
    if (type === "string") return this.string(String(value));
    return this.number(type as "u32", typeof value === "boolean" ? Number(value) : (value as number));
  }

  pad(alignment: number): this {
    while (this.#list.length % alignment) this.#list.push(0);
    return this;
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#list);
  }
}

/** The bytes of one metadata entry. */
export function entry([key, type, value]: readonly [string, string | number, Value]): Uint8Array {
  const bytes = new Bytes().string(key);
  if (typeof type === "number") return bytes.number("u32", type).number("u32", Number(value)).finish();
  const id = type.endsWith("[]") ? 9 : TYPES.indexOf(type as "u8");
  return bytes.number("u32", id).value(type, value).finish();
}

/** The bytes of a file. */
export function gguf(file: FileSpec): Uint8Array {
  const { magic = "GGUF", version = 3, entries = [], tensors = [], alignment = 32 } = file;
  const bytes = new Bytes().bytes(new TextEncoder().encode(magic)).number("u32", version);
  bytes.number("u64", file.tensorCount ?? tensors.length).number("u64", file.keyCount ?? entries.length);
  for (const item of entries) bytes.bytes(item instanceof Uint8Array ? item : entry(item));
  let end = 0;
  for (const { name, type = 0, ne = [32], dimensions = ne.length, offset = end } of tensors) {
    bytes.string(name).number("u32", dimensions);
    for (const size of ne) bytes.number("u64", size);
    bytes.number("u32", type).number("u64", offset);
    const { elements, bytes: blockBytes } = BLOCKS_BY_ID.get(type) ?? { elements: 1, bytes: 1 };
    const size = (ne.reduce((product: number, n) => product * Number(n), 1) / elements) * blockBytes;
    if (size < 1e7) end = Math.ceil((Number(offset) + size) / alignment) * alignment;
  }
  bytes.pad(alignment);
  const whole = new Uint8Array(bytes.length + (file.dataBytes ?? (end < 1e7 ? end : 0)));
  whole.set(bytes.finish());
  return whole;
}
