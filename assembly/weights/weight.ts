/**
 * A weight: a record, never a bare pointer, so that a matrix may be resident or still in its file, packed or plain, and
 * an architecture need not know. Matrices are packed for their kernel while they stream in (kernels/quant), vectors
 * (norms, biases) are f32, look-up tables are rows as they lie in the file, those of one hash interleaved.
 *
 *     the table of a model's weights   ┌ those of no layer ┐┌ layer 0's own ┐┌ layer 1's own ┐ …    (Weights)
 */
import { Core, ErrorCode, fail } from "../memory/core";
import { Gguf, findTensorAt, nameOf } from "../files/gguf";
import { HAS_ADAPTERS } from "../parts";
import { IN_QUADS, PRECISION_SHIFT, meetsBytes } from "../kernels/quant/activations/precision";
import { ByteDots } from "../kernels/quant/byte_dots";
import { tableRowBytes } from "../kernels/lookup/table_rows";
import { packedGroupBytes } from "../kernels/quant/index";
import { Type, rowBytes } from "../kernels/quant/types";

/** Rows of a packed group: one SIMD kernel call makes this many outputs. */
export const GROUP_ROWS: u32 = 8;

/** A tile holds this much, or one group of rows, or what one token takes of tables, where that is more [bytes]. */
const TILE_BYTES: u64 = ASC_LOW_MEMORY_LIMIT ? 4096 : 1 << 18;
/** A tile of single rows holds more: a long list of requests costs a host little more than a short one [bytes]. */
const ROWS_BYTES: u64 = ASC_LOW_MEMORY_LIMIT ? 4096 : 1 << 20;

/** Tables hit by one hash at most: those of queries, keys and values. */
export const TABLES_OF_HASH: u32 = 3;

export namespace WeightState {
  /** Known from the file's header, not in memory. */
  export const DECLARED: u32 = 0;
  export const RESIDENT: u32 = 1;
  /** Left in the file, to be read when it is needed. */
  export const STREAMED: u32 = 2;
}

/** What a weight is. */
export namespace WeightKind {
  /** A matrix, packed for its kernel in groups of rows. */
  export const MATRIX: u32 = 0;
  /** A vector, kept as f32. */
  export const VECTOR: u32 = 1;
  /** Rows to be looked up, which lie as in the file. */
  export const TABLE: u32 = 2;
}

@unmanaged
export class Weight {
  state: u32;
  kind: u32;
  /**
   * Block format (GGUF type id) in the file, and of the packed form of a matrix; of a look-up table what its rows are
   * made of (kernels/lookup/table_rows.ts).
   */
  type: u32;
  /** The precision in which its kernel wants the activations (kernels/quant/activations/precision.ts). */
  precision: u32;
  /** How its products with bytes are summed, of the fast build (kernels/quant/byte_dots.ts). */
  byteDots: u32;
  /** Outputs. */
  rows: u32;
  /** Inputs: the contiguous axis. */
  columns: u32;
  /**
   * 1: may lie column by column, so that inputs that are zero cost nothing (turn.ts); 1: does now. How many of its
   * inputs were zero, and how many there were.
   */
  mayTurn: u32;
  byColumns: u32;
  zeros: u64;
  inputs: u64;
  /** Of experts: slabs that a token takes; 0: it is none. */
  chosen: u32;
  /** It has to be in memory, whatever stays in the file. */
  mustReside: bool;
  /** Single rows of it are looked up, of a matrix too: the embedding's. */
  isEmbedding: bool;
  /** The logits are its product. */
  isHead: bool;
  /** Of an adapter's pair: Q8_0 in the file, and F32 in memory, which holds each of its values exactly. */
  isWidened: bool;
  /** Matrices one behind the other in it, of experts: each is packed by itself; 1: it is one. */
  slabs: u32;
  /** Rows a chunk of a table, of which a token takes one; 0: a matrix or vector. */
  rowsPerChunk: u32;
  /**
   * A table that is interleaved with others of the same hash: bytes from one row to the next, where in them its own
   * begins, and the weight that has the memory (an address, 0: this one).
   */
  rowStep: u32;
  rowPlace: u32;
  memoryOf: usize;
  /**
   * A table in the file: how its share of the row cache is cut (row_cache.ts). Experts in the file: quota and places of
   * their pool, `memoryOf` being whose it is, `rowPlace` where their list lies there (slab_cache.ts).
   */
  setsPerChunk: u32;
  ways: u32;
  /** Where the bytes are in memory, or of a table in the file its share of the row cache; 0 until they are. */
  data: usize;
  /** Shard of a split file, and where in it the tensor begins. */
  file: u32;
  offset: u64;

  @inline
  get isVector(): bool {
    return this.kind == WeightKind.VECTOR;
  }

  @inline
  get isTable(): bool {
    return this.kind == WeightKind.TABLE;
  }

  /** Whether its product is one of floats, so that its operand is the f32 rows themselves. */
  @inline
  get isFloat(): bool {
    return this.type == Type.F32 || this.type == Type.F16 || this.type == Type.BF16;
  }

  /** Bytes in memory of its own. */
  get bytes(): u64 {
    if (this.isVector) return <u64>this.rows * this.columns * 4;
    if (this.isTable) return this.memoryOf ? 0 : <u64>this.step * this.rows;
    return <u64>this.groups * packedGroupBytes(this.type, this.columns);
  }

  /** Bytes of a row as it lies in the file. */
  get fileRowBytes(): u64 {
    if (HAS_ADAPTERS && this.isWidened) return rowBytes(Type.Q8_0, this.columns);
    return this.isTable ? tableRowBytes(this.type, this.columns) : rowBytes(this.type, this.columns);
  }

  /** Bytes from one row of a table in memory to the next. */
  @inline
  get step(): usize {
    return this.rowStep ? <usize>this.rowStep : <usize>this.fileRowBytes;
  }

  /** What names its kernel: the type, the precision of the activations, and how products with bytes are summed. */
  @inline
  get kernelKey(): u32 {
    const key = this.type | (this.precision << PRECISION_SHIFT);
    if (!ASC_FEATURE_RELAXED_SIMD) return key;
    return this.byteDots != ByteDots.PAIRS && meetsBytes(this.precision) ? key | IN_QUADS : key;
  }

  /** Rows of a tile of a matrix that stays in its file: whole groups, as many as TILE_BYTES hold, at least one. */
  get tileRows(): u32 {
    const group = rowBytes(this.type, this.columns) * GROUP_ROWS;
    const groups = group < TILE_BYTES ? <u32>(TILE_BYTES / group) : 1;
    return min(groups, this.groups) * GROUP_ROWS;
  }

  /** Rows that a token takes of a table. */
  @inline
  get chunks(): u32 {
    return this.rowsPerChunk ? this.rows / this.rowsPerChunk : 1;
  }

  /** Bytes from one row to the next in the row cache and in a tile of single rows: whole vectors of 16. */
  @inline
  get rowStride(): u32 {
    return (<u32>this.fileRowBytes + 15) & ~15;
  }

  /** Tokens whose rows, of so many tables such as this, a tile holds: one at least. */
  tokensOfTile(tables: u32, batch: u32): u32 {
    const token = <u64>this.chunks * tables * this.rowStride;
    return min(batch, token < ROWS_BYTES ? <u32>(ROWS_BYTES / token) : 1);
  }

  /** Packed groups. */
  @inline
  get groups(): u32 {
    return this.slabGroups * this.slabs;
  }

  /** Rows of a slab, and its packed groups. */
  @inline
  get slabRows(): u32 {
    return this.rows / this.slabs;
  }

  @inline
  get slabGroups(): u32 {
    return (this.slabRows + (GROUP_ROWS - 1)) / GROUP_ROWS;
  }
}

/** The weights of a model, and what its passes read of those that stay in the file. */
@unmanaged
export class Weights {
  core: Core;
  gguf: Gguf;
  /** Weight[count] */
  table: usize;
  count: u32;
  /** What stays in the file (tiles.ts), and how many bytes the row cache may take. */
  streamed: u32;
  rowCacheBytes: u32;
  /** 1: experts stay there too; and how many bytes their cache may take. */
  streamsExperts: u32;
  slabCacheBytes: u32;
  /**
   * Bytes of all weights in memory, with the caches; bytes to be read from the files; bytes that stay there, and those
   * of experts among these.
   */
  bytes: u64;
  fileBytes: u64;
  streamedBytes: u64;
  expertBytes: u64;
  /** Rows of tables in the file: how many passes wanted, how many of them the cache lacked, and their bytes. */
  rowsWanted: u64;
  rowsRead: u64;
  rowBytesRead: u64;
  /** Tells later hits of the row cache from earlier ones. */
  rowClock: u32;
  /** The same of experts' slabs. */
  slabClock: u32;
  slabsWanted: u64;
  slabsRead: u64;
  slabBytesRead: u64;
  /** A list of requests for slabs: bytes of its tile, and how many there are at most. */
  slabTileBytes: u64;
  slabRequests: u32;

  @inline
  at(index: u32): Weight {
    return changetype<Weight>(this.table + <usize>index * offsetof<Weight>());
  }
}

/** A weight holds a value that is no finite number: nothing behind it would be one. */
export function notFinite(weights: Weights, weight: Weight): i32 {
  const tensor = findTensorAt(weights.gguf, weight.file, weight.offset);
  return fail(
    weights.core, ErrorCode.BAD_FILE,
    "tensor {s} holds a value that is no finite number; the file is broken, convert the model anew",
    tensor ? nameOf(tensor) : 0,
  );
}
