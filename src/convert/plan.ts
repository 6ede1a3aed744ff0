/**
 * What a converted file holds, before any weight is read: the keys of an architecture, and its tensors with where each
 * comes from. `architectures/` fills it, `values.ts` reads by it.
 */
import type { GgufEntry } from "../load/gguf-entries.ts";

export interface PlannedTensor {
  /** In the GGUF file. */
  readonly name: string;
  /** In the checkpoint. */
  readonly source: string;
  /** As GGUF has it: the first is along a row. */
  readonly shape: readonly number[];
  /** Vectors stay F32; a table is a MemoryFormer's, whose rows are looked up one by one. */
  readonly kind: "vector" | "matrix" | "table";
  /**
   * Heads whose rows go from halves to pairs: RoPE turns values i and i + n/2 of a head in a checkpoint of llama, and
   * 2i and 2i + 1 in its GGUF file.
   */
  readonly paired?: number;
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
}
