/** A file's metadata and tensors, read by themselves: also of models that limpet does not run. */
import { Core, type CoreOptions } from "./core.ts";
import { LimpetError } from "./errors.ts";
import { type MetadataValue, readMetadata, readTensors, type TensorInfo } from "./info.ts";
import { type ModelSource, openSource } from "./source.ts";

export interface FileContents {
  readonly version: number;
  /** Arrays longer than the limit are cut; `count` says how long they are. */
  readonly metadata: Map<string, { value: MetadataValue; count: number | null }>;
  readonly tensors: TensorInfo[];
}

const NEED_DATA = 2;
/** Elements of an array that are read. */
const ARRAY_LIMIT = 16;

export async function inspectFile(source: ModelSource, options: CoreOptions = {}): Promise<FileContents> {
  const core = await Core.create(options);
  const { exports, pointer } = core;
  const parts = await openSource(source);
  try {
    const files: number[] = [];
    for (const [index, part] of parts.entries()) {
      const size = BigInt(part.size ?? 2 ** 52);
      const gguf = core.handle(exports.gguf_create(pointer, index, size, 0));
      while (core.check(exports.gguf_step(pointer, gguf)) === NEED_DATA) {
        const length = exports.gguf_need_length(gguf) >>> 0;
        const target = core.memory.u8(exports.gguf_need_destination(gguf), length);
        const count = await part.read(Number(exports.gguf_need_offset(gguf)), target);
        if (count < length) throw new LimpetError("BAD_FILE", "the file ends within its header; download it again");
      }
      files.push(gguf);
    }
    const gguf = files[0];
    core.scoped((arena) => core.check(exports.gguf_merge(pointer, arena.put(Uint32Array.from(files)), files.length)));
    return {
      version: exports.gguf_version(gguf),
      metadata: readMetadata(core, gguf, ARRAY_LIMIT),
      tensors: readTensors(core, gguf),
    };
  } finally {
    for (const part of parts) part.close();
  }
}
