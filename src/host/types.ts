/** The block formats by name and by the number that GGUF gives them. */

/** Types that limpet computes with. */
export const TYPES = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q2_K: 10,
  Q3_K: 11,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  IQ4_NL: 20,
  IQ4_XS: 23,
  BF16: 30,
  TQ1_0: 34,
  TQ2_0: 35,
  MXFP4: 39,
} as const;

export type TypeName = keyof typeof TYPES;

/** Others that a file may hold, so that they can be named. */
const FOREIGN: Record<number, string> = {
  9: "Q8_1",
  15: "Q8_K",
  16: "IQ2_XXS",
  17: "IQ2_XS",
  18: "IQ3_XXS",
  19: "IQ1_S",
  21: "IQ3_S",
  22: "IQ2_S",
  24: "I8",
  25: "I16",
  26: "I32",
  27: "I64",
  28: "F64",
  29: "IQ1_M",
};

/** Types that a written file may hold: those, and bytes without scales (a MemoryFormer's tables). */
export type TensorType = TypeName | "I8";

/** Number in a file, values and bytes of a block, and llama.cpp's number for a file that is mostly of the type. */
export interface TensorLayout {
  readonly id: number;
  readonly elements: number;
  readonly bytes: number;
  readonly fileType: number;
}

const BLOCKS: Readonly<Record<TensorType, readonly [elements: number, bytes: number, fileType: number]>> = {
  F32: [1, 4, 0],
  F16: [1, 2, 1],
  BF16: [1, 2, 32],
  I8: [1, 1, 0],
  Q4_0: [32, 18, 2],
  Q4_1: [32, 20, 3],
  Q5_0: [32, 22, 8],
  Q5_1: [32, 24, 9],
  Q8_0: [32, 34, 7],
  Q2_K: [256, 84, 10],
  Q3_K: [256, 110, 12],
  Q4_K: [256, 144, 15],
  Q5_K: [256, 176, 17],
  Q6_K: [256, 210, 18],
  IQ4_NL: [32, 18, 25],
  IQ4_XS: [256, 136, 30],
  TQ1_0: [256, 54, 36],
  TQ2_0: [256, 66, 37],
  MXFP4: [32, 17, 38],
};

export function tensorLayout(type: TensorType): TensorLayout {
  const [elements, bytes, fileType] = BLOCKS[type];
  return { id: type === "I8" ? 24 : TYPES[type], elements, bytes, fileType };
}

/** Bytes of a tensor's data; its rows (the first size) divide into whole blocks. */
export function tensorBytes(type: TensorType, shape: readonly number[]): number {
  const { elements, bytes } = tensorLayout(type);
  return (shape.reduce((product, n) => product * n, 1) / elements) * bytes;
}

const NAMES: Record<number, string> = {
  ...FOREIGN,
  ...Object.fromEntries(Object.entries(TYPES).map(([name, id]) => [id, name])),
};

export function typeName(id: number): string {
  return NAMES[id] ?? `type ${id}`;
}
