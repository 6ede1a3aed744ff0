/** A file's metadata and tensors, read by themselves: also of models that limpet does not run. */
import type { Pointer } from "../../bindings/exports.ts";
import { LimpetError } from "../host/errors.ts";
import { Core, type CoreOptions } from "../host/instance.ts";
import { parseHead } from "./gguf-head.ts";
import {
  type MetadataValue,
  type ModelWarning,
  readMetadata,
  readTensors,
  readWarnings,
  type TensorInfo,
} from "./info.ts";
import { loadModel } from "./load.ts";
import { type ModelSource, openSource } from "./source.ts";

export interface FileContents {
  readonly version: number;
  /** Arrays longer than the limit are cut; `count` says how long they are. */
  readonly metadata: Map<string, { value: MetadataValue; count: number | null }>;
  readonly tensors: TensorInfo[];
  /** Bytes of look-up tables, which need not be in memory (`tables: "stream"`). */
  readonly tableBytes: number;
  readonly warnings: readonly ModelWarning[];
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
      warnings: readWarnings(core, gguf),
    };
  } finally {
    for (const part of parts) part.close();
  }
}

/** The page of a model's program, from its header alone: no weights are read. */
export async function inspectProgram(
  source: ModelSource,
  options: CoreOptions & { signal?: AbortSignal } = {},
): Promise<string> {
  const core = await Core.create(options);
  const { pointer } = await loadModel(core, source, { signal: options.signal }, true);
  return readProgram(core, pointer);
}

/** The page of a model that is planned or loaded. */
export function readProgram(core: Core, model: Pointer): string {
  const { exports } = core;
  const length = exports.model_program(model, 0, 0);
  if (length === 0 && exports.model_layers(model) > 0) {
    throw new LimpetError("UNSUPPORTED", "this build of limpet prints no programs; take limpet.wasm, which has all");
  }
  if (length === 0) throw core.error();
  return core.scoped((arena) => {
    const target = arena.allocate(length);
    exports.model_program(model, target, length);
    return core.text(target, length);
  });
}
