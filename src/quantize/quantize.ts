/**
 * A GGUF file → the same model with its matrices in other block formats. For Node and Deno. Rows are read, converted and
 * written a piece at a time, so a model need not fit into memory; the file appears when it is whole.
 *
 *     await quantizeFile("model-f16.gguf", "model-q4.gguf", "Q4_K_M", { onProgress, signal });
 */
import { isNode, isSameFile } from "../../bindings/node.ts";
import { kernelsOf } from "../api/kernels.ts";
import { callback, type OptionTable, path, place, readOptions, signal } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { CORE_OPTIONS, Core, namedBuild } from "../host/instance.ts";
import { Pace } from "../host/pace.ts";
import { type TypeName, tensorLayout } from "../host/types.ts";
import type { Build, WasmOption } from "../host/wasm.ts";
import type { GgufEntry } from "../load/gguf-entries.ts";
import { type NamedTensor, parseHead, readHead } from "../load/gguf-head.ts";
import { openSource, requireOnePiece, splitNames } from "../load/source.ts";
import { type GgufTensor, GgufWriter } from "../store/gguf-writer.ts";
import { type FileType, fileTypeOf, mixOf, refusalOf } from "./mixes.ts";
import { planOf, type Step } from "./plan.ts";
import { copyStep, type Rewriting } from "./values.ts";

/** How a file is quantised. */
export interface QuantizeOptions {
  /** Which build quantises: the file's bytes are the same in `portable` and `scalar`. Default: portable. */
  build?: Build;
  /** Where the wasm comes from. Default: the file of the build beside limpet's scripts. */
  wasm?: WasmOption;
  /** Ends the quantising: the file is removed and the signal's reason is thrown. */
  signal?: AbortSignal;
  /** Bytes of the input that were read, and of all. */
  onProgress?: (done: number, total: number) => void;
}

const OPTIONS: OptionTable<QuantizeOptions> = {
  build: namedBuild,
  wasm: CORE_OPTIONS.wasm,
  signal,
  onProgress: callback,
};

/** What was written. */
export interface QuantizeResult {
  /** The mix that was asked for, by its full name. */
  readonly type: FileType;
  /** The file holds so many tensors. */
  readonly tensors: number;
  /** How many tensors the file holds of each type. */
  readonly types: Readonly<Record<string, number>>;
  /** Bytes of the file. */
  readonly bytes: number;
  /** Matrices that had been quantised before, and so lose twice. */
  readonly requantized: number;
  /** Matrices whose rows are no whole blocks of their type in the mix, and that have one of smaller blocks. */
  readonly fallbacks: number;
}

/** Writes `input` anew as `out`; `type` is a block format or one of llama.cpp's mixes (`Q4_K` means `Q4_K_M`). */
export async function quantizeFile(
  input: string | URL,
  out: string,
  type: string,
  options: QuantizeOptions = {},
): Promise<QuantizeResult> {
  const given = readOptions(options, OPTIONS);
  const from = place("input", input);
  const to = path("out", out);
  const fileType = fileTypeOf(type);
  if (!fileType) throw new LimpetError("BAD_ARGUMENT", refusalOf(type));
  if (!isNode()) throw new LimpetError("HOST", "a file is quantised in Node or Deno, where files can be written");
  requireOthers(from, to);
  const { build, wasm, signal, onProgress } = given;
  const pace = new Pace(signal);
  const core = await Core.create({ build, wasm, signal });
  const parts = await openSource(from, signal);
  try {
    const head = await readHead(core, parts);
    const steps = planOf(head, fileType);
    const total = head.tensors.reduce((sum, { bytes }) => sum + bytes, 0);
    let done = 0;
    const progress = (bytes: number) => onProgress?.((done += bytes), total);
    const metadata = metadataOf(head.metadata, fileType);
    const writer = GgufWriter.create(to, { metadata, tensors: steps.map(namedTensor) }, splitNames(from));
    try {
      const rewriting: Rewriting = { kernels: kernelsOf(core), parts, writer, pace, progress };
      let scales: Float32Array = new Float32Array(0);
      for (const step of steps) scales = await copyStep(rewriting, step, scales);
      await requireReadable(writer.seal(), steps.length, given);
      writer.finish();
    } finally {
      writer.discard();
    }
    return { type: fileType, ...summaryOf(steps), bytes: writer.size };
  } finally {
    for (const part of parts) part.close();
  }
}

/** The file that is read is not written, nor is one by whose name limpet would look for others. */
function requireOthers(input: string | URL, out: string): void {
  requireOnePiece(out);
  if (splitNames(input).some((name) => isSameFile(name, out))) {
    throw new LimpetError("BAD_ARGUMENT", `${out} is the file that is read: choose another name for the output`);
  }
}

/** A tensor by the bytes of its name, where they are no text. */
function namedTensor(step: Step): GgufTensor {
  const nameBytes = step.kind === "tensor" ? (step.source as NamedTensor).nameBytes : undefined;
  return nameBytes ? { ...step.tensor, nameBytes } : step.tensor;
}

/** What was written is read before it is called done. */
async function requireReadable(path: string, tensors: number, options: QuantizeOptions): Promise<void> {
  const { build, wasm, signal } = options;
  const core = await Core.create({ build, wasm, signal });
  const parts = await openSource(path);
  try {
    const gguf = await parseHead(core, parts);
    if (core.exports.gguf_tensor_count(gguf) === tensors) return;
  } finally {
    for (const part of parts) part.close();
  }
  throw new LimpetError("HOST", `${path}: what was written is not what is there; is the disk sound?`);
}

/** The keys as they are, but for those of the type and of a file in parts. */
function metadataOf(metadata: readonly GgufEntry[], type: FileType): GgufEntry[] {
  const own: GgufEntry[] = [
    ["general.quantization_version", "u32", 2],
    ["general.file_type", "u32", mixOf(type).id],
  ];
  const kept = metadata.filter(([key]) => !key.startsWith("split."));
  const keys = kept.map(([key]) => key);
  const changed = kept.map((entry) => own.find(([key]) => key === entry[0]) ?? entry);
  return [...changed, ...own.filter(([key]) => !keys.includes(key))];
}

function summaryOf(steps: readonly Step[]): Omit<QuantizeResult, "type" | "bytes"> {
  const types: Record<string, number> = {};
  for (const { tensor } of steps) types[tensor.type] = (types[tensor.type] ?? 0) + 1;
  const requantized = steps.filter((step) => {
    if (step.kind === "tensor") return isBlock(step.source.type) && step.source.type !== step.tensor.type;
    return step.kind === "table" && step.from !== null;
  });
  const fallbacks = steps.filter((step) => step.kind === "tensor" && step.fallback);
  return { tensors: steps.length, types, requantized: requantized.length, fallbacks: fallbacks.length };
}

function isBlock(type: string): boolean {
  return tensorLayout(type as TypeName).elements > 1;
}
