/**
 * Which type each matrix of a model gets. Most are of one type, but an error in some weighs more than in others: the
 * output (or the embedding that is one), values of attention, the FFN's way down. The mixes are those of llama.cpp, so
 * that a file of a name is what its users know by the name:
 *
 *     mix             most     output   attn_v, attn_kv_b                ffn_down                        attn_output
 *     Q2_K            Q2_K     Q6_K     Q3_K; Q4_K from 4 heads a key    Q3_K                            Q3_K
 *     Q3_K_S          Q3_K     Q6_K
 *     Q3_K_M          Q3_K     Q6_K     Q4_K; Q5_K in layers 0, 1        Q4_K; Q5_K in the first 1/16    Q4_K
 *     Q3_K_L          Q3_K     Q6_K     Q5_K                             Q5_K                            Q5_K
 *     Q4_K_S          Q4_K     Q6_K     Q5_K in layers 0 … 3             Q5_K in the first 1/8
 *     Q4_K_M          Q4_K     Q6_K     Q6_K in half of the layers       Q6_K in half of the layers
 *     Q5_K_S          Q5_K     Q6_K
 *     Q5_K_M          Q5_K     Q6_K     Q6_K in half of the layers       Q6_K in half of the layers
 *     IQ4_NL, IQ4_XS  itself   Q6_K     Q5_K from 4 heads a key          Q5_K in the first 1/8
 *     TQ1_0, TQ2_0    itself   Q6_K     (an embedding beside an output: Q4_K)
 *     Q2_0            itself   Q6_K     (an embedding beside an output: Q4_K)
 *     Q8_0, MXFP4     itself   Q8_0
 *     others          itself   Q6_K; floats: itself
 *
 * NVFP4 is for reading: its scales have four bits of exponent, and its files keep a scale a matrix beside them, which
 * training or a converter finds. IQ1_S to IQ3_S are for reading too: which word of a codebook stands for eight weights is a
 * search with weights of importance, which come from running the model on texts.
 *
 * Half of the layers: the first and the last eighth, and every third between. What is said of attn_v is of attn_qkv too, of
 * ffn_down that of experts too. With eight experts attn_v and attn_k are small beside the rest: Q8_0, and attn_output is
 * Q5_K in mixes of less. Rows that are no whole blocks of a type get one of smaller blocks (`fittingType`). Vectors, norms
 * and routers stay as they are.
 */
import { printable } from "../host/arguments.ts";
import { type CodebookType, isCodebookType, refusalOfCodebook, type TypeName, tensorLayout } from "../host/types.ts";

/** A type of a file: a block format, or a mix of them. */
export type FileType =
  | Exclude<TypeName, "Q3_K" | "Q4_K" | "Q5_K" | "NVFP4" | CodebookType>
  | "Q3_K_S"
  | "Q3_K_M"
  | "Q3_K_L"
  | "Q4_K_S"
  | "Q4_K_M"
  | "Q5_K_S"
  | "Q5_K_M";

interface Mix {
  /** Of most matrices. */
  readonly type: TypeName;
  /** `general.file_type` */
  readonly id: number;
}

const MIXED = {
  Q3_K_S: { type: "Q3_K", id: 11 },
  Q3_K_M: { type: "Q3_K", id: 12 },
  Q3_K_L: { type: "Q3_K", id: 13 },
  Q4_K_S: { type: "Q4_K", id: 14 },
  Q4_K_M: { type: "Q4_K", id: 15 },
  Q5_K_S: { type: "Q5_K", id: 16 },
  Q5_K_M: { type: "Q5_K", id: 17 },
} as const;

/** llama.cpp's number for a file whose matrices are all of one type. */
const UNIFORM: Readonly<Record<Exclude<TypeName, "NVFP4" | CodebookType>, number>> = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q8_0: 7,
  Q5_0: 8,
  Q5_1: 9,
  Q2_K: 10,
  Q3_K: 11,
  Q4_K: 15,
  Q5_K: 17,
  Q6_K: 18,
  IQ4_NL: 25,
  IQ4_XS: 30,
  BF16: 32,
  TQ1_0: 36,
  TQ2_0: 37,
  MXFP4: 38,
  Q1_0: 40,
  Q2_0: 41,
};

/** As with llama.cpp, a bare name means the mix of medium size. */
const ALIASES: Record<string, FileType> = { Q3_K: "Q3_K_M", Q4_K: "Q4_K_M", Q5_K: "Q5_K_M" };

/** What can be asked for. */
export const FILE_TYPES: readonly string[] = [...Object.keys(UNIFORM), ...Object.keys(MIXED)].sort();

/** The type of a file by its name, in letters of any size; undefined for none. */
export function fileTypeOf(name: unknown): FileType | undefined {
  const upper = typeof name === "string" ? name.toUpperCase() : "";
  return FILE_TYPES.includes(upper) ? (ALIASES[upper] ?? (upper as FileType)) : undefined;
}

/** Why there is no such type of a file. */
export function refusalOf(name: unknown): string {
  const upper = typeof name === "string" ? name.toUpperCase() : "";
  if (isCodebookType(upper)) return refusalOfCodebook(upper);
  return `no type ${printable(name)}: there are ${FILE_TYPES.join(", ")}`;
}

export function mixOf(name: FileType): Mix {
  if (name in MIXED) return MIXED[name as keyof typeof MIXED];
  const type = name as keyof typeof UNIFORM;
  return { type, id: UNIFORM[type] };
}

/** What of a model decides. */
export interface MixedModel {
  /** The embedding is the output too. */
  readonly tied: boolean;
  /** Query heads that share a key. */
  readonly headsPerKey: number;
  readonly layers: number;
  readonly experts: number;
}

/** The type of a matrix. */
export function typeInMix(mix: FileType, name: string, columns: number, model: MixedModel): TypeName {
  return fittingType(wantedType(mix, name, model), columns);
}

function wantedType(mix: FileType, name: string, model: MixedModel): TypeName {
  const { type } = mixOf(mix);
  if (tensorLayout(type).elements === 1) return type;
  if (name === "output.weight" || (model.tied && name === "token_embd.weight")) {
    return mix === "Q8_0" || mix === "MXFP4" ? "Q8_0" : "Q6_K";
  }
  const ternary = mix === "TQ1_0" || mix === "TQ2_0" || mix === "Q2_0";
  if (name === "token_embd.weight") return ternary ? "Q4_K" : type;
  const [, number, role] = name.match(/^blk\.(\d+)\.(\w+)\.weight$/) ?? [];
  const layer = Number(number);
  const small = model.experts === SMALL_ATTENTION;
  if (/^attn_(v|qkv|kv_b)$/.test(role)) return small ? "Q8_0" : (typeOfValues(mix, layer, model) ?? type);
  if (role === "attn_k") return small ? "Q8_0" : type;
  if (/^ffn_down/.test(role)) return typeOfDown(mix, layer, model.layers) ?? type;
  if (role !== "attn_output") return type;
  return (small ? SMALL_OUTPUTS.includes(mix) && "Q5_K" : OUTPUTS[mix]) || type;
}

const OUTPUTS: { readonly [mix in FileType]?: TypeName } = { Q2_K: "Q3_K", Q3_K_M: "Q4_K", Q3_K_L: "Q5_K" };

/** So many experts make the matrices of attention a small part of a model: Mixtral's. */
const SMALL_ATTENTION = 8;
const SMALL_OUTPUTS: readonly FileType[] = ["Q2_K", "Q3_K_S", "Q3_K_M", "Q4_K_S", "Q4_K_M", "IQ4_NL", "IQ4_XS"];

function typeOfValues(mix: FileType, layer: number, { headsPerKey, layers }: MixedModel): TypeName | undefined {
  switch (mix) {
    case "Q2_K":
      return headsPerKey >= 4 ? "Q4_K" : "Q3_K";
    case "Q3_K_M":
      return layer < 2 ? "Q5_K" : "Q4_K";
    case "Q3_K_L":
      return "Q5_K";
    case "Q4_K_S":
      return layer < 4 ? "Q5_K" : undefined;
    case "Q4_K_M":
    case "Q5_K_M":
      return isWeighty(layer, layers) ? "Q6_K" : undefined;
    case "IQ4_NL":
    case "IQ4_XS":
      return headsPerKey >= 4 ? "Q5_K" : undefined;
    default:
      return undefined;
  }
}

function typeOfDown(mix: FileType, layer: number, layers: number): TypeName | undefined {
  switch (mix) {
    case "Q2_K":
      return "Q3_K";
    case "Q3_K_M":
      return layer < part(layers, 16) ? "Q5_K" : "Q4_K";
    case "Q3_K_L":
      return "Q5_K";
    case "Q4_K_M":
    case "Q5_K_M":
      return isWeighty(layer, layers) ? "Q6_K" : undefined;
    case "Q4_K_S":
    case "IQ4_NL":
    case "IQ4_XS":
      return layer < part(layers, 8) ? "Q5_K" : undefined;
    default:
      return undefined;
  }
}

/** The layers that get more bits: the first and the last eighth, and every third between. */
function isWeighty(layer: number, layers: number): boolean {
  const eighth = part(layers, 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
}

function part(layers: number, share: number): number {
  return Math.floor(layers / share);
}

const SMALLER: { readonly [type in TypeName]?: TypeName } = {
  Q4_K: "Q5_0",
  Q5_K: "Q5_1",
  Q6_K: "Q8_0",
  Q2_K: "IQ4_NL",
  Q3_K: "IQ4_NL",
  IQ4_XS: "IQ4_NL",
  TQ1_0: "Q4_0",
  TQ2_0: "Q4_0",
  Q1_0: "Q4_0",
  Q2_0: "Q4_0",
};

/**
 * The type of a matrix whose rows may be no whole blocks of the one asked for: llama.cpp's rule (its newest takes Q4_0 for
 * Q2_K and Q3_K, of the size of IQ4_NL, and errs more).
 */
function fittingType(type: TypeName, columns: number): TypeName {
  const fits = (candidate: TypeName) => columns % tensorLayout(candidate).elements === 0;
  const other = SMALLER[type] ?? type;
  return fits(type) ? type : fits(other) ? other : "F16";
}
