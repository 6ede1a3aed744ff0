/**
 * The kernels under the models by themselves: typed arrays in and out, one call at a time. Shapes are checked here, and
 * a wrong one is an error that names it.
 *
 *     const k = await kernels();
 *     k.matmul(a, b, { m, k, n });          // [m, k] × [k, n], or b as a matrix of a GGUF file: rows n, columns k
 */
import { MlaForm, RowType, WeightRule } from "../../bindings/numbers.ts";
import { bytes as bytesArgument, floats, printable, readOptions } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { type Arena, CORE_OPTIONS, Core, type CoreOptions } from "../host/instance.ts";
import { isCodebookType, refusalOfCodebook, TYPES, typeName } from "../host/types.ts";
import {
  ATTENTION,
  type AttentionInput,
  biasOf,
  fields,
  HASH,
  HASH_NEEDS,
  type Hash,
  type HashInput,
  type HashShape,
  hashShape,
  isList,
  LAYER,
  type LayerInput,
  type MatmulShape,
  type MemoryLayerInput,
  type MemoryTable,
  MLA,
  type MlaInput,
  matrixOf,
  NORM_OPTIONS,
  type QuantizedMatrix,
  ROPE_OPTIONS,
  type RopeOptions,
  requireLength,
  rowsOf,
  SHAPE,
  SOFTMAX_OPTIONS,
  type TypeId,
  tableOf,
  wrong,
} from "./kernel-operands.ts";

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
  return kernelsOf(await Core.create(given));
}

/**
 * The kernels of a core that is there.
 * @internal
 */
export function kernelsOf(core: Core): Kernels {
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

  /** Values → blocks of a GGUF file; UNSUPPORTED for a type that is for reading, IQ1_S to IQ3_S. */
  quantize(type: TypeId, weights: Float32Array): Uint8Array {
    const core = this.#core;
    const { exports, memory } = core;
    const id = this.#type(type);
    const name = typeName(id);
    if (isCodebookType(name)) throw new LimpetError("UNSUPPORTED", refusalOfCodebook(name));
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
