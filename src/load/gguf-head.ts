/**
 * The head of a GGUF file, read by the core's parser, with all that is needed to write it again: entries with their
 * types in the order of the file, and tensors with where their data lies.
 */
import type { Pointer } from "../../bindings/exports.ts";
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

/** The metadata of the first part, and the tensors of all. */
export async function readHead(
  core: Core,
  parts: readonly Part[],
): Promise<{ metadata: GgufEntry[]; tensors: TensorInfo[] }> {
  const gguf = await parseHead(core, parts);
  return { metadata: readEntries(core, gguf), tensors: readTensors(core, gguf) };
}

function readEntries(core: Core, gguf: Pointer): GgufEntry[] {
  const { exports } = core;
  return Array.from({ length: exports.gguf_entry_count(gguf) }, (_, i): GgufEntry => {
    const entry = exports.gguf_entry(gguf, i);
    const type = VALUE_TYPES[exports.entry_type(entry)];
    const full = type === "array" ? `${VALUE_TYPES[exports.entry_element_type(entry)]}[]` : type;
    const key = core.text(exports.entry_key(entry), exports.entry_key_length(entry));
    return [key, full as GgufType, readEntry(core, entry, Number.POSITIVE_INFINITY) as GgufValue];
  });
}
