/**
 * Drives the core's GGUF parser as a host does, from bytes in JavaScript's memory.
 */
import { Status, ValueType } from "../../bindings/numbers.ts";
import type { TestCore } from "./core.ts";

export const { DONE, NEED_DATA } = Status;
const { BOOL, STRING, ARRAY } = ValueType;

/** A file in the core: its record and what parsing it came to. */
export interface Parsed {
  g: number;
  status: number;
  /** Ranges that the parser asked for. */
  requests: number;
  /** Bytes read. */
  read: number;
}

/** Parses a file, handing out what is asked for; at most `chunk` bytes more than needed at a time (0: as usual). */
export function parse(core: TestCore, bytes: Uint8Array, chunk = 0, fileIndex = 0): Parsed {
  const { exports } = core;
  const g = exports.gguf_create(core.core, fileIndex, BigInt(bytes.length), chunk) >>> 0;
  if (g === 0) throw new Error(core.message);
  let requests = 0;
  let read = 0;
  for (;;) {
    const status = exports.gguf_step(core.core, g);
    if (status !== NEED_DATA) return { g, status, requests, read };
    const offset = Number(exports.gguf_need_offset(g));
    const length = exports.gguf_need_length(g) >>> 0;
    const destination = exports.gguf_need_destination(g) >>> 0;
    if (length === 0 || offset !== read || offset + length > bytes.length) {
      throw new Error(`the parser asks for ${length} bytes at ${offset} of ${bytes.length}, having read ${read}`);
    }
    new Uint8Array(exports.memory.buffer, destination, length).set(bytes.subarray(offset, offset + length));
    requests++;
    read += length;
  }
}

export type ReadValue = number | boolean | string | ReadValue[];

export interface ReadTensor {
  name: string;
  type: number;
  ne: number[];
  file: number;
  offset: number;
  bytes: number;
}

/** All keys with their values, through the exports that `inspect` uses. */
export function entriesOf(core: TestCore, g: number): Map<string, ReadValue> {
  const { exports } = core;
  return new Map(
    Array.from({ length: exports.gguf_entry_count(g) }, (_, i) => {
      const entry = exports.gguf_entry(g, i);
      return [core.text(exports.entry_key(entry), exports.entry_key_length(entry)), readValue(core, entry)];
    }),
  );
}

function readValue(core: TestCore, entry: number): ReadValue {
  const { exports } = core;
  const type = exports.entry_element_type(entry);
  const view = new DataView(exports.memory.buffer);
  let at = exports.entry_value(entry) >>> 0;
  const list: ReadValue[] = [];
  for (let i = 0, count = exports.entry_count(entry) >>> 0; i < count; i++) {
    if (type === STRING) {
      const length = Number(view.getBigUint64(at, true));
      list.push(core.text(at + 8, length));
      at += 8 + length;
    } else {
      const value = exports.entry_number(entry, i);
      list.push(type === BOOL ? value === 1 : value);
    }
  }
  return exports.entry_type(entry) === ARRAY ? list : list[0];
}

/** All tensors, through the exports that `inspect` uses. */
export function tensorsOf(core: TestCore, g: number): ReadTensor[] {
  return Array.from({ length: core.exports.gguf_tensor_count(g) }, (_, i) =>
    tensor(core, core.exports.gguf_tensor(g, i)),
  );
}

/** The fields of a tensor record. */
export function tensor(core: TestCore, at: number): ReadTensor {
  const { exports } = core;
  return {
    name: core.text(exports.tensor_name(at), exports.tensor_name_length(at)),
    type: exports.tensor_type(at),
    ne: Array.from({ length: exports.tensor_dimensions(at) }, (_, d) => exports.tensor_size(at, d) >>> 0),
    file: exports.tensor_file(at),
    offset: Number(exports.tensor_offset(at)),
    bytes: Number(exports.tensor_bytes(at)),
  };
}
