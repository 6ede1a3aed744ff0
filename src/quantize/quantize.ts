/**
 * A GGUF file → the same model with its matrices in other block formats. Rows are read, converted and written a piece at a
 * time, so a model need not fit into memory. In Node and Deno a file appears when it is whole; in a page, and anywhere, a
 * stream gives its bytes as they are asked for.
 *
 *     await quantizeFile("model-f16.gguf", "model-q4.gguf", "Q4_K_M", { onProgress, signal });
 *     await quantizeStream(file, "Q4_K_M").pipeTo(await handle.createWritable());
 */
import { isNode, isSameFile } from "../../bindings/node.ts";
import { kernelsOf } from "../api/kernels.ts";
import { callback, type OptionTable, path, place, readOptions, signal } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { CORE_OPTIONS, Core, namedBuild } from "../host/instance.ts";
import { Pace } from "../host/pace.ts";
import { type TypeName, tensorLayout } from "../host/types.ts";
import { within } from "../host/wait.ts";
import type { Build, WasmOption } from "../host/wasm.ts";
import type { GgufEntry } from "../load/gguf-entries.ts";
import { type NamedTensor, parseHead, readHead } from "../load/gguf-head.ts";
import type { Part } from "../load/part.ts";
import { type ModelSource, openForRanges, openSource, requireOnePiece, splitNames } from "../load/source.ts";
import { type GgufHead, type GgufTensor, GgufWriter } from "../store/gguf-writer.ts";
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
  const fileType = typeOf(type);
  if (!isNode()) {
    const words =
      "a file is quantised in Node or Deno, where files can be written; elsewhere quantizeStream gives its bytes";
    throw new LimpetError("HOST", words);
  }
  requireOthers(from, to);
  const { build, wasm, signal } = given;
  const pace = new Pace(signal);
  const core = await Core.create({ build, wasm, signal });
  const parts = await openSource(from, signal);
  try {
    const create = (head: GgufHead): GgufWriter => GgufWriter.create(to, head, splitNames(from));
    const [writer, steps] = await rewrite(core, parts, fileType, create, pace, given);
    try {
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

/** Bytes of a stream that are made ahead of its reader. */
const AHEAD = 1 << 22;

/**
 * The bytes of `source` written anew, as they are read, in any host: `source` is a File or Blob, its bytes, a path, or a URL
 * whose server gives ranges; `type` as of `quantizeFile`. What goes wrong ends the stream with it.
 */
export function quantizeStream(
  source: ModelSource,
  type: string,
  options: QuantizeOptions = {},
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const given = readOptions(options, OPTIONS);
  const fileType = typeOf(type);
  const end = new AbortController();
  const signal = given.signal ? AbortSignal.any([given.signal, end.signal]) : end.signal;
  let wanted = (): void => {};
  const work = async (controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>): Promise<void> => {
    const own = new Pace(signal);
    // Nothing is made that nobody reads.
    const pace = {
      step: () => {
        if ((controller.desiredSize ?? 0) > 0) return own.step();
        const turn = new Promise<void>((resolve) => {
          wanted = resolve;
        });
        return within(turn, signal);
      },
    };
    const core = await Core.create({ build: given.build, wasm: given.wasm, signal });
    const parts = await openForRanges(source, signal);
    try {
      const take = (bytes: Uint8Array): void => controller.enqueue(bytes.slice());
      const into = (head: GgufHead): GgufWriter => GgufWriter.into(take, head);
      const [writer] = await rewrite(core, parts, fileType, into, pace, given);
      writer.finish();
      controller.close();
    } finally {
      for (const part of parts) part.close();
    }
  };
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      start(controller) {
        work(controller).catch((error) => {
          if (!end.signal.aborted) controller.error(error);
        });
      },
      pull: () => wanted(),
      cancel: () => end.abort(),
    },
    new ByteLengthQueuingStrategy({ highWaterMark: AHEAD }),
  );
}

/** Writes all tensors anew; gives the writer, whose file is not finished yet, and what was written. */
async function rewrite(
  core: Core,
  parts: Part[],
  type: FileType,
  begin: (head: GgufHead) => GgufWriter,
  pace: Rewriting["pace"],
  { onProgress }: QuantizeOptions,
): Promise<[writer: GgufWriter, steps: Step[]]> {
  const head = await readHead(core, parts);
  const steps = planOf(head, type);
  const total = head.tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  const progress = (bytes: number) => onProgress?.((done += bytes), total);
  const writer = begin({ metadata: metadataOf(head.metadata, type), tensors: steps.map(namedTensor) });
  try {
    const rewriting: Rewriting = { kernels: kernelsOf(core), parts, writer, pace, progress };
    let scales: Float32Array = new Float32Array(0);
    for (const step of steps) scales = await copyStep(rewriting, step, scales);
    return [writer, steps];
  } catch (error) {
    writer.discard();
    throw error;
  }
}

function typeOf(type: string): FileType {
  const known = fileTypeOf(type);
  if (known) return known;
  throw new LimpetError("BAD_ARGUMENT", refusalOf(type));
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
