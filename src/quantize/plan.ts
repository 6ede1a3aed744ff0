/**
 * What a quantised file holds, before any weight is read: each tensor of the input with the type that it gets. The tables
 * of a MemoryFormer (docs/formats.md) are floats, or rows of bytes with a tensor of scales behind them.
 */
import { LimpetError } from "../errors.ts";
import type { GgufEntry } from "../gguf/entries.ts";
import { type TableForm, tableRowBytes } from "../gguf/table-rows.ts";
import type { GgufTensor } from "../gguf/writer.ts";
import type { TensorInfo } from "../info.ts";
import { TYPES, type TypeName, tensorLayout } from "../types.ts";
import { type FileType, type MixedModel, mixOf, typeInMix } from "./mixes.ts";

/** A tensor of the file, and where its values come from. */
export type Step =
  /** Bytes as they are, or rows of one type made rows of another. */
  | { readonly kind: "tensor"; readonly tensor: GgufTensor; readonly source: TensorInfo; readonly fallback: boolean }
  | TableStep
  /** The scales of the table before. */
  | { readonly kind: "scales"; readonly tensor: GgufTensor };

/** A table whose form changes. */
export interface TableStep {
  readonly kind: "table";
  readonly tensor: GgufTensor;
  readonly source: TensorInfo;
  /** Those of a source in bytes. */
  readonly scales?: TensorInfo;
  /** Values of a row. */
  readonly columns: number;
  /** Null: floats. */
  readonly from: TableForm | null;
  readonly to: TableForm | null;
}

export interface Head {
  readonly metadata: readonly GgufEntry[];
  readonly tensors: readonly TensorInfo[];
}

export function planOf(head: Head, mix: FileType): Step[] {
  const model = modelOf(head);
  const tensors = new Map(head.tensors.map((tensor) => [tensor.name, tensor]));
  return head.tensors.flatMap((source) => {
    if (source.name.endsWith(".table")) return tableSteps(source, tensors, mix);
    // Scales of a table come with it.
    if (source.name.endsWith(".scale") && tensors.has(source.name.replace(/scale$/, "table"))) return [];
    return matrixStep(source, mix, model);
  });
}

function modelOf({ metadata, tensors }: Head): MixedModel {
  const keys = new Map(metadata.map(([key, , value]) => [key, value]));
  const architecture = keys.get("general.architecture");
  const heads = Number(keys.get(`${architecture}.attention.head_count`));
  const keyHeads = Number(keys.get(`${architecture}.attention.head_count_kv`) ?? heads);
  return {
    tied: !tensors.some(({ name }) => name === "output.weight"),
    headsPerKey: heads / keyHeads || 1,
    layers: tensors.filter(({ name }) => /^blk\.\d+\.ffn_down\.weight$/.test(name)).length,
  };
}

function matrixStep(source: TensorInfo, mix: FileType, model: MixedModel): Step {
  const { name, shape } = source;
  requireReadable(source);
  if (!isMatrix(source))
    return { kind: "tensor", tensor: { name, type: source.type as TypeName, shape }, source, fallback: false };
  const type = typeInMix(mix, name, shape[0], model);
  const fallback = shape[0] % tensorLayout(mixOf(mix).type).elements !== 0;
  return { kind: "tensor", tensor: { name, type, shape }, source, fallback };
}

/** Vectors stay, and so do the weights of norms. */
function isMatrix({ name, shape }: TensorInfo): boolean {
  return shape.slice(1).some((size) => size > 1) && name.endsWith(".weight") && !name.includes("_norm.");
}

/** Four bits where matrices have less than five, else eight; floats stay floats. */
function tableSteps(source: TensorInfo, tensors: ReadonlyMap<string, TensorInfo>, mix: FileType): Step[] {
  const { name } = source;
  const [width, rows] = source.shape;
  const bytes = source.type === "I8";
  if (!bytes) requireReadable(source);
  const scaleName = name.replace(/table$/, "scale");
  const scales = bytes ? tensors.get(scaleName) : undefined;
  const columns = bytes ? (tensors.get(name.replace(/table$/, "bias"))?.shape[0] ?? width) : width;
  const from = bytes ? (width === columns ? "Q8" : "Q4") : null;
  if (from) requireScales(source, scales, tableRowBytes(from, columns));
  const to = tableForm(mixOf(mix).type, columns);
  const scaleTensor: GgufTensor = { name: scaleName, type: "F32", shape: [rows] };
  if (from && from === to) {
    return [
      { kind: "tensor", tensor: { name, type: "I8", shape: source.shape }, source, fallback: false },
      { kind: "tensor", tensor: scaleTensor, source: scales!, fallback: false },
    ];
  }
  const type = to ? "I8" : mix === "F32" ? "F32" : "F16";
  const shape = [to ? tableRowBytes(to, columns) : columns, rows];
  const step: TableStep = { kind: "table", tensor: { name, type, shape }, source, scales, columns, from, to };
  return to ? [step, { kind: "scales", tensor: scaleTensor }] : [step];
}

function tableForm(type: TypeName, columns: number): TableForm | null {
  const { elements, bytes } = tensorLayout(type);
  if (elements === 1) return null;
  return bytes / elements < 5 / 8 && columns % 2 === 0 ? "Q4" : "Q8";
}

function requireScales(
  { name, shape: [width, rows] }: TensorInfo,
  scales: TensorInfo | undefined,
  wanted: number,
): void {
  if (scales?.type === "F32" && scales.shape[0] === rows && width === wanted) return;
  const words = `${rows} rows of ${width} bytes want as many scales in F32, and a bias of ${width} or ${2 * width}`;
  throw new LimpetError("BAD_FILE", `${name}: ${words}`);
}

function requireReadable({ name, type }: TensorInfo): void {
  if (Object.hasOwn(TYPES, type)) return;
  throw new LimpetError(
    "UNSUPPORTED",
    `${name} is ${type}, which limpet does not read: begin with a file of F16 or F32`,
  );
}
