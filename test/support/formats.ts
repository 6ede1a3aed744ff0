/** The block formats as tests see them. */
import { BLOCKS, BlockFormat, type BlockFormatName } from "../../bindings/numbers.ts";

export interface Format {
  readonly name: string;
  readonly type: number;
  /** Elements and bytes of a block. */
  readonly elements: number;
  readonly bytes: number;
  /** Weights that multiply f32 activations themselves. */
  readonly float: boolean;
}

/** Floats first, then by the size of their blocks. */
export const FORMATS: readonly Format[] = Object.entries(BLOCKS)
  .map(([name, block]) => ({
    name,
    type: BlockFormat[name as BlockFormatName],
    ...block,
    float: block.elements === 1,
  }))
  .sort((a, b) => a.elements - b.elements);

export function formatOf(name: string): Format {
  const found = FORMATS.find((candidate) => candidate.name === name);
  if (!found) throw new Error(`no format ${name}`);
  return found;
}

/** Bytes of a row in a file. */
export const rowBytes = (format: Format, columns: number): number => (columns / format.elements) * format.bytes;
