/** A file's metadata and tensors, read by themselves: also of models that limpet does not run. */
import { Core, type CoreOptions } from "../host/instance.ts";
import { parseHead } from "./gguf-head.ts";
import { type MetadataValue, readMetadata, readTensors, type TensorInfo } from "./info.ts";
import { type ModelSource, openSource } from "./source.ts";

export interface FileContents {
  readonly version: number;
  /** Arrays longer than the limit are cut; `count` says how long they are. */
  readonly metadata: Map<string, { value: MetadataValue; count: number | null }>;
  readonly tensors: TensorInfo[];
  /** Bytes of look-up tables, which need not be in memory (`tables: "stream"`). */
  readonly tableBytes: number;
}

/** Elements of an array that are read. */
const ARRAY_LIMIT = 16;

export async function inspectFile(
  source: ModelSource,
  options: CoreOptions & { signal?: AbortSignal } = {},
): Promise<FileContents> {
  const core = await Core.create(options);
  const parts = await openSource(source, options.signal);
  try {
    const gguf = await parseHead(core, parts, options.signal);
    return {
      version: core.exports.gguf_version(gguf),
      metadata: readMetadata(core, gguf, ARRAY_LIMIT),
      tensors: readTensors(core, gguf),
      tableBytes: Number(core.exports.gguf_table_bytes(gguf)),
    };
  } finally {
    for (const part of parts) part.close();
  }
}
