/**
 * The weights of a tensor, from one file to the other: some rows at a time are read, taken out of their blocks by the
 * core's kernels, and put into those of the new type. What keeps its type is copied byte by byte.
 */
import { bytesOf } from "../../bindings/memory.ts";
import type { Kernels } from "../api/kernels.ts";
import { LimpetError } from "../host/errors.ts";
import type { Pace } from "../host/pace.ts";
import type { TypeName } from "../host/types.ts";
import type { TensorInfo } from "../load/info.ts";
import type { Part } from "../load/part.ts";
import type { GgufTensor, GgufWriter } from "../store/gguf-writer.ts";
import type { Step, TableStep } from "./plan.ts";
import { requireRange } from "./range.ts";
import { dequantizeTableRows, quantizeTableRows, tableRowBytes } from "./table-rows.ts";

/** Values that are converted at a time, rows permitting: a tick of progress, and of an abort. */
const CHUNK = 1 << 17;

export interface Rewriting {
  readonly kernels: Kernels;
  readonly parts: readonly Part[];
  readonly writer: GgufWriter;
  readonly pace: Pick<Pace, "step">;
  /** Bytes of the input that have been read. */
  readonly progress: (bytes: number) => void;
}

/** Writes the tensor of a step. Gives the scales that a table has made, which are the tensor behind it. */
export async function copyStep(to: Rewriting, step: Step, scales: Float32Array): Promise<Float32Array> {
  if (step.kind === "scales") to.writer.write(bytesOf(scales));
  else if (step.kind === "table") return copyTable(to, step);
  else await copyTensor(to, step.source, step.tensor);
  return scales;
}

async function copyTensor(to: Rewriting, source: TensorInfo, { name, type }: GgufTensor): Promise<void> {
  for await (const { bytes } of rowsOf(to, source)) {
    if (source.type === type) to.writer.write(bytes);
    else to.writer.write(encode(to.kernels, name, type as TypeName, decode(to.kernels, source.type, bytes)));
  }
}

async function copyTable(to: Rewriting, step: TableStep): Promise<Float32Array> {
  const { tensor, source, columns, from, to: form } = step;
  const before = step.scales ? await readScales(to, step.scales) : new Float32Array(0);
  const rows = source.shape[1];
  const after = new Float32Array(form ? rows : 0);
  for await (const { bytes, row, count } of rowsOf(to, source)) {
    let values: Float32Array;
    if (from) {
      values = new Float32Array(count * columns);
      dequantizeTableRows(from, bytes, columns, before.subarray(row, row + count), values);
    } else values = decode(to.kernels, source.type, bytes);
    if (form) {
      requireRange(tensor.name, form, values);
      const codes = new Uint8Array(count * tableRowBytes(form, columns));
      quantizeTableRows(form, values, columns, codes, after.subarray(row, row + count));
      to.writer.write(codes);
    } else to.writer.write(encode(to.kernels, tensor.name, tensor.type as TypeName, values));
  }
  return after;
}

async function readScales(to: Rewriting, source: TensorInfo): Promise<Float32Array> {
  const scales = new Float32Array(source.shape[0]);
  await read(to, source, 0, bytesOf(scales));
  to.progress(source.bytes);
  return scales;
}

interface Rows {
  /** Valid until the next ones. */
  readonly bytes: Uint8Array;
  readonly row: number;
  readonly count: number;
}

async function* rowsOf(to: Rewriting, source: TensorInfo): AsyncGenerator<Rows> {
  const [columns] = source.shape;
  const rows = source.shape.reduce((product, size) => product * size, 1) / columns;
  const rowBytes = source.bytes / rows;
  const step = Math.max(1, Math.floor(CHUNK / columns));
  const buffer = new Uint8Array(Math.min(step, rows) * rowBytes);
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    const bytes = buffer.subarray(0, count * rowBytes);
    await read(to, source, row * rowBytes, bytes);
    yield { bytes, row, count };
    to.progress(bytes.length);
    const turn = to.pace.step();
    if (turn) await turn;
  }
}

async function read({ parts }: Rewriting, source: TensorInfo, offset: number, target: Uint8Array): Promise<void> {
  const count = await parts[source.file].read(source.offset + offset, target);
  if (count < target.length) {
    throw new LimpetError("BAD_FILE", `the file ends within ${source.name}; download it again`);
  }
}

function decode(kernels: Kernels, type: string, bytes: Uint8Array): Float32Array {
  return kernels.dequantize(type as TypeName, bytes);
}

function encode(kernels: Kernels, name: string, type: TypeName, values: Float32Array): Uint8Array {
  requireRange(name, type, values);
  return type === "F32" ? bytesOf(values) : kernels.quantize(type, values);
}
