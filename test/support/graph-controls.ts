/** Small networks of operators that keep something or run subgraphs: SVDF, an LSTM, IF, WHILE; TOPK_V2; signals. */
import { TensorType } from "../../bindings/numbers.ts";
import { lcg } from "./graph.ts";
import {
  f32,
  flexMap,
  type GraphSpec,
  i8,
  i32,
  type OperatorSpec,
  type SubgraphSpec,
  type TensorSpec,
} from "./tflite-writer.ts";

const { F32, I8, I16, I32, U32, U64, BOOL } = TensorType;

const bytes = (count: number, seed: number): Int8Array => new Int8Array(lcg(count, seed).buffer);
const words = (count: number, seed: number, divisor: number): Int32Array =>
  Int32Array.from(new Int32Array(lcg(4 * count, seed).buffer), (word) => Math.trunc(word / divisor));
const shorts = (count: number, seed: number): Int16Array => new Int16Array(lcg(2 * count, seed).buffer);
const reals = (count: number, seed: number): Float32Array => Float32Array.from(bytes(count, seed), (q) => q / 128);

/** SVDF: 3 inputs of depth 5, 6 filters over 4 times, of rank 1 or 2. */
export function svdfGraph(kind: "i8" | "i16" | "f32", rank: 1 | 2): GraphSpec {
  const units = 6 / rank;
  const real = kind === "f32";
  const type = real ? F32 : I8;
  const stateType = real ? F32 : kind === "i16" ? I16 : I8;
  const q = (scale: number, zero = 0): object => (real ? {} : { scale, zero });
  const times = real ? reals(24, 4) : kind === "i16" ? shorts(24, 4) : bytes(24, 4);
  return {
    tensors: [
      { name: "x", shape: [3, 5], type, ...q(0.02, 7) },
      { shape: [6, 5], type, data: real ? reals(30, 3) : bytes(30, 3), ...q(0.004) },
      { shape: [6, 4], type: stateType, data: times, ...q(kind === "i16" ? 0.00003 : 0.006) },
      {
        shape: [units],
        type: real ? F32 : I32,
        data: real ? reals(units, 5) : words(units, 5, 1e7),
        ...q(kind === "i16" ? 3e-7 : 0.0003),
      },
      {
        shape: [3, 24],
        type: stateType,
        variable: true,
        ...q(kind === "i16" ? 0.01 : 0.05, kind === "i8" ? -3 : 0),
      },
      { name: "y", shape: [3, units], type, ...q(0.03, -9) },
    ],
    operators: [{ code: 27, union: 6, inputs: [0, 1, 2, 3, 4], outputs: [5], options: [i32(rank), i8(real ? 1 : 0)] }],
    inputs: [0],
    outputs: [5],
  };
}

/** An LSTM of i8: 2 batches of 3 times, depth 5, 4 units. */
export function lstmGraph(timeMajor: boolean, clip: number, cellPower: number): GraphSpec {
  const w = (depth: number, seed: number, scale: number): TensorSpec => ({
    shape: [4, depth],
    type: I8,
    data: bytes(4 * depth, seed),
    scale,
    zero: 0,
  });
  const bias = (seed: number): TensorSpec => ({
    shape: [4],
    type: I32,
    data: words(4, seed, 1e6),
    scale: 1e-4,
    zero: 0,
  });
  const [first, second] = timeMajor ? [3, 2] : [2, 3];
  return {
    tensors: [
      { name: "x", shape: [first, second, 5], type: I8, scale: 0.03, zero: 5 },
      ...[0.008, 0.012, 0.007, 0.01].map((scale, i) => w(5, 20 + i, scale)),
      ...[0.009, 0.006, 0.011, 0.01].map((scale, i) => w(4, 30 + i, scale)),
      ...[40, 41, 42, 43].map(bias),
      { shape: [2, 4], type: I8, scale: 0.0078, zero: -4, variable: true },
      { shape: [2, 4], type: I16, scale: 2 ** cellPower, zero: 0, variable: true },
      { name: "y", shape: [first, second, 4], type: I8, scale: 0.0078, zero: -4 },
    ],
    operators: [
      {
        code: 44,
        union: 71,
        inputs: [0, 1, 2, 3, 4, 5, 6, 7, 8, -1, -1, -1, 9, 10, 11, 12, -1, -1, 13, 14, -1, -1, -1, -1],
        outputs: [15],
        options: [i8(4), f32(clip), f32(0), i8(timeMajor ? 1 : 0)],
      },
    ],
    inputs: [0],
    outputs: [15],
  };
}

const r = (shape: number[], more: object = {}): TensorSpec => ({ shape, type: F32, ...more });
const flag: TensorSpec = { shape: [1], type: BOOL };

/** Runs one of two subgraphs: x + x or x · x. */
export const IF: GraphSpec = {
  tensors: [{ name: "flag", ...flag }, r([4], { name: "x" }), r([4], { name: "y" })],
  operators: [{ code: 118, union: 92, inputs: [0, 1], outputs: [2], options: [i32(1), i32(2)] }],
  inputs: [0, 1],
  outputs: [2],
  others: [[0, 11] as const, [18, 21] as const].map(([code, union]) => ({
    tensors: [r([4]), r([4])],
    operators: [{ code, union, inputs: [0, 0], outputs: [1], options: [i8(0)] }],
    inputs: [0],
    outputs: [1],
  })),
};

/** While a < limit: (a, b) ← (a + b, a), a row of Fibonacci's numbers. */
export const WHILE: GraphSpec = {
  tensors: ["a", "b", "c", "d"].map((name) => r([1], { name })),
  operators: [{ code: 119, union: 93, inputs: [0, 1], outputs: [2, 3], options: [i32(1), i32(2)] }],
  inputs: [0, 1],
  outputs: [2, 3],
  others: [
    {
      tensors: [r([1]), r([1]), r([1], { data: Float32Array.of(1000) }), flag],
      operators: [{ code: 58, union: 41, inputs: [0, 2], outputs: [3] }],
      inputs: [0, 1],
      outputs: [3],
    },
    {
      tensors: [r([1]), r([1]), r([1])],
      operators: [{ code: 0, union: 11, inputs: [0, 1], outputs: [2], options: [i8(0)] }],
      inputs: [0, 1],
      outputs: [2, 0],
    },
  ],
};

/** … with an IF in its body: what is above 10 is halved, the rest grows by half; 20 turns of a counter. */
export const NESTED: GraphSpec = {
  tensors: [r([1], { name: "turn" }), r([3], { name: "x" }), r([1], { name: "turns" }), r([3], { name: "y" })],
  operators: [{ code: 119, union: 93, inputs: [0, 1], outputs: [2, 3], options: [i32(1), i32(2)] }],
  inputs: [0, 1],
  outputs: [2, 3],
  others: [
    {
      tensors: [r([1]), r([3]), r([1], { data: Float32Array.of(20) }), flag],
      operators: [{ code: 58, union: 41, inputs: [0, 2], outputs: [3] }],
      inputs: [0, 1],
      outputs: [3],
    },
    {
      tensors: [
        r([1]),
        r([3]),
        r([1], { data: Float32Array.of(1) }),
        r([1]),
        { shape: [1], type: I32, data: Int32Array.of(0) },
        r([1]),
        r([1], { data: Float32Array.of(10) }),
        flag,
        r([3]),
      ],
      operators: [
        { code: 0, union: 11, inputs: [0, 2], outputs: [3], options: [i8(0)] },
        { code: 82, union: 27, inputs: [1, 4], outputs: [5], options: [i8(1)] },
        { code: 61, union: 44, inputs: [5, 6], outputs: [7] },
        { code: 118, union: 92, inputs: [7, 1], outputs: [8], options: [i32(3), i32(4)] },
      ],
      inputs: [0, 1],
      outputs: [3, 8],
    },
    ...[0.5, 1.5].map(
      (factor): SubgraphSpec => ({
        tensors: [r([3]), r([1], { data: Float32Array.of(factor) }), r([3])],
        operators: [{ code: 18, union: 21, inputs: [0, 1], outputs: [2], options: [i8(0)] }],
        inputs: [0],
        outputs: [2],
      }),
    ),
  ],
};

/** The 4 largest of rows of 9. */
export const TOP: GraphSpec = {
  tensors: [
    { name: "x", shape: [3, 9], type: F32 },
    { shape: [1], type: I32, data: Int32Array.of(4) },
    { name: "y", shape: [3, 4], type: F32 },
    { name: "places", shape: [3, 4], type: I32 },
  ],
  operators: [{ code: 48, union: 34, inputs: [0, 1], outputs: [2, 3] }],
  inputs: [0],
  outputs: [2, 3],
};

/** Sparse weights made whole: rows of values that are not zero, and blocks of 2 by 2. */
export const SPARSE: readonly GraphSpec[] = [
  {
    order: [0, 1],
    blocks: [],
    levels: [
      4,
      [
        [0, 2, 2, 3, 5],
        [1, 5, 0, 2, 3],
      ] as const,
    ],
  },
  {
    order: [0, 1, 2, 3],
    blocks: [0, 1],
    levels: [
      2,
      [
        [0, 1, 3],
        [2, 0, 1],
      ] as const,
      2,
      2,
    ],
  },
].map((sparsity, i) => ({
  tensors: [
    { name: "x", shape: [4, 6], type: F32 },
    { shape: [4, 6], type: F32, data: Float32Array.from({ length: i === 0 ? 5 : 12 }, (_, k) => k + 1), sparsity },
    { shape: [4, 6], type: F32 },
    { name: "y", shape: [4, 6], type: F32 },
  ],
  operators: [
    { code: 124, union: 99, inputs: [1], outputs: [2], options: [] },
    { code: 0, union: 11, inputs: [0, 2], outputs: [3], options: [i8(0)] },
  ],
  inputs: [0],
  outputs: [3],
}));
/** What they are, row after row. */
export const WHOLE: readonly (readonly number[])[] = [
  [0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 5, 0, 0],
  [0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 3, 4, 5, 6, 9, 10, 0, 0, 7, 8, 11, 12, 0, 0],
];

/** A small front end: 12 samples, a transform of 16, three channels. */
export const SIGNALS: GraphSpec = {
  tensors: [
    { name: "samples", shape: [1, 12], type: I16 },
    { shape: [12], type: I16, data: Int16Array.from({ length: 12 }, (_, i) => 700 * Math.min(i, 11 - i)) },
    { shape: [1, 12], type: I16 },
    { shape: [12], type: I16 },
    { shape: [12], type: I16 },
    { shape: [], type: I32 },
    { shape: [18], type: I16 },
    { shape: [9], type: U32 },
    { shape: [7], type: I16, data: Int16Array.of(4096, 1000, 2000, 3000, 100, 200, 4000) },
    { shape: [7], type: I16, data: Int16Array.of(0, 3096, 2096, 1096, 3996, 3896, 96) },
    { shape: [4], type: I16, data: Int16Array.of(1, 2, 4, 6) },
    { shape: [4], type: I16, data: Int16Array.of(0, 1, 3, 5) },
    { shape: [4], type: I16, data: Int16Array.of(1, 2, 2, 2) },
    { shape: [3], type: U64 },
    { shape: [3], type: U32 },
    { shape: [3], type: U32 },
    { shape: [3], type: U32 },
    { shape: [125], type: I16, data: Int16Array.from({ length: 125 }, (_, i) => 32000 - 250 * i) },
    { shape: [3], type: U32 },
    { name: "features", shape: [3], type: I16 },
  ],
  operators: [
    signal("Window", [0, 1], [2], { shift: 12 }),
    { code: 22, inputs: [2], outputs: [3] },
    signal("FftAutoScale", [3], [4, 5], {}),
    signal("Rfft", [4], [6], { T: 7, fft_length: 16 }),
    signal("Energy", [6], [7], { start_index: 1, end_index: 8 }),
    signal("FilterBank", [7, 8, 9, 10, 11, 12], [13], { num_channels: 3 }),
    signal("FilterBankSquareRoot", [13, 5], [14], {}),
    signal("FilterBankSpectralSubtraction", [14], [15, 16], {
      alternate_one_minus_smoothing: 15401,
      alternate_smoothing: 983,
      clamping: 1,
      min_signal_remaining: 819,
      num_channels: 3,
      one_minus_smoothing: 15975,
      smoothing: 409,
      smoothing_bits: 10,
      spectral_subtraction_bits: 14,
    }),
    signal("PCAN", [15, 16, 17], [18], { snr_shift: 6 }),
    signal("FilterBankLog", [18], [19], { input_correction_bits: 3, output_scale: 64 }),
  ],
  inputs: [0],
  outputs: [19],
};

function signal(name: string, inputs: number[], outputs: number[], options: Record<string, number>): OperatorSpec {
  return { code: 32, inputs, outputs, custom: [`Signal${name}`, flexMap(options)] };
}

/** All of them. */
export const CONTROLS: readonly GraphSpec[] = [
  svdfGraph("i8", 2),
  svdfGraph("i16", 1),
  svdfGraph("f32", 1),
  lstmGraph(false, 0.5, -12),
  lstmGraph(true, 0, -11),
  IF,
  WHILE,
  NESTED,
  TOP,
  SIGNALS,
  ...SPARSE,
];

const X: TensorSpec = { name: "x", shape: [1], type: TensorType.F32 };
/** While true: x ← x. */
export const FOREVER: GraphSpec = {
  tensors: [X, { ...X, name: "y" }],
  operators: [{ code: 119, inputs: [0], outputs: [1], options: [i32(1), i32(2)] }],
  inputs: [0],
  outputs: [1],
  others: [
    {
      tensors: [X, { shape: [1], type: TensorType.BOOL, data: Uint8Array.of(1) }],
      operators: [],
      inputs: [0],
      outputs: [1],
    },
    { tensors: [X], operators: [], inputs: [0], outputs: [0] },
  ],
};
