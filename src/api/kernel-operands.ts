/**
 * What the kernels take: the operands of each, which kind every field has to be, and the checks of shapes where fields
 * meet. A wrong one is an error with the code BAD_ARGUMENT that names it.
 */
import { bytesOf } from "../../bindings/memory.ts";
import { MAX_CODE_BITS, RowType } from "../../bindings/numbers.ts";
import {
  bytes as bytesArgument,
  type Check,
  flag,
  floats,
  type OptionTable,
  oneOf,
  optional,
  printable,
  readOptions,
  real,
  unchecked,
  wholeNumbers,
} from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import type { TypeName } from "../host/types.ts";

/** A block format by its name or its number in GGUF. */
export type TypeId = TypeName | number;

/** A matrix as it lies in a GGUF file: row after row, `cols` values each. */
export interface QuantizedMatrix {
  /** The block format of the rows. */
  type: TypeId;
  /** The blocks, [rows] rows of whole blocks one after the other. */
  bytes: Uint8Array;
  /** The matrix has so many rows: outputs of a product. */
  rows: number;
  /** A row has so many values: a multiple of the format's block. */
  cols: number;
}

/** The sizes of a product [m, k] × [k, n]. */
export interface MatmulShape {
  /** The left matrix has so many rows. */
  m: number;
  /** The sums have so many terms: columns on the left, rows on the right. */
  k: number;
  /** The result has so many columns. */
  n: number;
}

/** How `rope` rotates the heads of tokens. */
export interface RopeOptions {
  /** A token has so many heads. */
  heads: number;
  /** Values of a head. */
  size: number;
  /** The position of each token. */
  positions: ArrayLike<number>;
  /** How many values of each head are rotated. Default: all. */
  rotated?: number;
  /** Default: 10000. */
  base?: number;
  /** Factors that divide the angles, one a pair. */
  factors?: Float32Array;
  /** Pairs are neighbours (0, 1), (2, 3) … unless `halves`: (0, size/2), (1, size/2 + 1) … Default: false. */
  halves?: boolean;
}

/** Operands of `attention`: grouped queries over rows of keys and values. */
export interface AttentionInput {
  /** [tokens, heads · size] */
  q: Float32Array;
  /** [count, kvHeads · size] */
  k: Float32Array;
  /** [count, kvHeads · valueSize] */
  v: Float32Array;
  /** There are so many query heads, a multiple of `kvHeads`. */
  heads: number;
  /** A query or key head has so many values. */
  size: number;
  /** Default: as many as `heads`. */
  kvHeads?: number;
  /** Default: `size`. */
  valueSize?: number;
  /** The position of each token: it sees the rows 0 to its own. */
  positions: ArrayLike<number>;
  /** Default: 1 / √size. */
  scale?: number;
}

/** Operands of `mla`, multi-head latent attention. */
export interface MlaInput {
  /** [tokens, heads · (nope + rope)], the rope parts rotated. */
  q: Float32Array;
  /** [count, rank] */
  latent: Float32Array;
  /** [count, rope], rotated. */
  ropeKeys: Float32Array;
  /** Shape [heads · (nope + value), rank]: of each head first the rows that make keys, then those that make values. */
  wkvB: Float32Array | QuantizedMatrix;
  /** There are so many heads. */
  heads: number;
  /** A head's query has so many values that are not rotated. */
  nope: number;
  /** A head's query has so many values that are rotated. */
  rope: number;
  /** A head's value has so many values. */
  value: number;
  /** A latent has so many values. */
  rank: number;
  /** The position of each token: it sees the rows 0 to its own. */
  positions: ArrayLike<number>;
  /** Default: absorbed. */
  form?: "absorbed" | "expanded";
}

/** Rows of a table: plain values, or whole numbers with a scale a row (docs/formats.md). */
export type TableType = "F32" | "F16" | "Q8" | "Q4";

/** A look-up table of a Memory Layer. */
export interface MemoryTable {
  /** How its rows are stored. */
  type: TableType;
  /** [chunks · 2^bits] rows of `columns` values. Q8: a signed byte each; Q4: columns / 2 bytes, byte i has column i in its
   * low nibble and column i + columns / 2 in its high one, 8 added. */
  bytes: Uint8Array;
  /** A row has so many values. */
  columns: number;
  /** [chunks · 2^bits], of Q8 and Q4. */
  scales?: Float32Array;
}

/** What `hash` makes codes of, and how. */
export interface HashInput {
  /** [rows, chunks · bits] */
  x: Float32Array;
  /** A row of x is cut into so many chunks, each of which gets a code. */
  chunks: number;
  /** Elements of a chunk: bits of its code, 1 to 24. */
  bits: number;
  /** Default: as many as x has. */
  rows?: number;
  /** The bit of an element that is exactly zero, -0 too: 1 (z ≥ 0) or 0 (z > 0). Default: 1. NaN gives 0. */
  zero?: 0 | 1;
  /** How a chunk's row is weighted: `score` is Σ|z| / Π(1 + e^(−2|z|)), `prob` is 1 / Π(1 + e^(−2|z|/temperature)). */
  weight?: "score" | "prob";
  /** Of `prob`. Default: 1. */
  temperature?: number;
}

/** Codes of the chunks, with their weights where they were asked for. */
export interface Hash {
  /** Shape [rows, chunks]: the first element of a chunk is the most significant bit. */
  codes: Uint32Array;
  /** [rows, chunks], where `weight` is given. A Σ|z| that overflows gives the largest float. */
  weights?: Float32Array;
}

/** Operands of `memoryLayer`: what is hashed, and the tables that the codes look up. */
export interface MemoryLayerInput<Tables> extends HashInput {
  /** [chunks · 2^bits, columns], row k · 2^bits + code of chunk k; or several tables that share the hash. */
  tables: Tables;
  /** [columns]; one for each table where there are several. Default: none. */
  bias?: Tables extends readonly unknown[] ? readonly (Float32Array | undefined)[] : Float32Array;
}

/** Sizes and positions, and what else is checked with its own words. */
const later = unchecked;

/** What each field of the operands has to be; what depends on another field is checked where they meet. */
const MATRIX: OptionTable<QuantizedMatrix> = { type: later, bytes: bytesArgument, rows: size, cols: size };
export const SHAPE: OptionTable<MatmulShape> = { m: size, k: size, n: size };
export const NORM_OPTIONS: OptionTable<{ epsilon?: number }> = { epsilon: real };
export const SOFTMAX_OPTIONS: OptionTable<{ columns?: number }> = { columns: size };
export const ROPE_OPTIONS: OptionTable<RopeOptions> = {
  heads: size,
  size,
  positions: positionsOf,
  rotated: real,
  base: real,
  factors: floats,
  halves: flag,
};
export const ATTENTION: OptionTable<AttentionInput> = {
  q: floats,
  k: floats,
  v: floats,
  heads: size,
  size,
  kvHeads: size,
  valueSize: size,
  positions: positionsOf,
  scale: real,
};
export const MLA: OptionTable<MlaInput> = {
  q: floats,
  latent: floats,
  ropeKeys: floats,
  wkvB: matrixOf,
  heads: size,
  nope: size,
  rope: size,
  value: size,
  rank: size,
  positions: positionsOf,
  form: oneOf("absorbed", "expanded"),
};
const TABLE: OptionTable<MemoryTable> = { type: later, bytes: bytesArgument, columns: later, scales: floats };
export const HASH: OptionTable<HashInput> = {
  x: floats,
  chunks: size,
  bits: size,
  rows: size,
  zero: later,
  weight: oneOf("score", "prob"),
  temperature: later,
};
export type Operand = Float32Array | MemoryTable;
export type Biases = Float32Array | readonly (Float32Array | undefined)[];
/** The operands of `memoryLayer` in either form. */
export interface LayerInput extends HashInput {
  tables: Operand | readonly Operand[];
  bias?: Biases;
}
export const LAYER: OptionTable<LayerInput> = { ...HASH, tables: later, bias: later };

export const HASH_NEEDS = ["x", "chunks", "bits"] as const;

export function wrong(words: string): LimpetError {
  return new LimpetError("BAD_ARGUMENT", words);
}

function size(name: string, value: unknown): number {
  if (Number.isInteger(value) && (value as number) > 0 && (value as number) < 2 ** 31) return value as number;
  throw wrong(`${name} is a whole number above 0, not ${printable(value)}`);
}

/** The fields of an operand, each of its kind, and those that are needed there. */
export function fields<Fields, Needed extends keyof Fields & string>(
  name: string,
  value: Fields,
  table: OptionTable<Fields>,
  needed: readonly Needed[],
): Fields {
  const read = readOptions<Fields>(value, table, name);
  for (const field of needed) if (read[field] === undefined) table[field](field, undefined);
  return read;
}

export function matrixOf(name: string, value: unknown): Float32Array | QuantizedMatrix {
  if (ArrayBuffer.isView(value)) return floats(name, value);
  if (typeof value !== "object" || value === null) {
    throw wrong(`${name} is a Float32Array or { type, bytes, rows, cols }, not ${printable(value)}`);
  }
  return fields(name, value as QuantizedMatrix, MATRIX, ["bytes", "rows", "cols"]);
}

export const biasOf: Check<Float32Array | undefined> = optional(floats);

export function requireLength(name: string, array: Float32Array, shape: Record<string, number>): void {
  const wanted = Object.values(shape).reduce((product, n) => product * n, 1);
  if (array.length === wanted) return;
  const words = Object.entries(shape).map(([dimension, n]) => `${dimension} ${n}`);
  throw wrong(`${name} has ${array.length} values; [${words.join(", ")}] takes ${wanted}`);
}

export interface HashShape {
  chunks: number;
  bits: number;
  rows: number;
  zero: 0 | 1;
  temperature: number;
}

/** The shape of a hash, checked. */
export function hashShape({ x, zero = 1, temperature = 1, ...input }: HashInput): HashShape {
  const { chunks, bits } = input;
  if (bits > MAX_CODE_BITS) throw wrong(`bits is at most ${MAX_CODE_BITS}, not ${bits}: a chunk has 2^bits rows`);
  const rows = input.rows === undefined ? rowsOf("x", x, chunks * bits, "chunks · bits") : input.rows;
  requireLength("x", x, { rows, chunks, bits });
  if (zero !== 0 && zero !== 1)
    throw wrong(`zero is the bit of an element that is exactly zero, 0 or 1, not ${printable(zero)}`);
  // The core counts in f32.
  if (!(typeof temperature === "number" && Math.fround(temperature) > 0 && Math.fround(temperature) < Infinity)) {
    throw wrong(`temperature is a number above 0, not ${printable(temperature)}`);
  }
  return { chunks, bits, rows, zero, temperature };
}

/** A table with its columns, checked. */
export function tableOf(name: string, table: Float32Array | MemoryTable, { chunks, bits }: HashShape): MemoryTable {
  const rows = chunks * 2 ** bits;
  const many = `${rows} rows, 2^${bits} for each of ${chunks} chunks`;
  if (ArrayBuffer.isView(table)) {
    const values = floats(name, table);
    if (values.length > 0 && values.length % rows === 0) {
      return { type: "F32", bytes: bytesOf(values), columns: values.length / rows };
    }
    throw wrong(`${name} has ${values.length} values, which are not ${many}`);
  }
  if (typeof table !== "object" || !ArrayBuffer.isView(table?.bytes)) {
    throw wrong(`${name} is a Float32Array or { type, bytes, columns }`);
  }
  const given = fields(name, table, TABLE, ["bytes"]);
  const { type, bytes, scales } = given;
  if (typeof type !== "string" || !Object.hasOwn(RowType, type)) {
    throw wrong(`${name} is of type ${printable(type)}; a table's rows are ${Object.keys(RowType).join(", ")}`);
  }
  const columns = size(`${name}.columns`, given.columns);
  if (type === "Q4" && columns % 2 !== 0) throw wrong(`${name} has ${columns} columns; in Q4 two share a byte`);
  const wanted = rows * columns * { F32: 4, F16: 2, Q8: 1, Q4: 0.5 }[type];
  if (bytes.length !== wanted) {
    throw wrong(`${name} has ${bytes.length} bytes; ${many}, of ${columns} columns in ${type} take ${wanted}`);
  }
  if (type === "Q8" || type === "Q4") {
    if (!scales) throw wrong(`${name} has no scales: ${type} wants one for each of ${many}`);
    requireLength(`${name}.scales`, scales, { chunks, "2^bits": 2 ** bits });
  } else if (scales) throw wrong(`${name} has scales, which rows of ${type} do not have`);
  return { type, bytes, columns, scales };
}

export function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

export function rowsOf(name: string, array: Float32Array, columns: number, what: string): number {
  if (columns > 0 && array.length > 0 && array.length % columns === 0) return array.length / columns;
  throw wrong(`${name} has ${array.length} values, no whole rows of ${columns} (${what})`);
}

function positionsOf(name: string, value: unknown): Uint32Array<ArrayBuffer> {
  const refuse = (position: unknown) => `a position is a whole number from 0, not ${printable(position)}`;
  const positions = wholeNumbers(name, value, 2 ** 31 - 1, refuse);
  if (positions.length === 0) throw wrong(`${name} holds one number a token, and there are none`);
  return positions;
}
