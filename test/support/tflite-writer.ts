/**
 * Writes .tflite files for tests: tables as lists of fields, laid out one behind the other.
 *
 *     tfliteFile({ tensors: [{ shape: [1, 4], type: 9, scale: 0.1, zero: -3, data }, …],
 *                  operators: [{ code: 9, inputs: [0, 1], outputs: [2], options: [i8(1)] }], inputs: [0], outputs: [2] })
 *
 * Source: the schema of TFLite; field ids are places in the lists.
 */

/** A field: bytes that lie in the table, or what it refers to. */
export type Field = Uint8Array | Table | Vector | null;
export interface Table {
  readonly fields: readonly Field[];
}
export interface Vector {
  readonly count: number;
  readonly items: Uint8Array | readonly Table[];
}

export interface TensorSpec {
  readonly name?: string;
  readonly shape: readonly number[];
  readonly type: number;
  readonly scale?: number | readonly number[];
  readonly zero?: number;
  readonly dimension?: number;
  readonly data?: ArrayBufferView;
}
export interface OperatorSpec {
  readonly code: number;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly options?: readonly Field[];
}
export interface GraphSpec {
  readonly tensors: readonly TensorSpec[];
  readonly operators: readonly OperatorSpec[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}

const bytes = (view: ArrayBufferView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
export const i8 = (value: number): Uint8Array => Uint8Array.of(value & 255);
export const i32 = (value: number): Uint8Array => bytes(Int32Array.of(value));
export const f32 = (value: number): Uint8Array => bytes(Float32Array.of(value));
const i32s = (values: readonly number[]): Vector => ({ count: values.length, items: bytes(Int32Array.from(values)) });
const f32s = (values: readonly number[]): Vector => ({ count: values.length, items: bytes(Float32Array.from(values)) });
const i64s = (values: readonly number[]): Vector => ({
  count: values.length,
  items: bytes(BigInt64Array.from(values.map(BigInt))),
});
const u8s = (view: Uint8Array): Vector => ({ count: view.length, items: view });
const text = (words: string): Vector => u8s(new TextEncoder().encode(words));
const table = (...fields: Field[]): Table => ({ fields });
const tables = (items: readonly Table[]): Vector => ({ count: items.length, items });

export function tfliteFile(spec: GraphSpec): Uint8Array {
  const codes = [...new Set(spec.operators.map(({ code }) => code))];
  const buffers = [table(null), ...spec.tensors.map(({ data }) => table(data ? u8s(bytes(data)) : null))];
  const tensors = spec.tensors.map(({ name, shape, type, scale, zero, dimension }, i) => {
    const scales = scale === undefined ? null : typeof scale === "number" ? [scale] : scale;
    const zeros = scales?.map(() => zero ?? 0) ?? [];
    const quantisation = scales && table(null, null, f32s(scales), i64s(zeros), null, null, i32(dimension ?? 0));
    return table(i32s(shape), i8(type), i32(i + 1), text(name ?? `t${i}`), quantisation);
  });
  const operators = spec.operators.map(({ code, inputs, outputs, options }) =>
    table(i32(codes.indexOf(code)), i32s(inputs), i32s(outputs), i8(1), options ? table(...options) : null),
  );
  const subgraph = table(tables(tensors), i32s(spec.inputs), i32s(spec.outputs), tables(operators), text("main"));
  const operatorCodes = codes.map((code) => table(i8(Math.min(code, 127)), null, i32(1), i32(code)));
  return file(table(i32(3), tables(operatorCodes), tables([subgraph]), text("a test's"), tables(buffers)));
}

/** The root table behind the head of a file. */
function file(root: Table): Uint8Array {
  let out = new Uint8Array(1 << 12);
  let end = 8;
  const room = (count: number, alignment: number): number => {
    const at = Math.ceil(end / alignment) * alignment;
    end = at + count;
    while (end > out.length) {
      const larger = new Uint8Array(2 * out.length);
      larger.set(out);
      out = larger;
    }
    return at;
  };
  const view = (): DataView => new DataView(out.buffer);
  const refer = (place: number, target: number): void => view().setUint32(place, target - place, true);
  const writeVector = ({ count, items }: Vector): number => {
    const isTables = Array.isArray(items);
    // Elements begin at a multiple of 16, as a converter lays weights.
    room(12, 16);
    const at = room(4 + (isTables ? 4 * count : (items as Uint8Array).length), 4);
    view().setUint32(at, count, true);
    if (isTables) {
      (items as readonly Table[]).forEach((item, i) => {
        const target = writeTable(item);
        refer(at + 4 + 4 * i, target);
      });
    } else out.set(items as Uint8Array, at + 4);
    return at;
  };
  const writeTable = ({ fields }: Table): number => {
    const sizes = fields.map((field) => (field === null ? 0 : field instanceof Uint8Array ? field.length : 4));
    const places: number[] = [];
    let size = 4;
    for (const bytes of sizes) {
      size = bytes ? Math.ceil(size / bytes) * bytes : size;
      places.push(bytes ? size : 0);
      size += bytes;
    }
    const vtable = room(4 + 2 * fields.length, 2);
    const at = room(size, 8);
    view().setUint16(vtable, 4 + 2 * fields.length, true);
    view().setUint16(vtable + 2, size, true);
    places.forEach((place, i) => {
      view().setUint16(vtable + 4 + 2 * i, place, true);
    });
    view().setInt32(at, at - vtable, true);
    fields.forEach((field, i) => {
      if (field instanceof Uint8Array) out.set(field, at + places[i]);
      else if (field) refer(at + places[i], "fields" in field ? writeTable(field) : writeVector(field));
    });
    return at;
  };
  refer(0, writeTable(root));
  out.set(new TextEncoder().encode("TFL3"), 4);
  return out.slice(0, end);
}
