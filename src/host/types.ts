/** The types of tensors: block formats by name and by number, and what else a file may hold. */
import { BLOCKS, BlockFormat, type BlockFormatName, RowType, TENSOR_TYPE_NAMES } from "../../bindings/numbers.ts";

/** Types that limpet computes with, by the numbers that GGUF gives them. */
export const TYPES: typeof BlockFormat = BlockFormat;

/** The name of a block format, as GGUF files and llama.cpp write it. */
export type TypeName = BlockFormatName;

/** A type whose weights are words of a codebook. */
export type CodebookType = "IQ1_S" | "IQ1_M" | "IQ2_XXS" | "IQ2_XS" | "IQ2_S" | "IQ3_XXS" | "IQ3_S";

/** Those are for reading: what to take instead. */
const INSTEAD_OF_CODEBOOK: Readonly<Record<CodebookType, string>> = {
  IQ1_S: "TQ1_0 for a ternary model, else Q2_K",
  IQ1_M: "TQ1_0 for a ternary model, else Q2_K",
  IQ2_XXS: "Q2_K",
  IQ2_XS: "Q2_K",
  IQ2_S: "Q2_K",
  IQ3_XXS: "Q3_K",
  IQ3_S: "Q3_K",
};

export function isCodebookType(type: string): type is CodebookType {
  return Object.hasOwn(INSTEAD_OF_CODEBOOK, type);
}

/** Why no values become blocks of such a type, and what to take instead. */
export function refusalOfCodebook(type: CodebookType): string {
  return `${type} is for reading: its codes need weights of importance; take ${INSTEAD_OF_CODEBOOK[type]}`;
}

/** Types that a written file may hold: those, and bytes without scales (a MemoryFormer's tables). */
export type TensorType = TypeName | "I8";

/** Number in a file, values and bytes of a block. */
export interface TensorLayout {
  readonly id: number;
  readonly elements: number;
  readonly bytes: number;
}

export function tensorLayout(type: TensorType): TensorLayout {
  if (type === "I8") return { id: RowType.Q8, elements: 1, bytes: 1 };
  return { id: TYPES[type], ...BLOCKS[type] };
}

/** Bytes of a tensor's data; its rows (the first size) divide into whole blocks. */
export function tensorBytes(type: TensorType, shape: readonly number[]): number {
  const { elements, bytes } = tensorLayout(type);
  return (shape.reduce((product, n) => product * n, 1) / elements) * bytes;
}

export function typeName(id: number): string {
  return TENSOR_TYPE_NAMES[id] ?? `type ${id}`;
}
