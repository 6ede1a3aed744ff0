/** Tensors of a graph as users meet them: their types, the arrays of their values, what is wrong with an input. */
import { TensorType } from "../../bindings/numbers.ts";
import { printable } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";

/** What values of a tensor are. `float16` comes and goes as the bits of its halves. */
export type GraphTensorType =
  | "float32"
  | "float16"
  | "int32"
  | "uint8"
  | "int64"
  | "bool"
  | "int16"
  | "int8"
  | "uint32"
  | "uint64"
  | "uint16";

/** The values of a tensor, row after row: the array of its type; of `bool` u8, of `float16` u16. */
export type GraphArray =
  | Float32Array
  | Int32Array
  | Uint8Array
  | BigInt64Array
  | BigUint64Array
  | Int16Array
  | Int8Array
  | Uint32Array
  | Uint16Array;

/** An input or an output of a graph. */
export interface GraphTensor {
  /** Its name in the file; where a file gives none, one twice, or one of this form, `input 0`, `output 1`. */
  readonly name: string;
  /** What its values are. */
  readonly type: GraphTensorType;
  /** Its dimensions; an image is [batch, height, width, depth]. */
  readonly shape: readonly number[];
  /** A quantised value q stands for scale · (q − zeroPoint); 0 where it is not quantised. */
  readonly scale: number;
  /** The quantised value that stands for 0. */
  readonly zeroPoint: number;
}

/** A type of tensors, and its arrays. */
export interface Kind {
  readonly name: GraphTensorType;
  readonly array: {
    readonly name: string;
    readonly BYTES_PER_ELEMENT: number;
    new (buffer: ArrayBuffer): GraphArray;
  };
}

/** By number of the schema. */
export const KINDS: ReadonlyMap<number, Kind> = new Map<number, Kind>([
  [TensorType.F32, { name: "float32", array: Float32Array }],
  [TensorType.F16, { name: "float16", array: Uint16Array }],
  [TensorType.I32, { name: "int32", array: Int32Array }],
  [TensorType.U8, { name: "uint8", array: Uint8Array }],
  [TensorType.I64, { name: "int64", array: BigInt64Array }],
  [TensorType.BOOL, { name: "bool", array: Uint8Array }],
  [TensorType.I16, { name: "int16", array: Int16Array }],
  [TensorType.I8, { name: "int8", array: Int8Array }],
  [TensorType.U32, { name: "uint32", array: Uint32Array }],
  [TensorType.U64, { name: "uint64", array: BigUint64Array }],
  [TensorType.U16, { name: "uint16", array: Uint16Array }],
]);

function arrayOf({ type }: GraphTensor): Kind["array"] {
  return [...KINDS.values()].find((kind) => kind.name === type)!.array;
}

/** The bytes of a tensor's values. */
export function bytesOf(tensor: GraphTensor): number {
  return tensor.shape.reduce((product, n) => product * n, arrayOf(tensor).BYTES_PER_ELEMENT);
}

/** Raw bytes as the values of a tensor; `place` is what has them. */
export function valuesOf(tensor: GraphTensor, bytes: Uint8Array, place: string): GraphArray {
  const wanted = bytesOf(tensor);
  if (bytes.length !== wanted) {
    const words = `input ${tensor.name}, ${tensor.type} [${tensor.shape.join(", ")}]`;
    throw new LimpetError("BAD_ARGUMENT", `${place} has ${bytes.length} bytes, and ${words}, has ${wanted}`);
  }
  return new (arrayOf(tensor))(bytes.slice().buffer);
}

/** The values of all inputs in their order; what is missing, of another type or length, or no input is refused in words. */
export function checkedInputs(
  tensors: readonly GraphTensor[],
  inputs: Readonly<Record<string, GraphArray>>,
): GraphArray[] {
  if (typeof inputs !== "object" || inputs === null) {
    throw new LimpetError("BAD_ARGUMENT", `inputs is an object of arrays by name, not ${printable(inputs)}`);
  }
  const names = tensors.map(({ name }) => name);
  const unknown = Object.keys(inputs).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new LimpetError("BAD_ARGUMENT", `the graph has no input ${printable(unknown)}; it has ${names.join(", ")}`);
  }
  return tensors.map((tensor) => {
    const value = Object.hasOwn(inputs, tensor.name) ? inputs[tensor.name] : undefined;
    const array = arrayOf(tensor);
    const length = bytesOf(tensor) / array.BYTES_PER_ELEMENT;
    const tag = Object.prototype.toString.call(value).slice(8, -1);
    if (tag !== array.name || (value as GraphArray).length !== length) {
      const other = ArrayBuffer.isView(value) || tag.endsWith("Buffer") ? an(tag) : printable(value);
      const found = tag === array.name ? `one of ${(value as GraphArray).length}` : other;
      throw new LimpetError(
        "BAD_ARGUMENT",
        `input ${tensor.name} [${tensor.shape.join(", ")}] wants ${an(array.name)} of ${length} values, not ${found}`,
      );
    }
    return value as GraphArray;
  });
}

function an(name: string): string {
  return name.startsWith("I") ? `an ${name}` : `a ${name}`;
}
