/** Small networks of one operator or a few, at the edges of tiles: filters around 8, columns odd, pixels around 4. */
import { TensorType } from "../../bindings/numbers.ts";
import { lcg } from "./graph.ts";
import { type Field, f32, type GraphSpec, i8, i32, type TensorSpec } from "./tflite-writer.ts";

const { F32, I8, I32, BOOL } = TensorType;

export interface ConvSpec {
  readonly height: number;
  readonly width: number;
  readonly depth: number;
  readonly filters: number;
  /** Height and width of a filter, strides, dilations; padding SAME or VALID. */
  readonly filter: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly valid: boolean;
  readonly depthwise: boolean;
  readonly real: boolean;
}

const ODD: readonly ConvSpec[] = [1, 3, 4, 5, 8, 9].flatMap((width, i) =>
  [1, 7, 8, 9, 17].flatMap((depth, j) =>
    [false, true].map((real) => ({
      height: 1 + ((i + j) % 4),
      width,
      depth,
      filters: [1, 7, 8, 9, 16][(i + 2 * j) % 5],
      filter: [[1, 1] as const, [3, 3] as const, [2, 5] as const][(i + j) % 3],
      stride: [1 + (j % 2), 1 + (i % 2)] as const,
      dilation: [1, (i + j) % 3 === 1 ? 2 : 1] as const,
      valid: (i + j) % 3 === 0,
      depthwise: (i + j) % 2 === 1,
      real,
    })),
  ),
);

/** So wide that four pixels lie inside at once, with an even and an odd number of taps. */
const WIDE: readonly ConvSpec[] = [
  [2, 3],
  [3, 3],
].flatMap(([rows, columns]) =>
  [6, 8, 24].map((depth) => ({
    ...{ height: 7, width: 17, depth, filters: depth, filter: [rows, columns] as const },
    ...{ stride: [1, 1] as const, dilation: [1, 1] as const, valid: false, depthwise: true, real: false },
  })),
);

export const CONVS: readonly ConvSpec[] = [...ODD, ...WIDE];

/** How large the output is, and what stands before the image. */
export function placed({ height, width, filter, stride, dilation, valid }: ConvSpec): {
  readonly size: readonly [number, number];
  readonly before: readonly [number, number];
} {
  const sides = [height, width].map((size, d) => {
    const reach = (filter[d] - 1) * dilation[d] + 1;
    const out = valid ? Math.floor((size + stride[d] - reach) / stride[d]) : Math.ceil(size / stride[d]);
    const before = valid ? 0 : Math.floor(Math.max(0, (out - 1) * stride[d] + reach - size) / 2);
    return [out, before] as const;
  });
  return { size: [sides[0][0], sides[1][0]], before: [sides[0][1], sides[1][1]] };
}

const X_SCALE = 0.03;
const X_ZERO = 11;
const Y_SCALE = 0.08;
const Y_ZERO = -5;
const wScale = (c: number): number => 0.004 + 0.0007 * (c % 5);

/** A convolution as a graph; what its filters and biases stand for is in `realOf`. */
export function convGraph(spec: ConvSpec): GraphSpec {
  const { height, width, depth, filter, stride, dilation, valid, depthwise, real } = spec;
  const filters = depthwise ? depth : spec.filters;
  const columns = filter[0] * filter[1] * (depthwise ? 1 : depth);
  const bytes = new Int8Array(lcg(filters * columns, 5).buffer);
  const scales = Array.from({ length: filters }, (_, c) => wScale(c));
  const channel = (k: number): number => (depthwise ? k % filters : Math.floor(k / columns));
  const data = real ? Float32Array.from(bytes, (q, k) => q * scales[channel(k)]) : bytes;
  const bias = Array.from({ length: filters }, (_, c) => 37 * c - 90);
  const biases = real ? Float32Array.from(bias, (q, c) => q * X_SCALE * scales[c]) : Int32Array.from(bias);
  const { size } = placed(spec);
  const quantised = (scale: number | number[], zero = 0): object => (real ? {} : { scale, zero });
  const type = real ? F32 : I8;
  const options: Field[] = [i8(valid ? 1 : 0), i32(stride[1]), i32(stride[0])];
  if (depthwise) options.push(i32(1));
  options.push(i8(0), i32(dilation[1]), i32(dilation[0]));
  return {
    tensors: [
      { name: "x", shape: [1, height, width, depth], type, ...quantised(X_SCALE, X_ZERO) },
      { shape: depthwise ? [1, ...filter, filters] : [filters, ...filter, depth], type, data, ...quantised(scales) },
      { shape: [filters], type: real ? F32 : I32, data: biases },
      { name: "y", shape: [1, ...size, filters], type, ...quantised(Y_SCALE, Y_ZERO) },
    ],
    operators: [{ code: depthwise ? 4 : 3, inputs: [0, 1, 2], outputs: [3], options }],
    inputs: [0],
    outputs: [3],
  };
}

/** What a convolution of bytes, or of what they stand for, comes to in f64, before it is rounded. */
export function realOf(spec: ConvSpec, input: Int8Array): number[] {
  const { height, width, depth, filter, stride, dilation, depthwise } = spec;
  const filters = depthwise ? depth : spec.filters;
  const depthSeen = depthwise ? 1 : depth;
  const columns = filter[0] * filter[1] * depthSeen;
  const weights = new Int8Array(lcg(filters * columns, 5).buffer);
  const { size, before } = placed(spec);
  return Array.from({ length: size[0] * size[1] * filters }, (_, at) => {
    const c = at % filters;
    const x = Math.floor(at / filters) % size[1];
    const y = Math.floor(at / filters / size[1]);
    let sum = 37 * c - 90;
    for (let i = 0; i < filter[0]; i++) {
      for (let j = 0; j < filter[1]; j++) {
        const row = y * stride[0] - before[0] + i * dilation[0];
        const column = x * stride[1] - before[1] + j * dilation[1];
        if (row < 0 || column < 0 || row >= height || column >= width) continue;
        for (let k = 0; k < depthSeen; k++) {
          const tap = i * filter[1] + j;
          const w = depthwise ? weights[tap * filters + c] : weights[c * columns + tap * depth + k];
          sum += w * (input[(row * width + column) * depth + (depthwise ? c : k)] - X_ZERO);
        }
      }
    }
    return sum * X_SCALE * wScale(c);
  });
}

/** The value of 8 bits that a real one becomes. */
export function kept(value: number): number {
  return Math.min(Math.max(Math.round(value / Y_SCALE) + Y_ZERO, -128), 127);
}

/** What the input's bytes stand for. */
export function meant(input: Int8Array): Float32Array {
  return Float32Array.from(input, (q) => (q - X_ZERO) * X_SCALE);
}

const q = (shape: number[], more: object = {}): TensorSpec => ({ shape, type: I8, scale: 0.05, zero: 3, ...more });
const r = (shape: number[], more: object = {}): TensorSpec => ({ shape, type: F32, ...more });
const whole = (...values: number[]): TensorSpec => ({
  shape: [values.length],
  type: I32,
  data: Int32Array.from(values),
});
const one = (
  code: number,
  tensors: TensorSpec[],
  inputs: number[],
  options?: Field[],
  outputs?: number[],
): GraphSpec => {
  const out = outputs ?? [tensors.length - 1];
  const free = inputs.filter((i) => !tensors[i].data);
  return { tensors, operators: [{ code, inputs, outputs: out, options }], inputs: free, outputs: out };
};

/** An operator of each family. */
export const SINGLES: readonly GraphSpec[] = [
  one(0, [q([2, 3, 5]), q([5]), q([2, 3, 5], { scale: 0.09 })], [0, 1], [i8(1)]),
  one(41, [r([2, 1, 5]), r([3, 1]), r([2, 3, 5])], [0, 1], [i8(3)]),
  one(18, [q([4, 9]), q([4, 9]), q([4, 9])], [0, 1], [i8(0)]),
  one(42, [r([7]), r([7]), r([7])], [0, 1], [i8(0)]),
  one(71, [r([3, 4]), r([4]), { shape: [3, 4], type: BOOL }], [0, 1]),
  one(14, [q([1, 33]), q([1, 33], { scale: 1 / 256, zero: -128 })], [0]),
  one(28, [r([1, 33]), r([1, 33])], [0]),
  one(117, [q([1, 33]), q([1, 33], { scale: 0.03 })], [0]),
  one(25, [q([3, 11]), q([3, 11], { scale: 1 / 256, zero: -128 })], [0], [f32(1)]),
  one(25, [r([3, 11]), r([3, 11])], [0], [f32(0.5)]),
  one(1, [q([1, 5, 6, 3]), q([1, 3, 3, 3])], [0], [i8(0), i32(2), i32(2), i32(3), i32(2), i8(0)]),
  one(17, [r([2, 5, 6, 3]), r([2, 4, 5, 3])], [0], [i8(1), i32(1), i32(1), i32(2), i32(2), i8(1)]),
  one(40, [q([2, 4, 3, 9]), whole(1, 2), q([2, 9], { scale: 0.02 })], [0, 1], [i8(0)]),
  one(74, [r([2, 4, 3]), whole(-1), r([2, 4, 1])], [0, 1], [i8(1)]),
  one(
    34,
    [q([1, 3, 4, 2]), { shape: [4, 2], type: I32, data: Int32Array.of(0, 0, 1, 2, 0, 1, 0, 0) }, q([1, 6, 5, 2])],
    [0, 1],
  ),
  one(100, [r([1, 6]), { shape: [2, 2], type: I32, data: Int32Array.of(0, 0, 3, 2) }, r([1, 11])], [0, 1], [i8(0)]),
  one(39, [q([2, 3, 5]), whole(2, 0, 1), q([5, 2, 3])], [0, 1]),
  one(45, [r([4, 6]), whole(1, -1), whole(4, 0), whole(2, -2), r([2, 3])], [0, 1, 2, 3], [i32(0), i32(0)]),
  one(2, [q([2, 3]), q([2, 4]), q([2, 7])], [0, 1], [i32(-1)]),
  one(102, [q([2, 7]), whole(3, 4), whole(1), q([2, 3]), q([2, 4])], [0, 1, 2], [i32(2)], [3, 4]),
  one(83, [r([2, 3]), r([2, 3]), r([2, 2, 3])], [0, 1], [i32(2), i32(1)]),
  one(36, [r([4, 3]), whole(2, 0, -1), r([3, 3])], [0, 1], [i32(0)]),
  one(23, [q([1, 3, 4, 2]), whole(7, 5), q([1, 7, 5, 2])], [0, 1], [null, null, i8(0), i8(1)]),
  one(97, [r([1, 3, 4, 2]), whole(6, 3), r([1, 6, 3, 2])], [0, 1], [i8(1), i8(0)]),
  one(5, [q([1, 2, 3, 8]), q([1, 4, 6, 2])], [0], [i32(2)]),
  one(126, [r([2, 3, 5]), r([2, 4, 5]), r([2, 3, 4])], [0, 1], [i8(0), i8(1)]),
  one(
    9,
    [q([3, 13]), q([9, 13], { data: new Int8Array(lcg(117, 6).buffer), scale: 0.01, zero: 7 }), q([3, 9])],
    [0, 1],
    [i8(3)],
  ),
  one(56, [q([2, 9]), whole(1), { shape: [2], type: I32 }], [0, 1], [i8(2)]),
  one(
    67,
    [
      whole(1, 5, 7, 9),
      r([9, 3, 3, 4], { data: Float32Array.from(lcg(324, 9), (b) => b / 99 - 1) }),
      r([1, 3, 4, 4]),
      r([1, 5, 7, 9]),
    ],
    [0, 1, 2],
    [i8(0), i32(2), i32(2)],
  ),
];
