/**
 * What a converted file holds, before any weight is read: the keys of an architecture, and its tensors with where each
 * comes from. `architectures/` fills it, `values.ts` reads by it.
 */
import type { GgufEntry } from "../load/gguf-entries.ts";

export interface PlannedTensor {
  /** In the GGUF file. */
  readonly name: string;
  /** In the checkpoint: the rows of several lie one behind the other. None: it is made here. */
  readonly sources: readonly string[];
  /** As GGUF has it: the first is along a row. */
  readonly shape: readonly number[];
  /** Floats stay F32; a table is a MemoryFormer's, whose rows are looked up one by one; MXFP4 stays what it is (mxfp4.ts). */
  readonly kind: "floats" | "matrix" | "table" | "mxfp4";
  /**
   * The shape of each source as the checkpoint has it, the last along a row. Where it is not said, that of the file the
   * other way round; of several sources without the number of them.
   */
  readonly sourceShape?: readonly number[];
  /** The row of the sources that each row of the file is, where they are in another order or not all. */
  readonly rowOf?: (row: number) => number;
  /** Rows and columns of a source change places: of more dimensions, the last two. Columns behind those of the file go. */
  readonly transposed?: boolean;
  /** The rows of a source are those of so many matrices one behind the other. */
  readonly matrices?: number;
  /** Rows of a source are single values, however many lie side by side: `rowOf` puts each in its place. */
  readonly singly?: boolean;
  /** Is added to every value. */
  readonly plus?: number;
  /** What the values of a row of the file are multiplied by. */
  readonly times?: (row: number) => number;
  /** A value x of the source is −e^x in the file: what state space models decay by. */
  readonly negatedExp?: boolean;
  /** May be missing in the checkpoint. */
  readonly optional?: boolean;
  /** Made here, not read. */
  readonly values?: Float32Array;
}

export interface Plan {
  readonly architecture: string;
  readonly vocabulary: number;
  /** What every decoder has, and what this one adds; llama.cpp's converter writes `general.file_type` between them. */
  readonly metadata: readonly GgufEntry[];
  readonly ownMetadata: readonly GgufEntry[];
  readonly tensors: readonly PlannedTensor[];
  /** Tensors of the checkpoint whose values are keys of the file. */
  readonly asKeys?: readonly string[];
  /** Tensors of the checkpoint that the architecture does without: those of a part that sees, say. */
  readonly without?: RegExp;
}

/** Values of a tensor. */
export function valuesOf({ shape }: PlannedTensor): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** The shape that each source of a tensor has to have. */
export function sourceShapeOf({ shape, sources, sourceShape, transposed }: PlannedTensor): readonly number[] {
  if (sourceShape) return sourceShape;
  const given = [...(sources.length > 1 ? shape.slice(0, -1) : shape)].reverse();
  return transposed ? [...given.slice(0, -2), ...given.slice(-2).reverse()] : given;
}

/**
 * RoPE turns values i and i + n/2 of a head in a checkpoint of llama, and 2i and 2i + 1 in its GGUF file: `rowOf` of the
 * rows of such heads, of which all `turned` or the first ones turn.
 */
export function pairedRows(head: number, turned: number = head): (row: number) => number {
  return (row) => {
    const place = row % head;
    return place < turned ? row - place + (place >> 1) + (place & 1) * (turned / 2) : row;
  };
}

/** `rowOf` of what stands at `first` in each of groups of `stride` rows and is `length` rows long: a part of fused ones. */
export function partOfRows(first: number, length: number, stride: number): (row: number) => number {
  return (row) => Math.floor(row / length) * stride + first + (row % length);
}
