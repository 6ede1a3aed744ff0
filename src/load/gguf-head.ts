/**
 * The head of a GGUF file, read by the core's parser, with all that is needed to write it again: entries with their
 * types in the order of the file, and tensors with where their data lies.
 */
import type { Pointer } from "../../bindings/exports.ts";
import { decodeText, encodeText } from "../../bindings/memory.ts";
import { Status } from "../../bindings/numbers.ts";
import { LimpetError } from "../host/errors.ts";
import type { Core } from "../host/instance.ts";
import { Pace } from "../host/pace.ts";
import { type GgufEntry, type GgufType, type GgufValue, VALUE_TYPES } from "./gguf-entries.ts";
import { readEntry, readTensors, type TensorInfo } from "./info.ts";
import { fillFrom, type Part } from "./part.ts";

const UNKNOWN_SIZE = 2 ** 52;

/** Parses the heads of all parts of a model: the handle of the first one, which has the tensors of all. */
export async function parseHead(core: Core, parts: readonly Part[], signal?: AbortSignal): Promise<Pointer> {
  const { exports, pointer } = core;
  const files: number[] = [];
  const pace = new Pace(signal);
  for (const [index, part] of parts.entries()) {
    const gguf = core.handle(exports.gguf_create(pointer, index, BigInt(part.size ?? UNKNOWN_SIZE), 0));
    while (core.check(exports.gguf_step(pointer, gguf)) === Status.NEED_DATA) {
      const length = exports.gguf_need_length(gguf) >>> 0;
      const target = core.memory.u8(exports.gguf_need_destination(gguf), length);
      const count = await fillFrom(part, Number(exports.gguf_need_offset(gguf)), target, signal);
      if (count < length) throw new LimpetError("BAD_FILE", "the file ends within its header; download it again");
      const turn = pace.step();
      if (turn) await turn;
    }
    files.push(gguf);
  }
  core.scoped((arena) => core.check(exports.gguf_merge(pointer, arena.put(Uint32Array.from(files)), files.length)));
  return files[0];
}

/** A tensor, and its name in the file where that is no valid UTF-8. */
export type NamedTensor = TensorInfo & { readonly nameBytes?: Uint8Array };

/** The metadata of the first part, and the tensors of all. */
export async function readHead(
  core: Core,
  parts: readonly Part[],
): Promise<{ metadata: GgufEntry[]; tensors: NamedTensor[] }> {
  const gguf = await parseHead(core, parts);
  return { metadata: readEntries(core, gguf), tensors: readNames(core, gguf) };
}

function readNames(core: Core, gguf: Pointer): NamedTensor[] {
  const { exports, memory } = core;
  return readTensors(core, gguf).map((tensor, i) => {
    const handle = exports.gguf_tensor(gguf, i);
    const bytes = memory.read(exports.tensor_name(handle), exports.tensor_name_length(handle));
    const same = bytes.every((byte) => byte < 0x80) || isSame(encodeText(tensor.name), bytes);
    return same ? tensor : { ...tensor, nameBytes: bytes };
  });
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function readEntries(core: Core, gguf: Pointer): GgufEntry[] {
  const { exports, memory } = core;
  return Array.from({ length: exports.gguf_entry_count(gguf) }, (_, i): GgufEntry => {
    const entry = exports.gguf_entry(gguf, i);
    const type = VALUE_TYPES[exports.entry_type(entry)];
    const element = type === "array" ? VALUE_TYPES[exports.entry_element_type(entry)] : type;
    const full = type === "array" ? `${element}[]` : type;
    const key = memory.read(exports.entry_key(entry), exports.entry_key_length(entry));
    const value = readEntry(core, entry, Number.POSITIVE_INFINITY) as GgufValue;
    const count = type === "array" ? exports.entry_count(entry) >>> 0 : 1;
    const start = exports.entry_value(entry) >>> 0;
    const bytes = memory.read(start, valueBytes(core, start, element, count));
    return [decodeText(key), full as GgufType, value, { key, value: bytes }];
  });
}

/** Bytes of so many values of a type from `start` on. */
function valueBytes({ memory }: Core, start: number, type: string, count: number): number {
  if (type !== "string") return (count * Number(type.match(/\d+/)?.[0] ?? 8)) / 8;
  let at = start;
  for (let i = 0; i < count; i++) at += 8 + Number(memory.readU64(at));
  return at - start;
}
