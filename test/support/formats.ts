/** The block formats as tests see them. */
import { BLOCKS, BlockFormat, type BlockFormatName } from "../../bindings/numbers.ts";
import type { TensorType } from "../../scripts/gguf-writer.mjs";
import { randomBlocks } from "../../scripts/random-blocks.mjs";
import { isCodebookType } from "../../src/host/types.ts";
import type { TestCore } from "./core.ts";

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

/** Those that values are quantised to; the others, with codebooks, are for reading. */
export const WRITTEN = FORMATS.filter(({ name }) => !isCodebookType(name));
export const CODEBOOKS = FORMATS.filter(({ name }) => isCodebookType(name));

export function formatOf(name: string): Format {
  const found = FORMATS.find((candidate) => candidate.name === name);
  if (!found) throw new Error(`no format ${name}`);
  return found;
}

/** Bytes of a row in a file. */
export const rowBytes = (format: Format, columns: number): number => (columns / format.elements) * format.bytes;

/** Blocks of a format as in a file: values quantised to it, or where nothing is, random ones of their size. */
export function blocksOf(core: TestCore, format: Format, values: Float32Array): Uint8Array {
  const length = rowBytes(format, values.length);
  if (isCodebookType(format.name)) {
    const bytes = new Uint8Array(length);
    randomBlocks(format.name as TensorType, `${format.name} ${values.length}`, 1)(bytes);
    return bytes;
  }
  const source = core.put(values);
  const target = core.allocate(length);
  const status = core.call("kernel_quantize", format.type, source, target, values.length);
  if (status !== 0) throw new Error(`${format.name} is not quantised: ${status}`);
  const bytes = core.u8(target, length);
  core.release(source);
  core.release(target);
  return bytes;
}

/** Writes a half scale of the block at `block`; IQ1_M has it in four pieces of four bits, the lowest first. */
export function setHalf(bytes: Uint8Array, format: Format, block: number, at: number, bits: number): void {
  if (format.name !== "IQ1_M") {
    bytes[block + at] = bits & 255;
    bytes[block + at + 1] = bits >> 8;
    return;
  }
  for (let i = 0; i < 4; i++) {
    const place = block + 49 + 2 * i;
    bytes[place] = (bytes[place] & 15) | (((bits >> (4 * i)) & 15) << 4);
  }
}
