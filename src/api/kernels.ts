/**
 * The kernels under the models by themselves: typed arrays in and out, one call at a time. Shapes are checked here, and
 * a wrong one is an error that names it.
 *
 *     const k = await kernels();
 *     k.matmul(a, b, { m, k, n });          // [m, k] × [k, n], or b as a matrix of a GGUF file: rows n, columns k
 */
import { bytesOf } from "../../bindings/memory.ts";
import { MAX_CODE_BITS, MlaForm, RowType, WeightRule } from "../../bindings/numbers.ts";
import {
  bytes as bytesArgument,
  flag,
  floats,
  type OptionTable,
  oneOf,
  printable,
  readOptions,
  real,
  unchecked,
  wholeNumbers,
} from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { type Arena, CORE_OPTIONS, Core, type CoreOptions } from "../host/instance.ts";
import { TYPES, type TypeName, typeName } from "../host/types.ts";

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
  /** [heads · (nope + value), rank]: of each head first the rows that make keys, then those that make values. */
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
  /** [rows, chunks]: the first element of a chunk is the most significant bit. */
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
const SHAPE: OptionTable<MatmulShape> = { m: size, k: size, n: size };
const NORM_OPTIONS: OptionTable<{ epsilon?: number }> = { epsilon: real };
const SOFTMAX_OPTIONS: OptionTable<{ columns?: number }> = { columns: size };
const ROPE_OPTIONS: OptionTable<RopeOptions> = {
  heads: size,
  size,
  positions: positionsOf,
  rotated: real,
  base: real,
  factors: floats,
  halves: flag,
};
const ATTENTION: OptionTable<AttentionInput> = {
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
const MLA: OptionTable<MlaInput> = {
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
const HASH: OptionTable<HashInput> = {
  x: floats,
  chunks: size,
  bits: size,
  rows: size,
  zero: later,
  weight: oneOf("score", "prob"),
  temperature: later,
};
type Operand = Float32Array | MemoryTable;
type Biases = Float32Array | readonly (Float32Array | undefined)[];
/** The operands of `memoryLayer` in either form. */
interface LayerInput extends HashInput {
  tables: Operand | readonly Operand[];
  bias?: Biases;
}
const LAYER: OptionTable<LayerInput> = { ...HASH, tables: later, bias: later };

const HASH_NEEDS = ["x", "chunks", "bits"] as const;

/** Numbers of the core. */
const WEIGHT_RULES = { score: WeightRule.SCORE, prob: WeightRule.PROB } as const;

/** Weights of these types are multiplied by f32; others by activations of 16 bits in blocks of 32. */
const FLOATS: readonly number[] = [TYPES.F32, TYPES.F16, TYPES.BF16];

/** The kernels of one instance. */
export async function kernels(options: CoreOptions = {}): Promise<Kernels> {
  const given = readOptions(options, CORE_OPTIONS);
  if ((given.threads ?? 1) > 1) {
    throw new LimpetError("UNSUPPORTED", "kernels compute with one thread: leave threads out");
  }
  const core = await Core.create(given);
  if (core.has("kernel_matmul") && core.has("kernel_gather_rows")) return new Kernels(core);
  throw new LimpetError("UNSUPPORTED", "the wasm that was given has no kernels to call: leave the option wasm out");
}

/**
 * The kernels on one instance of the core. Results are copies that the caller may keep; a wrong shape is an error with
 * the code BAD_ARGUMENT.
 */
export class Kernels {
  readonly #core: Core;

  /** @internal */
  constructor(core: Core) {
    this.#core = core;
  }

  /** Bytes of the instance's memory: as much as the largest call has taken. */
  get memoryBytes(): number {
    return this.#core.memory.size;
  }

  /** a [m, k] × b [k, n] → [m, n]; a matrix of a GGUF file has n rows of k columns. */
  matmul(a: Float32Array, b: Float32Array | QuantizedMatrix, shape: MatmulShape): Float32Array {
    const { m, k, n } = fields("shape", shape, SHAPE, ["m", "k", "n"]);
    const left = floats("a", a);
    const right = matrixOf("b", b);
    requireLength("a", left, { m, k });
    if (right instanceof Float32Array) requireLength("b", right, { k, n });
    else if (right.rows !== n || right.cols !== k) {
      throw wrong(`b has ${right.rows} rows of ${right.cols} columns, and k = ${k}, n = ${n} want ${n} rows of ${k}`);
    }
    const type = right instanceof Float32Array ? TYPES.F32 : this.#type(right.type);
    const plain = FLOATS.includes(type);
    if (!plain && k % 32 !== 0) throw wrong(`k = ${k} is no multiple of 32, the block of the activations`);
    const core = this.#core;
    const { exports, memory } = core;
    return core.scoped((arena) => {
      const source = right instanceof Float32Array ? transposed(right, k, n) : this.#matrixBytes("b", right, type);
      const packedBytes = exports.kernel_packed_bytes(type, n, k) >>> 0;
      if (packedBytes === 0) throw wrong(`${typeName(type)} of ${n} × ${k} does not fit into memory`);
      const packed = arena.allocate(packedBytes);
      core.check(exports.kernel_pack(type, arena.put(source), n, k, packed));
      const values = arena.put(left);
      const stride = plain ? k * 4 : exports.kernel_activation_bytes(k);
      let x = values;
      if (!plain) {
        x = arena.allocate(stride * m);
        for (let i = 0; i < m; i++)
          core.check(exports.kernel_quantize_activations(values + i * k * 4, k, x + i * stride));
      }
      const target = arena.allocate(m * n * 4);
      const scratch = arena.allocate(exports.kernel_matmul_scratch_bytes(type, m) >>> 0);
      core.check(exports.kernel_matmul(type, packed, n, k, 0, n, x, stride, m, target, n * 4, scratch));
      return memory.f32(target, m * n).slice();
    });
  }

  /** Blocks of a GGUF file → values. */
  dequantize(type: TypeId, blocks: Uint8Array): Float32Array {
    const core = this.#core;
    const { exports, memory } = core;
    const id = this.#type(type);
    const bytes = bytesArgument("bytes", blocks);
    const { elements, blockBytes } = this.#block(id);
    if (bytes.length % blockBytes !== 0) {
      throw wrong(`${bytes.length} bytes are no whole blocks of ${typeName(id)}, which take ${blockBytes} each`);
    }
    const count = (bytes.length / blockBytes) * elements;
    if (count === 0) return new Float32Array(0);
    return core.scoped((arena) => {
      const target = arena.allocate(count * 4);
      core.check(exports.kernel_dequantize(id, arena.put(bytes), target, count));
      return memory.f32(target, count).slice();
    });
  }

  /** Values → blocks of a GGUF file. */
  quantize(type: TypeId, weights: Float32Array): Uint8Array {
    const core = this.#core;
    const { exports, memory } = core;
    const id = this.#type(type);
    const values = floats("values", weights);
    const { elements, blockBytes } = this.#block(id);
    if (values.length % elements !== 0) {
      throw wrong(`${values.length} values are no whole blocks of ${typeName(id)}, which hold ${elements} each`);
    }
    const bytes = (values.length / elements) * blockBytes;
    if (bytes === 0) return new Uint8Array(0);
    return core.scoped((arena) => {
      const target = arena.allocate(bytes);
      core.check(exports.kernel_quantize(id, arena.put(values), target, values.length));
      return memory.read(target, bytes);
    });
  }

  /** RMSNorm of each row of x; rows are as long as `weight`. */
  rmsNorm(x: Float32Array, weight: Float32Array, options: { epsilon?: number } = {}): Float32Array {
    const values = floats("x", x);
    const weights = floats("weight", weight);
    const { epsilon = 1e-5 } = readOptions(options, NORM_OPTIONS);
    const n = weights.length;
    const rows = rowsOf("x", values, n, "the weight's length");
    const core = this.#core;
    return core.scoped((arena) => {
      const target = arena.allocate(values.byteLength);
      core.exports.kernel_rms_norm(arena.put(values), arena.put(weights), rows, n, epsilon, target);
      return core.memory.f32(target, values.length).slice();
    });
  }

  /** Rotates each head of each token of x [tokens, heads · size] to its position. */
  rope(x: Float32Array, options: RopeOptions): Float32Array {
    const values = floats("x", x);
    const given = fields("options", options, ROPE_OPTIONS, ["heads", "size", "positions"]);
    const { heads, size: headSize, positions, factors } = given;
    const rotated = given.rotated ?? headSize;
    const pairs = rotated / 2;
    if (!Number.isInteger(pairs) || pairs < 1 || rotated > headSize) {
      throw wrong(`${rotated} rotated values of a head of ${headSize}: an even number from 2 to ${headSize} can be`);
    }
    const tokens = positions.length;
    requireLength("x", values, { tokens, heads, size: headSize });
    if (factors) requireLength("factors", factors, { pairs });
    const core = this.#core;
    return core.scoped((arena) => {
      const target = arena.put(values);
      const freqs = factors ? arena.put(factors) : 0;
      const scratch = arena.allocate(rotated * 4);
      const [at, base, halves] = [arena.put(positionWords(positions)), given.base ?? 10000, given.halves ? 1 : 0];
      core.exports.kernel_rope(target, tokens, heads, headSize, pairs, at, base, freqs, halves, scratch);
      return core.memory.f32(target, values.length).slice();
    });
  }

  /** Softmax of each row of x; one row when `columns` is left out. */
  softmax(x: Float32Array, options: { columns?: number } = {}): Float32Array {
    const values = floats("x", x);
    const given = readOptions(options, SOFTMAX_OPTIONS);
    if (values.length === 0) return new Float32Array(0);
    const columns = given.columns ?? values.length;
    const rows = rowsOf("x", values, columns, "columns");
    const core = this.#core;
    return core.scoped((arena) => {
      const target = arena.put(values);
      core.exports.kernel_softmax(target, rows, columns);
      return core.memory.f32(target, values.length).slice();
    });
  }

  /** Causal attention of tokens over rows of keys and values → [tokens, heads · valueSize]. */
  attention(input: AttentionInput): Float32Array {
    const given = fields("input", input, ATTENTION, ["q", "k", "v", "heads", "size", "positions"]);
    const { heads, size: headSize, kvHeads = heads, valueSize = headSize, positions } = given;
    if (heads % kvHeads !== 0) throw wrong(`${heads} heads are no multiple of ${kvHeads} key and value heads`);
    const tokens = positions.length;
    requireLength("q", given.q, { tokens, heads, size: headSize });
    const count = rowsOf("k", given.k, kvHeads * headSize, "kvHeads · size");
    requireLength("v", given.v, { count, kvHeads, valueSize });
    const scale = given.scale ?? 1 / Math.sqrt(headSize);
    const core = this.#core;
    const { exports } = core;
    return core.scoped((arena) => {
      const scratchBytes = exports.kernel_attention_scratch_bytes(count, heads, kvHeads, headSize, valueSize);
      const [q, k, v] = [arena.put(given.q), arena.put(given.k), arena.put(given.v)];
      const [at, scratch] = [arena.put(positionWords(positions)), arena.allocate(scratchBytes)];
      const length = tokens * heads * valueSize;
      const target = arena.allocate(length * 4);
      // biome-ignore format: the arguments in the order of their groups.
      exports.kernel_attention(
        q, k, v, at, tokens, count, heads, kvHeads, headSize, valueSize, scale, scratch, target,
      );
      return core.memory.f32(target, length).slice();
    });
  }

  /** Multi-head latent attention of tokens over latent rows → [tokens, heads · value]. */
  mla(input: MlaInput): Float32Array {
    const needed = ["q", "latent", "ropeKeys", "wkvB", "heads", "nope", "rope", "value", "rank", "positions"] as const;
    const given = fields("input", input, MLA, needed);
    const { heads, nope, rope, value, rank, wkvB, positions, form = "absorbed" } = given;
    const tokens = positions.length;
    requireLength("q", given.q, { tokens, heads, "nope + rope": nope + rope });
    const count = rowsOf("latent", given.latent, rank, "rank");
    requireLength("ropeKeys", given.ropeKeys, { count, rope });
    const w = wkvB instanceof Float32Array ? wkvB : this.#matrix(wkvB, heads * (nope + value), rank);
    requireLength("wkvB", w, { heads, "nope + value": nope + value, rank });
    const number = form === "absorbed" ? MlaForm.ABSORBED : MlaForm.EXPANDED;
    const core = this.#core;
    const { exports } = core;
    return core.scoped((arena) => {
      // biome-ignore format: the arguments in the order of their groups.
      const scratchBytes = exports.kernel_mla_scratch_bytes(tokens, count, heads, nope, rope, value, rank, number);
      const [q, latent, ropeKeys] = [arena.put(given.q), arena.put(given.latent), arena.put(given.ropeKeys)];
      const [weights, at, scratch] = [arena.put(w), arena.put(positionWords(positions)), arena.allocate(scratchBytes)];
      const length = tokens * heads * value;
      const target = arena.allocate(length * 4);
      // biome-ignore format: the arguments in the order of their groups.
      exports.kernel_mla(
        q, latent, ropeKeys, weights, at, tokens, count, heads, nope, rope, value, rank, number, scratch, target,
      );
      return core.memory.f32(target, length).slice();
    });
  }

  /** The signs of each chunk of x as a number, and what weight they have. */
  hash(input: HashInput): Hash {
    const given = fields("input", input, HASH, HASH_NEEDS);
    const { chunks, rows } = hashShape(given);
    return this.#core.scoped((arena) => {
      const { codes, weights } = this.#hash(arena, given, given.weight);
      const { memory } = this.#core;
      const hash: Hash = { codes: memory.u32(codes, rows * chunks).slice() };
      if (weights !== 0) hash.weights = memory.f32(weights, rows * chunks).slice();
      return hash;
    });
  }

  /**
   * MemoryFormer's Memory Layer: each chunk of a row of x picks a row of its table, and their weighted sum and the bias
   * are the result, [rows, columns]; several tables give several results. Default of `weight`: `score`.
   */
  memoryLayer(input: MemoryLayerInput<Float32Array | MemoryTable>): Float32Array;
  memoryLayer(input: MemoryLayerInput<readonly (Float32Array | MemoryTable)[]>): Float32Array[];
  memoryLayer(
    input: MemoryLayerInput<Float32Array | MemoryTable | readonly (Float32Array | MemoryTable)[]>,
  ): Float32Array | Float32Array[] {
    const given = fields("input", input as LayerInput, LAYER, [...HASH_NEEDS, "tables"]);
    const { tables, bias } = given;
    const shape = hashShape(given);
    if (!isList(tables)) {
      if (isList(bias)) throw wrong("bias is a list, and tables is one table");
      return this.#lookUp(given, shape, [tableOf("tables", tables, shape)], [biasOf("bias", bias)])[0];
    }
    if (bias !== undefined && !(isList(bias) && bias.length === tables.length)) {
      throw wrong(`bias is a list as long as tables, of ${tables.length}: one Float32Array each, or undefined`);
    }
    const list = Array.from(tables, (table, i) => tableOf(`tables[${i}]`, table, shape));
    const biases = list.map((_, i) => biasOf(`bias[${i}]`, bias?.[i]));
    return this.#lookUp(given, shape, list, biases);
  }

  #lookUp(
    input: HashInput,
    { chunks, bits, rows }: HashShape,
    tables: readonly MemoryTable[],
    biases: readonly (Float32Array | undefined)[],
  ): Float32Array[] {
    const core = this.#core;
    const { exports } = core;
    tables.forEach(({ columns }, i) => {
      const bias = biases[i];
      if (bias !== undefined) requireLength(tables.length > 1 ? `bias[${i}]` : "bias", bias, { columns });
    });
    return core.scoped((arena) => {
      const { codes, weights } = this.#hash(arena, input, input.weight ?? "score");
      const found = arena.allocate(chunks * 4);
      const scaled = arena.allocate(chunks * 4);
      return tables.map(({ type, bytes, columns, scales }, i) => {
        const id = RowType[type];
        const rowBytes = exports.kernel_table_row_bytes(id, columns);
        const bias = biases[i];
        const at = arena.put(bytes);
        const scalesAt = scales ? arena.put(scales) : 0;
        const biasAt = bias ? arena.put(bias) : 0;
        const target = arena.allocate(rows * columns * 4);
        for (let row = 0; row < rows; row++) {
          const code = codes + row * chunks * 4;
          let weight = weights + row * chunks * 4;
          core.check(exports.kernel_find_rows(at, rowBytes, bits, code, chunks, found));
          core.check(exports.kernel_read_ahead(id, found, columns, scalesAt, bits, code, chunks));
          if (scales) {
            core.check(exports.kernel_scale_weights(scalesAt, bits, code, chunks, weight, scaled));
            weight = scaled;
          }
          const to = target + row * columns * 4;
          core.check(exports.kernel_gather_rows(id, found, weight, chunks, columns, biasAt, to));
        }
        return core.memory.f32(target, rows * columns).slice();
      });
    });
  }

  /** Codes of x and their weights (0 where `weight` is not given) in the arena. */
  #hash(arena: Arena, input: HashInput, weight: HashInput["weight"]): { codes: number; weights: number } {
    const core = this.#core;
    const { exports } = core;
    const { chunks, bits, rows, zero, temperature } = hashShape(input);
    const x = arena.put(input.x);
    const codes = arena.allocate(rows * chunks * 4);
    const weights = weight ? arena.allocate(rows * chunks * 4) : 0;
    // The rows of x lie one behind the other: to the core they are one row of more chunks.
    core.check(exports.kernel_hash_row(x, rows * chunks, bits, zero, codes));
    if (weight) {
      const rule = WEIGHT_RULES[weight];
      core.check(exports.kernel_chunk_weights(x, rows * chunks, bits, rule, temperature, weights));
    }
    return { codes, weights };
  }

  #type(type: TypeId): number {
    const isName = typeof type === "string" && Object.hasOwn(TYPES, type);
    const id = isName ? TYPES[type] : Number.isInteger(type) ? (type as number) : -1;
    if (id >= 0 && id < 2 ** 31 && this.#core.exports.kernel_packed_bytes(id, 1, 256) !== 0) return id;
    const words = Number.isInteger(type) ? typeName(type as number) : printable(type);
    throw new LimpetError("UNSUPPORTED", `no block format ${words}: there are ${Object.keys(TYPES).join(", ")}`);
  }

  /** Values and bytes of a block: the smallest row that the core takes. */
  #block(type: number): { elements: number; blockBytes: number } {
    for (const elements of [1, 32, 256]) {
      const blockBytes = this.#core.exports.kernel_row_bytes(type, elements);
      if (blockBytes !== 0) return { elements, blockBytes };
    }
    throw new LimpetError("UNSUPPORTED", `no block format ${typeName(type)}`);
  }

  #matrixBytes(name: string, matrix: QuantizedMatrix, type: number): Uint8Array {
    const { bytes, rows, cols } = matrix;
    const { elements, blockBytes } = this.#block(type);
    if (cols % elements !== 0) {
      throw wrong(`${name} has rows of ${cols} columns, no whole blocks of ${typeName(type)}, which hold ${elements}`);
    }
    const wanted = rows * (cols / elements) * blockBytes;
    if (bytes.length !== wanted) {
      throw wrong(`${name} has ${bytes.length} bytes; ${rows} × ${cols} in ${typeName(type)} take ${wanted}`);
    }
    return bytes;
  }

  #matrix(matrix: QuantizedMatrix, rows: number, cols: number): Float32Array {
    if (matrix.rows !== rows || matrix.cols !== cols) {
      throw wrong(`wkvB has ${matrix.rows} rows of ${matrix.cols} columns instead of ${rows} of ${cols}`);
    }
    const type = this.#type(matrix.type);
    return this.dequantize(type, this.#matrixBytes("wkvB", matrix, type));
  }
}

function wrong(words: string): LimpetError {
  return new LimpetError("BAD_ARGUMENT", words);
}

function size(name: string, value: unknown): number {
  if (Number.isInteger(value) && (value as number) > 0 && (value as number) < 2 ** 31) return value as number;
  throw wrong(`${name} is a whole number above 0, not ${printable(value)}`);
}

/** The fields of an operand, each of its kind, and those that are needed there. */
function fields<Fields, Needed extends keyof Fields & string>(
  name: string,
  value: Fields,
  table: OptionTable<Fields>,
  needed: readonly Needed[],
): Fields {
  const read = readOptions<Fields>(value, table, name);
  for (const field of needed) if (read[field] === undefined) table[field](field, undefined);
  return read;
}

function matrixOf(name: string, value: unknown): Float32Array | QuantizedMatrix {
  if (ArrayBuffer.isView(value)) return floats(name, value);
  if (typeof value !== "object" || value === null) {
    throw wrong(`${name} is a Float32Array or { type, bytes, rows, cols }, not ${printable(value)}`);
  }
  return fields(name, value as QuantizedMatrix, MATRIX, ["bytes", "rows", "cols"]);
}

function biasOf(name: string, value: unknown): Float32Array | undefined {
  return value === undefined ? undefined : floats(name, value);
}

function requireLength(name: string, array: Float32Array, shape: Record<string, number>): void {
  const wanted = Object.values(shape).reduce((product, n) => product * n, 1);
  if (array.length === wanted) return;
  const words = Object.entries(shape).map(([dimension, n]) => `${dimension} ${n}`);
  throw wrong(`${name} has ${array.length} values; [${words.join(", ")}] takes ${wanted}`);
}

interface HashShape {
  chunks: number;
  bits: number;
  rows: number;
  zero: 0 | 1;
  temperature: number;
}

/** The shape of a hash, checked. */
function hashShape({ x, zero = 1, temperature = 1, ...input }: HashInput): HashShape {
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
function tableOf(name: string, table: Float32Array | MemoryTable, { chunks, bits }: HashShape): MemoryTable {
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

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

function rowsOf(name: string, array: Float32Array, columns: number, what: string): number {
  if (columns > 0 && array.length > 0 && array.length % columns === 0) return array.length / columns;
  throw wrong(`${name} has ${array.length} values, no whole rows of ${columns} (${what})`);
}

function positionsOf(name: string, value: unknown): Uint32Array<ArrayBuffer> {
  const refuse = (position: unknown) => `a position is a whole number from 0, not ${printable(position)}`;
  const positions = wholeNumbers(name, value, 2 ** 31 - 1, refuse);
  if (positions.length === 0) throw wrong(`${name} holds one number a token, and there are none`);
  return positions;
}

/** Positions that `positionsOf` has read, as the core takes them. */
function positionWords(positions: ArrayLike<number>): Int32Array {
  return Int32Array.from(positions);
}

/** [k, n] → [n, k]: the core's rows are what a matrix makes. */
function transposed(values: Float32Array, k: number, n: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let row = 0; row < k; row++)
    for (let column = 0; column < n; column++) {
      result[column * k + row] = values[row * n + column];
    }
  return result;
}
