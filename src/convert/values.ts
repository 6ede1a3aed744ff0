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
import type { PlannedTensor } from "./plan.ts";
import { type SourceTensor, valueBytes } from "./safetensors.ts";

/** Bytes of a checkpoint that are read at a time, rows and heads permitting. */
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
  source: SourceTensor,
  type: TypeName,
): Promise<void> {
  for await (const bytes of rowsOf(to, tensor, source)) {
    if (source.type === type) to.writer.write(bytes);
    else {
      const values = decode(to.kernels, source, bytes);
      requireRange(tensor.name, type, values);
      to.writer.write(type === "F32" ? bytesOf(values) : to.kernels.quantize(type, values));
    }
  }
}

/** Copies a table to rows of bytes; gives their scales. */
export async function copyTable(
  to: Conversion,
  tensor: PlannedTensor,
  source: SourceTensor,
  form: TableForm,
): Promise<Float32Array> {
  const [columns, rows] = tensor.shape;
  const scales = new Float32Array(rows);
  let row = 0;
  for await (const bytes of rowsOf(to, tensor, source)) {
    const values = decode(to.kernels, source, bytes);
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
  { name, shape, paired }: PlannedTensor,
  source: SourceTensor,
): AsyncGenerator<Uint8Array> {
  const width = valueBytes(source);
  const columns = shape.length > 1 ? shape[0] : 1;
  const rowBytes = columns * width;
  const rows = source.bytes / rowBytes;
  // Whole heads, where their rows change places.
  const unit = paired ? rows / paired : shape.length > 1 ? 1 : rows;
  const step = unit * Math.max(1, Math.floor(CHUNK / (unit * rowBytes)));
  const buffer = new Uint8Array(Math.min(step, rows) * rowBytes);
  const turned = paired ? new Uint8Array(buffer.length) : buffer;
  for (let row = 0; row < rows; row += step) {
    const length = Math.min(step, rows - row) * rowBytes;
    source.read(row * rowBytes, buffer.subarray(0, length));
    requireFinite(name, source.type, buffer.subarray(0, length));
    if (paired) pairRows(buffer.subarray(0, length), turned, unit, rowBytes);
    yield turned.subarray(0, length);
    to.progress(length);
    const turn = to.pace.step();
    if (turn) await turn;
  }
}

/** Row i of the first half of a head goes to 2i, row i of the second half to 2i + 1. */
function pairRows(source: Uint8Array, target: Uint8Array, head: number, rowBytes: number): void {
  const half = head / 2;
  for (let row = 0; row * rowBytes < source.length; row++) {
    const place = row % head;
    const to = row - place + (place < half ? 2 * place : 2 * (place - half) + 1);
    target.set(source.subarray(row * rowBytes, (row + 1) * rowBytes), to * rowBytes);
  }
}

function decode(kernels: Kernels, { type }: SourceTensor, bytes: Uint8Array): Float32Array {
  if (type !== "F32") return kernels.dequantize(type, bytes);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}
