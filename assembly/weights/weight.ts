/**
 * A weight: a record, never a bare pointer, so that a matrix may be resident or still in its file, packed or plain, and
 * a model file need not know. Matrices are packed for their kernel while they stream in (kernels/quant), vectors
 * (norms, biases) are plain f32, look-up tables rows as they lie in the file, those of one hash beside each other.
 */
import { FORM_SHIFT } from "../kernels/quant/activations/precision";
import { tableRowBytes } from "../kernels/lookup/table_rows";
import { packedGroupBytes } from "../kernels/quant/index";
import { rowBytes } from "../kernels/quant/types";

/** Rows of a packed group: one SIMD kernel call makes this many outputs. */
export const GROUP_ROWS: u32 = 8;

/** A tile holds this much, or one group of rows, or what one token takes of tables, where that is more. */
const TILE_BYTES: u64 = ASC_LOW_MEMORY_LIMIT ? 4096 : 1 << 18;
/** Of single rows more: a long list of requests costs a host little more than a short one. */
const ROWS_BYTES: u64 = ASC_LOW_MEMORY_LIMIT ? 4096 : 1 << 20;

/** Tables hit by one hash at most: those of queries, keys and values. */
export const TABLES_OF_HASH: u32 = 3;

export namespace WeightState {
  /** The file has no such tensor (it was optional). */
  export const ABSENT: u32 = 0;
  /** Known from the tensor table, not in memory yet. */
  export const DECLARED: u32 = 1;
  /** In memory, ready for its kernel. */
  export const RESIDENT: u32 = 2;
  /** Left in the file, to be read tile by tile (stream.ts), or row by row (rows.ts). */
  export const STREAMED: u32 = 3;
}

@unmanaged
export class Weight {
  state: u32;
  /**
   * Block format (GGUF type id) in the file, and of the packed form unless `plain`; of a look-up table what its rows
   * are made of (kernels/memory_rows.ts).
   */
  type: u32;
  /** In which form its kernel wants the activations (kernels/quant/forms.ts). */
  operandForm: u32;
  /** Outputs of a slice. */
  rows: u32;
  /** Inputs: the contiguous axis. */
  columns: u32;
  /** Matrices that lie one after the other (experts); 1 for an ordinary matrix. */
  slices: u32;
  /** 1: kept as plain f32 [rows · columns] (norms, biases, factors). */
  plain: u32;
  /** 1: packed neuron by neuron, not by rows (kernels/quant/neuron_layout.ts). */
  byNeurons: u32;
  /** 1: rows to be looked up, which lie as in the file (kernels/memory_rows.ts). */
  isTable: u32;
  /** Of a table: so many rows each, of which a token takes one; 0: a matrix. */
  span: u32;
  /**
   * Of a table whose rows lie beside those of others hit by one hash (`layTogether`): bytes from one row to the
   * next, where in them its own begins, and how many places before it the weight stands that has the memory.
   */
  rowStep: u32;
  rowPlace: u32;
  beside: u32;
  /** Of a table in the file: how its share of the row cache is cut (row_cache.ts). */
  setsPerChunk: u32;
  ways: u32;
  /** Where the bytes are in memory, or of a table in the file its share of the row cache; 0 until they are. */
  data: usize;
  /** Part of a split file, and where in it the tensor begins. */
  file: u32;
  offset: u64;

  /** Bytes in memory of its own. */
  get bytes(): u64 {
    if (this.plain) return <u64>this.rows * this.columns * this.slices * 4;
    if (this.isTable) return this.beside ? 0 : <u64>this.step * this.rows;
    return <u64>this.sliceGroups * packedGroupBytes(this.type, this.columns) * this.slices;
  }

  /** Bytes of a row as it lies in the file. */
  get fileRowBytes(): u64 {
    return this.isTable ? tableRowBytes(this.type, this.columns) : rowBytes(this.type, this.columns);
  }

  /** Of a table in memory: bytes from one row to the next. */
  @inline
  get step(): usize {
    return this.rowStep ? <usize>this.rowStep : <usize>this.fileRowBytes;
  }

  /** What names its product: the type, and the form of the activations. */
  @inline
  get product(): u32 {
    return this.type | (this.operandForm << FORM_SHIFT);
  }

  /** Rows of a tile, of a matrix that stays in its file: whole groups, as many as TILE_BYTES hold, at least one. */
  get tileRows(): u32 {
    const group = rowBytes(this.type, this.columns) * GROUP_ROWS;
    const groups = group < TILE_BYTES ? <u32>(TILE_BYTES / group) : 1;
    return min(groups, this.sliceGroups) * GROUP_ROWS;
  }

  /** The weight `index` places behind this one in the model's table. */
  @inline
  next(index: u32): Weight {
    return changetype<Weight>(changetype<usize>(this) + <usize>index * offsetof<Weight>());
  }

  /** Rows that a token takes. */
  @inline
  get chunks(): u32 {
    return this.span ? this.rows / this.span : 1;
  }

  /** Bytes from one row to the next in the row cache and in a tile of single rows: whole vectors. */
  @inline
  get rowSlot(): u32 {
    return (<u32>this.fileRowBytes + 15) & ~15;
  }

  /** Tokens whose rows, of so many tables such as this, a tile holds: one at least. */
  tokensOfTile(tables: u32, batch: u32): u32 {
    const token = <u64>this.chunks * tables * this.rowSlot;
    return min(batch, token < ROWS_BYTES ? <u32>(ROWS_BYTES / token) : 1);
  }

  /** Packed groups of a slice. */
  @inline
  get sliceGroups(): u32 {
    return (this.rows + (GROUP_ROWS - 1)) / GROUP_ROWS;
  }

  /** The packed form of slice `index`. */
  @inline
  slice(index: u32): usize {
    return this.data + <usize>index * this.sliceGroups * packedGroupBytes(this.type, this.columns);
  }

  @inline
  get present(): bool {
    return this.state != WeightState.ABSENT;
  }
}
