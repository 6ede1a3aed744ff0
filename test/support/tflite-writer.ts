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
  /** Kept from run to run. */
  readonly variable?: boolean;
  /** Which values of it `data` has: orders and lists of SparsityParameters. */
  readonly sparsity?: SparsitySpec;
}
/** Levels are dense, of a size, or sparse, by two lists. */
export interface SparsitySpec {
  readonly order: readonly number[];
  readonly blocks: readonly number[];
  readonly levels: readonly (number | readonly [segments: readonly number[], indices: readonly number[]])[];
}
export interface OperatorSpec {
  readonly code: number;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly options?: readonly Field[];
  /** Which table of options that is, as the schema numbers them: an engine of others asks. Default: 1. */
  readonly union?: number;
  /** A custom operator's name, of code 32, and its options. */
  readonly custom?: readonly [name: string, options: Uint8Array];
}
export interface SubgraphSpec {
  readonly tensors: readonly TensorSpec[];
  readonly operators: readonly OperatorSpec[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
}
export interface GraphSpec extends SubgraphSpec {
  /** Subgraphs 1, 2, … */
  readonly others?: readonly SubgraphSpec[];
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
/** A 0 stands behind a string, which its count leaves out. */
const text = (words: string): Vector => {
  const letters = new TextEncoder().encode(words);
  return { count: letters.length, items: Uint8Array.of(...letters, 0) };
};
const table = (...fields: Field[]): Table => ({ fields });
const tables = (items: readonly Table[]): Vector => ({ count: items.length, items });

export function tfliteFile(spec: GraphSpec): Uint8Array {
  const graphs = [spec, ...(spec.others ?? [])];
  const called = ({ code, custom }: OperatorSpec): string => `${code} ${custom?.[0] ?? ""}`;
  const codes = [...new Set(graphs.flatMap(({ operators }) => operators.map(called)))];
  const buffers = [table(null)];
  const subgraphs = graphs.map((graph, i) => {
    const tensors = graph.tensors.map((tensor, k) => {
      buffers.push(table(tensor.data ? u8s(bytes(tensor.data)) : null));
      return tensorTable(tensor, buffers.length - 1, `t${k}`);
    });
    const operators = graph.operators.map((operator) => {
      const { inputs, outputs, options, union, custom } = operator;
      const fields = options ? table(...options) : null;
      const kind = i8(custom ? 0 : (union ?? 1));
      const bytes = custom ? u8s(custom[1]) : null;
      return table(i32(codes.indexOf(called(operator))), i32s(inputs), i32s(outputs), kind, fields, bytes);
    });
    const name = text(i === 0 ? "main" : `other ${i}`);
    return table(tables(tensors), i32s(graph.inputs), i32s(graph.outputs), tables(operators), name);
  });
  const operatorCodes = codes.map((called) => {
    const [code, name] = [Number.parseInt(called, 10), called.slice(called.indexOf(" ") + 1)];
    return table(i8(Math.min(code, 127)), name ? text(name) : null, i32(1), i32(code));
  });
  return file(table(i32(3), tables(operatorCodes), tables(subgraphs), text("a test's"), tables(buffers)));
}

/** A FlexBuffer of a map from words to whole numbers, as custom operators have their options. */
export function flexMap(numbers: Readonly<Record<string, number>>): Uint8Array {
  const words = Object.keys(numbers).sort();
  const out: number[] = [];
  const put = (value: number): void => {
    out.push(...i32(value));
  };
  const places = words.map((word) => {
    const place = out.length;
    out.push(...new TextEncoder().encode(word), 0);
    return place;
  });
  while (out.length % 4 !== 0) out.push(0);
  put(words.length);
  const keys = out.length;
  for (const place of places) put(out.length - place);
  put(out.length - keys);
  put(4);
  put(words.length);
  const map = out.length;
  for (const word of words) put(numbers[word]);
  for (const _ of words) out.push((1 << 2) | 2);
  while (out.length % 4 !== 0) out.push(0);
  put(out.length - map);
  return Uint8Array.from([...out, (9 << 2) | 2, 4]);
}

function tensorTable(spec: TensorSpec, buffer: number, otherwise: string): Table {
  const { name, shape, type, scale, zero, dimension, variable } = spec;
  const scales = scale === undefined ? null : typeof scale === "number" ? [scale] : scale;
  const zeros = scales?.map(() => zero ?? 0) ?? [];
  const quantisation = scales && table(null, null, f32s(scales), i64s(zeros), null, null, i32(dimension ?? 0));
  const kept = variable ? i8(1) : null;
  const sparse = spec.sparsity ? sparsityTable(spec.sparsity) : null;
  return table(i32s(shape), i8(type), i32(buffer), text(name ?? otherwise), quantisation, kept, sparse);
}

function sparsityTable({ order, blocks, levels }: SparsitySpec): Table {
  const rows = levels.map((level) => {
    if (typeof level === "number") return table(i8(0), i32(level));
    const bytes = { count: level[1].length, items: Uint8Array.from(level[1]) };
    return table(i8(1), i32(0), i8(1), table(i32s(level[0])), i8(3), table(bytes));
  });
  return table(i32s(order), blocks.length > 0 ? i32s(blocks) : null, tables(rows));
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
