/**
 * A checkpoint in Hugging Face's layout (config.json, safetensors, tokenizer files) → a GGUF file, as llama.cpp's
 * converter would write it. For Node and Deno. Rows are read, converted and written a piece at a time, so a model need
 * not fit into memory; the file appears when it is whole.
 *
 *     await convert("SmolLM2-135M", "smollm2.gguf", { type: "Q8_0", onProgress, signal });
 */
import { bytesOf, decodeText } from "../../bindings/memory.ts";
import { isNode } from "../../bindings/node.ts";
import { kernelsOf } from "../api/kernels.ts";
import { callback, type OptionTable, path, readOptions, signal, text } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { CORE_OPTIONS, Core, namedBuild } from "../host/instance.ts";
import { Pace } from "../host/pace.ts";
import { type TypeName, tensorLayout } from "../host/types.ts";
import type { Build, WasmOption } from "../host/wasm.ts";
import type { GgufEntry } from "../load/gguf-entries.ts";
import { loadModel } from "../load/load.ts";
import { requireOnePiece } from "../load/source.ts";
import { type FileType, fileTypeOf, type MixedModel, mixOf, refusalOf, typeInMix } from "../quantize/mixes.ts";
import { type TableForm, tableRowBytes } from "../quantize/table-rows.ts";
import { type GgufTensor, GgufWriter } from "../store/gguf-writer.ts";
import { convertAdapter } from "./adapter.ts";
import { planOf } from "./architectures.ts";
import { Config, Folder } from "./folder.ts";
import { blockBytes, blockSources, copyBlocks } from "./mxfp4.ts";
import { type Plan, type PlannedTensor, sourceShapeOf, valuesOf } from "./plan.ts";
import { withRanking } from "./reranker.ts";
import { Checkpoint, requireShape, type SourceTensor, valueBytes } from "./safetensors.ts";
import { samplingEntries } from "./sampling.ts";
import { withTexts } from "./sentence-transformers.ts";
import { tokenizerEntries } from "./tokenizer.ts";
import { type Conversion, copyTable, copyTensor } from "./values.ts";

/** How a checkpoint is converted. */
export interface ConvertOptions {
  /** Type of the matrices, a block format or one of llama.cpp's mixes; vectors stay F32. Default: F16. */
  type?: string;
  /**
   * The GGUF file of a model: the folder is that of an adapter for it, as PEFT saves a LoRA, and becomes one for
   * `model.adapter`, in F32 (the default) or F16.
   */
  base?: string;
  /** `general.name`. Default: the folder's. */
  name?: string;
  /** Which build quantises: the file's bytes are the same in `portable` and `scalar`. Default: portable. */
  build?: Build;
  /** Where the wasm comes from. Default: the file of the build beside limpet's scripts. */
  wasm?: WasmOption;
  /** Ends the conversion: the file is removed and the signal's reason is thrown. */
  signal?: AbortSignal;
  /** Bytes of the checkpoint that were read, and of all. */
  onProgress?: (done: number, total: number) => void;
}

const OPTIONS: OptionTable<ConvertOptions> = {
  type: text,
  base: path,
  name: text,
  build: namedBuild,
  wasm: CORE_OPTIONS.wasm,
  signal,
  onProgress: callback,
};

/** What was written. */
export interface ConvertResult {
  /** `general.architecture` of the file. */
  readonly architecture: string;
  /** The file holds so many tensors. */
  readonly tensors: number;
  /** The tensors hold so many values, scales of tables not counted. */
  readonly parameters: number;
  /** Bytes of the file. */
  readonly bytes: number;
  /** Tensors of the checkpoint that the file does without: those of a part that sees, where the file is of text. */
  readonly leftOut: readonly string[];
}

/** A tensor of the file, and how its data comes about. */
interface Step {
  readonly tensor: GgufTensor;
  readonly planned: PlannedTensor;
  /** None: the tensor is made here. */
  readonly sources: readonly SourceTensor[];
  /** A table in bytes: its scales are the next step. */
  readonly form?: TableForm;
}

/**
 * Writes the checkpoint in `folder` (config.json, safetensors, tokenizer) as the GGUF file `out`. Errors: HOST without
 * files, BAD_FILE for a broken checkpoint, UNSUPPORTED for an architecture that limpet does not convert.
 */
export async function convert(folder: string, out: string, options: ConvertOptions = {}): Promise<ConvertResult> {
  const given = readOptions(options, OPTIONS);
  const { base, name, build, wasm, signal, onProgress } = given;
  const { type = base === undefined ? "F16" : "F32" } = given;
  const place = new Folder(path("folder", folder));
  const to = path("out", out);
  if (base !== undefined) {
    if (type !== "F32" && type !== "F16") {
      throw new LimpetError("BAD_ARGUMENT", `an adapter is of type F32 or F16, not ${type}`);
    }
    if (!isNode()) throw new LimpetError("HOST", "an adapter is converted in Node or Deno, where files can be written");
    requireOnePiece(to);
    return convertAdapter(place, to, { base, type, name, build, wasm, signal, onProgress });
  }
  const mix = fileTypeOf(type);
  if (!mix) throw new LimpetError("BAD_ARGUMENT", refusalOf(type));
  if (!isNode()) throw new LimpetError("HOST", "a checkpoint is converted in Node or Deno, where files can be written");
  requireOnePiece(to);
  const pace = new Pace(signal);
  const config = Config.of(place);
  const checkpoint = Checkpoint.open(place);
  try {
    const plan = withRanking(withTexts(planOf(config, checkpoint), place, checkpoint), place, checkpoint);
    const { steps, leftOut } = stepsOf(plan, checkpoint, mix);
    const metadata = [
      ...generalEntries(plan, steps, name ?? place.name, licenseEntries(place), mix),
      ...samplingEntries(place),
      ...tokenizerEntries(place, config, plan.architecture, plan.vocabulary),
    ];
    const total = steps.reduce((sum, step) => sum + bytesRead(step), 0);
    let done = 0;
    const progress = (bytes: number) => onProgress?.((done += bytes), total);
    const kernels = kernelsOf(await Core.create({ build, wasm, signal }));
    const tensors = steps.map(({ tensor }) => tensor);
    const writer = GgufWriter.create(to, { metadata, tensors }, place.filesRead);
    try {
      await writeAll({ kernels, writer, pace, progress }, steps);
      // What limpet would not load is not called done.
      await requireSound(writer.seal(), given);
      writer.finish();
    } finally {
      writer.discard();
    }
    const { architecture } = plan;
    return { architecture, tensors: steps.length, parameters: parametersOf(steps), bytes: writer.size, leftOut };
  } finally {
    checkpoint.close();
  }
}

/** The header of what was written, read as a model's. What limpet does not do yet, others may. */
async function requireSound(written: string, { build, wasm, signal }: ConvertOptions): Promise<void> {
  try {
    await loadModel(await Core.create({ build, wasm, signal }), written, { signal }, true);
  } catch (error) {
    if (!(error instanceof LimpetError) || error.code !== "UNSUPPORTED") throw error;
  }
}

async function writeAll(to: Conversion, steps: readonly Step[]): Promise<void> {
  let scales: Float32Array = new Float32Array(0);
  for (const { tensor, planned, sources, form } of steps) {
    if (planned.kind === "mxfp4") await copyBlocks(to, planned, sources);
    else if (sources.length && form) scales = await copyTable(to, planned, sources, form);
    else if (sources.length) await copyTensor(to, planned, sources, tensor.type as TypeName);
    else to.writer.write(bytesOf(planned.values ?? scales));
  }
}

/** The tensors that are there, each checked against its plan; what is left over is one that limpet does not know. */
function stepsOf(plan: Plan, checkpoint: Checkpoint, mix: FileType): { steps: Step[]; leftOut: string[] } {
  const model = mixedModel(plan, checkpoint);
  const left = new Set([...checkpoint.tensors.keys()].filter((name) => !IGNORED.test(name)));
  for (const name of plan.asKeys ?? []) left.delete(name);
  const steps: Step[] = [];
  for (const planned of plan.tensors) {
    const { name, shape, kind } = planned;
    if (planned.values) {
      steps.push({ tensor: { name, type: "F32", shape }, planned, sources: [] });
      continue;
    }
    if (planned.optional && !checkpoint.tensors.has(planned.sources[0])) continue;
    const sources = kind === "mxfp4" ? blockSources(planned, checkpoint) : sourcesOf(planned, checkpoint);
    for (const source of sources) left.delete(source.name);
    if (kind === "mxfp4") steps.push({ tensor: { name, type: "MXFP4", shape }, planned, sources });
    else if (kind === "table") steps.push(...tableSteps(planned, sources, mixOf(mix).type));
    else {
      const stored = kind === "floats" ? "F32" : typeInMix(mix, name, shape[0], model);
      steps.push({ tensor: { name, type: stored, shape }, planned, sources });
    }
  }
  const leftOut = [...left].filter((name) => plan.without?.test(name));
  for (const name of leftOut) left.delete(name);
  // The head of a model whose head is its embedding.
  const head = [...left].find((name) => HEAD.test(name));
  if (head !== undefined) {
    requireTied(plan, checkpoint, head);
    left.delete(head);
  }
  const [unknown] = left;
  if (unknown === undefined) return { steps, leftOut };
  throw new LimpetError("UNSUPPORTED", `${unknown}: limpet knows no such tensor in ${plan.architecture}`);
}

const HEAD = /(^|\.)lm_head\.weight$/;

/** What a tensor is made of. */
function sourcesOf(planned: PlannedTensor, { tensors }: Checkpoint): SourceTensor[] {
  const shape = sourceShapeOf(planned);
  return planned.sources.map((name, i) => {
    const source = tensors.get(name);
    if (!source) throw new LimpetError("BAD_FILE", `the checkpoint has no ${name}, which config.json promises`);
    valueBytes(source);
    requireShape(source, shape);
    const first = tensors.get(planned.sources[0])!;
    if (i === 0 || source.type === first.type) return source;
    const words = `${name} is of type ${source.type}, and ${first.name} of ${first.type}: they become one tensor`;
    throw new LimpetError("UNSUPPORTED", words);
  });
}

function bytesRead({ planned, sources }: Step): number {
  if (planned.kind === "mxfp4") return blockBytes(planned);
  return sources.length ? valuesOf(planned) * valueBytes(sources[0]) : 0;
}

/** A head that is left out is the embedding, byte for byte. */
function requireTied({ tensors }: Plan, { tensors: sources }: Checkpoint, name: string): void {
  const head = sources.get(name)!;
  const embedding = sources.get(tensors.find((planned) => planned.name === "token_embd.weight")!.sources[0])!;
  const wrong = () =>
    new LimpetError("BAD_FILE", `${name} is not the embedding, and config.json says so: tie_word_embeddings`);
  if (head.bytes !== embedding.bytes || head.type !== embedding.type) throw wrong();
  const [a, b] = [new Uint8Array(Math.min(COMPARED, head.bytes)), new Uint8Array(Math.min(COMPARED, head.bytes))];
  for (let at = 0; at < head.bytes; at += COMPARED) {
    const length = Math.min(COMPARED, head.bytes - at);
    head.read(at, a.subarray(0, length));
    embedding.read(at, b.subarray(0, length));
    for (let i = 0; i < length; i++) if (a[i] !== b[i]) throw wrong();
  }
}

/** Bytes that are compared at a time. */
const COMPARED = 1 << 20;

/** What of a model decides which of its matrices get more bits. */
function mixedModel({ architecture, metadata, ownMetadata, tensors }: Plan, checkpoint: Checkpoint): MixedModel {
  const keys = new Map([...metadata, ...ownMetadata].map(([key, , value]) => [key, value]));
  const number = (key: string) => Number(keys.get(`${architecture}.${key}`) ?? Number.NaN);
  const heads = number("attention.head_count");
  return {
    tied: !tensors.some(({ name, sources: [head] }) => name === "output.weight" && checkpoint.tensors.has(head)),
    headsPerKey: heads / (number("attention.head_count_kv") || heads),
    layers: number("block_count"),
    experts: number("expert_count") || 0,
  };
}

/** Tables of angles and masks that old checkpoints carry. */
const IGNORED = /(rotary_emb\.inv_freq|attention\.(masked_)?bias|attn\.(masked_)?bias)$/;

/** Tables are floats, or rows of bytes with a scale each: 4 bits where matrices have less than 5, else 8. */
function tableSteps(planned: PlannedTensor, sources: readonly SourceTensor[], type: TypeName): Step[] {
  const { name, shape } = planned;
  const [columns, rows] = shape;
  const { elements, bytes } = tensorLayout(type);
  if (elements === 1) {
    return [{ tensor: { name, type: type === "F32" ? "F32" : "F16", shape }, planned, sources }];
  }
  const form = bytes / elements < 5 / 8 && columns % 2 === 0 ? "Q4" : "Q8";
  const scale = { name: name.replace(/table$/, "scale"), type: "F32", shape: [rows] } as const;
  return [
    { tensor: { name, type: "I8", shape: [tableRowBytes(form, columns), rows] }, planned, sources, form },
    { tensor: scale, planned, sources: [] },
  ];
}

/** A model's card begins with what is read of it. */
const CARD_BYTES = 1 << 16;

/** The licence that the model's card names in its head. */
function licenseEntries(place: Folder): GgufEntry[] {
  if (!place.has("README.md")) return [];
  const head = decodeText(place.head("README.md", CARD_BYTES)).match(/^---\r?\n(.*?)\n---\r?\n/s)?.[1] ?? "";
  const word = (key: string) => head.match(new RegExp(`^${key}: *["']?([^"'\\s]+)`, "m"))?.[1];
  return [
    ["general.license", word("license")],
    ["general.license.name", word("license_name")],
    ["general.license.link", word("license_link")],
  ].flatMap(([key, value]): GgufEntry[] => (key && value ? [[key, "string", value]] : []));
}

function generalEntries(
  plan: Plan,
  steps: readonly Step[],
  name: string,
  license: readonly GgufEntry[],
  mix: FileType,
): GgufEntry[] {
  return [
    ["general.architecture", "string", plan.architecture],
    ["general.type", "string", "model"],
    ["general.name", "string", name],
    ["general.size_label", "string", sizeLabel(parametersOf(steps))],
    ...license,
    ...plan.metadata,
    ["general.file_type", "u32", mixOf(mix).id],
    ...plan.ownMetadata,
    ["general.quantization_version", "u32", 2],
  ];
}

function parametersOf(steps: readonly Step[]): number {
  return steps.reduce((sum, { planned, sources }) => sum + (sources.length ? valuesOf(planned) : 0), 0);
}

/** Parameters to two digits at least: 5.6M, 135M, 1.8B. */
function sizeLabel(parameters: number): string {
  const [unit, suffix] = parameters >= 1e9 ? [1e9, "B"] : parameters >= 1e6 ? [1e6, "M"] : [1e3, "K"];
  const scaled = parameters / (unit as number);
  return `${scaled.toFixed(Math.round(scaled) < 10 ? 1 : 0)}${suffix}`;
}
