/**
 * The weights of a tensor, from the checkpoint to the file: some rows at a time are read, put in order, and brought to
 * the type of the file by the core's kernels.
 */
import { bytesOf } from "../../bindings/memory.ts";
import type { Kernels } from "../api/kernels.ts";
import type { Pace } from "../host/pace.ts";
import type { TypeName } from "../host/types.ts";
import { requireFinite, requireRange } from "../quantize/range.ts";
import { quantizeTableRows, type TableForm, tableRowBytes } from "../quantize/table-rows.ts";
import type { GgufWriter } from "../store/gguf-writer.ts";
import { type PlannedTensor, valuesOf } from "./plan.ts";
import { type SourceTensor, valueBytes } from "./safetensors.ts";
import { SourceRows } from "./source-rows.ts";

/** Bytes of a checkpoint that are converted at a time, rows permitting. */
const CHUNK = 1 << 20;

export interface Conversion {
  readonly kernels: Kernels;
  readonly writer: GgufWriter;
  readonly pace: Pace;
  /** Bytes of the checkpoint that have been read. */
  readonly progress: (bytes: number) => void;
}

/** Copies a tensor to a type of the core. */
export async function copyTensor(
  to: Conversion,
  tensor: PlannedTensor,
  sources: readonly SourceTensor[],
  type: TypeName,
): Promise<void> {
  const { plus, negatedExp, times, shape } = tensor;
  let at = 0;
  for await (const bytes of rowsOf(to, tensor, sources)) {
    if (sources[0].type === type && !plus && !negatedExp && !times) to.writer.write(bytes);
    else {
      const values = decode(to.kernels, tensor, sources[0], bytes);
      if (times) for (let i = 0; i < values.length; i++) values[i] *= times(Math.floor((at + i) / shape[0]));
      at += values.length;
      requireRange(tensor.name, type, values);
      to.writer.write(type === "F32" ? bytesOf(values) : to.kernels.quantize(type, values));
    }
  }
}

/** Copies a table to rows of bytes; gives their scales. */
export async function copyTable(
  to: Conversion,
  tensor: PlannedTensor,
  sources: readonly SourceTensor[],
  form: TableForm,
): Promise<Float32Array> {
  const [columns, rows] = tensor.shape;
  const scales = new Float32Array(rows);
  let row = 0;
  for await (const bytes of rowsOf(to, tensor, sources)) {
    const values = decode(to.kernels, tensor, sources[0], bytes);
    requireRange(tensor.name, form, values);
    const count = values.length / columns;
    const codes = new Uint8Array(count * tableRowBytes(form, columns));
    quantizeTableRows(form, values, columns, codes, scales.subarray(row, row + count));
    to.writer.write(codes);
    row += count;
  }
  return scales;
}

/** The rows of a tensor in the order of the file, some at a time; the bytes are valid until the next ones. */
async function* rowsOf(
  to: Conversion,
  planned: PlannedTensor,
  sources: readonly SourceTensor[],
): AsyncGenerator<Uint8Array> {
  const { name, rowOf } = planned;
  const all = new SourceRows(planned, sources);
  const { rowBytes } = all;
  const rows = (valuesOf(planned) * valueBytes(sources[0])) / rowBytes;
  const step = Math.min(rows, Math.max(1, Math.floor(CHUNK / rowBytes)));
  const buffer = new Uint8Array(step * rowBytes);
  for (let row = 0; row < rows; row += step) {
    const bytes = buffer.subarray(0, Math.min(step, rows - row) * rowBytes);
    if (!rowOf) all.read(row, bytes);
    else
      all.gather(
        Array.from({ length: bytes.length / rowBytes }, (_, i) => rowOf(row + i)),
        bytes,
      );
    requireFinite(name, sources[0].type, bytes);
    yield bytes;
    to.progress(bytes.length);
    const turn = to.pace.step();
    if (turn) await turn;
  }
}

/** The values of some rows, with what is done to each. */
function decode(
  kernels: Kernels,
  { plus = 0, negatedExp = false }: PlannedTensor,
  { type }: SourceTensor,
  bytes: Uint8Array,
): Float32Array {
  const values =
    type === "F32"
      ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
      : kernels.dequantize(type, bytes);
  if (plus) for (let i = 0; i < values.length; i++) values[i] += plus;
  if (negatedExp) for (let i = 0; i < values.length; i++) values[i] = -Math.exp(values[i]);
  return values;
}
