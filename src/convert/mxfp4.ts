/**
 * Matrices that a checkpoint keeps in MXFP4 (gpt-oss): 32 values of a row are a byte of exponent in `…_scales` and sixteen
 * bytes of codes in `…_blocks`. GGUF has both in one block, and the codes in another order, so nothing is rounded.
 *
 *     checkpoint   byte j of a block: value 2j low, value 2j + 1 high      2^(e − 127) · E2M1
 *     GGUF         e, then byte j: value j low, value j + 16 high          2^(e − 128) · 2 E2M1
 */
import { LimpetError } from "../host/errors.ts";
import type { PlannedTensor } from "./plan.ts";
import { type Checkpoint, isBytes, requireShape, type SourceTensor } from "./safetensors.ts";
import type { Conversion } from "./values.ts";

/** Values of a block, bytes of its codes, and bytes of it in the file. */
const [VALUES, CODES, BLOCK] = [32, 16, 17];
/** The exponent of no number. */
const NOT_A_NUMBER = 255;
/** Bytes that are converted at a time, rows permitting. */
const CHUNK = 1 << 20;

/** Bytes of a tensor's blocks in the file; as many are read. */
export function blockBytes({ shape }: PlannedTensor): number {
  return (shape.reduce((product, n) => product * n, 1) / VALUES) * BLOCK;
}

/** The codes and the exponents that a tensor is made of. */
export function blockSources({ sources, sourceShape = [] }: PlannedTensor, { tensors }: Checkpoint): SourceTensor[] {
  const groups = sourceShape[sourceShape.length - 1] / VALUES;
  const shape = [...sourceShape.slice(0, -1), groups];
  return sources.map((name, i) => {
    const source = tensors.get(name);
    if (!source) throw new LimpetError("BAD_FILE", `the checkpoint has no ${name}, and ${sources[0]} wants it`);
    if (!isBytes(source)) {
      throw new LimpetError("UNSUPPORTED", `${name} is of type ${source.type}: MXFP4 lies in bytes, U8`);
    }
    requireShape(source, i === 0 ? [...shape, CODES] : shape);
    return source;
  });
}

/** Copies the rows of such a tensor, some at a time. */
export async function copyBlocks(
  to: Conversion,
  { name, shape, rowOf = (row) => row }: PlannedTensor,
  [codes, scales]: readonly SourceTensor[],
): Promise<void> {
  const groups = shape[0] / VALUES;
  const rows = shape.slice(1).reduce((product, n) => product * n, 1);
  const step = Math.max(1, Math.floor(CHUNK / (groups * BLOCK)));
  for (let first = 0; first < rows; first += step) {
    const wanted = Array.from({ length: Math.min(step, rows - first) }, (_, i) => rowOf(first + i));
    // Rows come in the order of the checkpoint, if not all of them.
    const [begin, end] = [wanted[0], wanted[wanted.length - 1] + 1];
    const [bytes, exponents] = [CODES, 1].map((size) => new Uint8Array((end - begin) * groups * size));
    codes.read(begin * groups * CODES, bytes);
    scales.read(begin * groups, exponents);
    const out = new Uint8Array(wanted.length * groups * BLOCK);
    wanted.forEach((row, i) => {
      for (let group = 0; group < groups; group++) {
        const at = (row - begin) * groups + group;
        if (exponents[at] === NOT_A_NUMBER) throw new LimpetError("BAD_FILE", `${name}: a scale is no number`);
        putBlock(bytes.subarray(at * CODES, (at + 1) * CODES), exponents[at], out, (i * groups + group) * BLOCK);
      }
    });
    to.writer.write(out);
    to.progress(out.length);
    const turn = to.pace.step();
    if (turn) await turn;
  }
}

function putBlock(codes: Uint8Array, exponent: number, out: Uint8Array, at: number): void {
  const code = (value: number) => (codes[value >> 1] >> (4 * (value & 1))) & 15;
  out[at] = exponent;
  for (let j = 0; j < CODES; j++) out[at + 1 + j] = code(j) | (code(j + CODES) << 4);
}
