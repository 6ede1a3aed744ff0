/**
 * What a quantised file holds, before any weight is read: each tensor of the input with the type that it gets. The tables
 * of a MemoryFormer (docs/formats.md) are floats, or rows of bytes with a tensor of scales behind them.
 */
import { LimpetError } from "../host/errors.ts";
import { TYPES, type TypeName, tensorLayout } from "../host/types.ts";
import type { GgufEntry } from "../load/gguf-entries.ts";
import type { TensorInfo } from "../load/info.ts";
import type { GgufTensor } from "../store/gguf-writer.ts";
import { type FileType, type MixedModel, mixOf, typeInMix } from "./mixes.ts";
import { type TableForm, tableRowBytes } from "./table-rows.ts";

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
  const keys = new Map(head.metadata.map(([key, , value]) => [key, value]));
  const number = (key: string) => Number(keys.get(`${keys.get("general.architecture")}.${key}`) ?? Number.NaN);
  const model = modelOf(head, number);
  const tensors = new Map(head.tensors.map((tensor) => [tensor.name, tensor]));
  return head.tensors.flatMap((source) => {
    if (source.name.endsWith(".table")) return tableSteps(source, tensors, mix, tableColumns(source.name, number));
    // Scales of a table come with it.
    if (source.name.endsWith(".scale") && tensors.has(source.name.replace(/scale$/, "table"))) return [];
    return matrixStep(source, mix, model);
  });
}

/** A number of the metadata behind the architecture's name; NaN where there is none. */
type Numbers = (key: string) => number;

function modelOf({ tensors }: Head, number: Numbers): MixedModel {
  return {
    tied: !tensors.some(({ name }) => name === "output.weight"),
    headsPerKey: number("attention.head_count") / number("attention.head_count_kv") || 1,
    layers: number("block_count"),
    experts: number("expert_count") || 0,
  };
}

/** Values of a table's row, by the keys; NaN where they do not say. */
function tableColumns(name: string, number: Numbers): number {
  const width = number("embedding_length");
  if (name.endsWith("ffn_up.table")) {
    const bits = number("memory.ffn_code_length") || number("memory.code_length") + 2;
    return number("memory.table_count") * bits;
  }
  const heads = number("attention.head_count");
  const keyHeads = number("attention.head_count_kv") || heads;
  if (name.endsWith("attn_k.table")) return keyHeads * (number("attention.key_length") || width / heads);
  if (name.endsWith("attn_v.table")) return keyHeads * (number("attention.value_length") || width / heads);
  return width;
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

/** Vectors stay, and so do the weights of norms, and the routers that experts are chosen by. */
function isMatrix({ name, shape }: TensorInfo): boolean {
  return shape.slice(1).some((size) => size > 1) && name.endsWith(".weight") && !/(_norm|_gate_inp)\./.test(name);
}

/** Four bits where matrices have less than five, else eight; floats stay floats. */
function tableSteps(
  source: TensorInfo,
  tensors: ReadonlyMap<string, TensorInfo>,
  mix: FileType,
  expected: number,
): Step[] {
  const { name } = source;
  const [width, rows] = source.shape;
  const bytes = source.type === "I8";
  if (!bytes) requireReadable(source);
  const scaleName = name.replace(/table$/, "scale");
  const scales = bytes ? tensors.get(scaleName) : undefined;
  const columns = bytes ? tensors.get(name.replace(/table$/, "bias"))?.shape[0] || expected || width : width;
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
  { name, shape: [width, rows = 1] }: TensorInfo,
  scales: TensorInfo | undefined,
  wanted: number,
): void {
  if (scales?.type === "F32" && scales.shape[0] === rows && width === wanted) return;
  const words = `${rows} rows of ${width} bytes want as many scales in F32, and outputs of ${width} or ${2 * width}`;
  throw new LimpetError("BAD_FILE", `${name}: ${words}`);
}

function requireReadable({ name, type }: TensorInfo): void {
  if (Object.hasOwn(TYPES, type)) return;
  throw new LimpetError(
    "UNSUPPORTED",
    `${name} is of type ${type}, which limpet does not run: begin with a file of F16 or F32`,
  );
}
