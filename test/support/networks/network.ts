/**
 * Networks of papers, written down as graphs of .tflite with random weights: what a module of PyTorch holds by name, and the
 * same folded into the operators that a converter would write (batch norms into convolutions, padding as PAD).
 */
import { TensorType } from "../../../bindings/numbers.ts";
import { safetensors, type Weights } from "../checkpoint.ts";
import { generator } from "../random.ts";
import {
  type Field,
  f32,
  type GraphSpec,
  i8,
  i32,
  type OperatorSpec,
  type TensorSpec,
  tfliteFile,
} from "../tflite-writer.ts";

const { F32, I32 } = TensorType;

/** Operators by their codes in the schema of TFLite. */
const CODE = {
  add: 0,
  averagePool: 1,
  concatenation: 2,
  conv: 3,
  depthwise: 4,
  fullyConnected: 9,
  logistic: 14,
  maxPool: 17,
  mul: 18,
  relu: 19,
  relu6: 21,
  reshape: 22,
  softmax: 25,
  pad: 34,
  transpose: 39,
  mean: 40,
  sub: 41,
  rsqrt: 76,
  split: 49,
  stridedSlice: 45,
  squaredDifference: 99,
  hardSwish: 117,
  batchMatmul: 126,
  gelu: 150,
} as const;
const VALID = 1;

/** A tensor of the graph: rows of images are [1, height, width, channels]. */
export interface Value {
  readonly id: number;
  readonly shape: readonly number[];
}

export interface ConvOptions {
  /** Filters. Default: as many as the input has channels. */
  readonly out?: number;
  readonly size?: number;
  readonly stride?: number;
  /** Before and behind each side, as PyTorch pads. Default: half the size. */
  readonly pad?: number;
  /** One filter a channel. */
  readonly depthwise?: boolean;
  readonly bias?: boolean;
  /** The batch norm that follows, by its name, and its epsilon. */
  readonly norm?: string;
  readonly epsilon?: number;
}

export class Network {
  readonly weights: Weights = {};
  readonly #tensors: TensorSpec[] = [];
  readonly #operators: OperatorSpec[] = [];
  readonly #next: () => number;
  readonly #input: Value;
  readonly #given: Weights | undefined;

  /** With random weights, or with those that are given. */
  constructor(seed: number, shape: readonly number[], given?: Weights) {
    this.#next = generator(seed);
    this.#given = given;
    this.#input = this.#value(shape, "input");
  }

  get input(): Value {
    return this.#input;
  }

  /** How many numbers have been learnt, were it trained. */
  get parameters(): number {
    const learnt = Object.entries(this.weights).filter(([name]) => !/running_(mean|var)$/.test(name));
    return learnt.reduce((sum, [, { shape }]) => sum + shape.reduce((a, b) => a * b, 1), 0);
  }

  file(output: Value): Uint8Array {
    const spec: GraphSpec = {
      tensors: this.#tensors,
      operators: this.#operators,
      inputs: [this.#input.id],
      outputs: [output.id],
    };
    return tfliteFile(spec);
  }

  /** What `load_state_dict` takes. */
  checkpoint(): Uint8Array {
    return safetensors(this.weights);
  }

  /** A weight by its name in the module: uniform between −size and size, around `middle`. */
  weight(name: string, shape: readonly number[], size: number, middle: number = 0): Float32Array<ArrayBuffer> {
    const given = this.#given?.[name];
    if (this.#given && given?.shape.join() !== shape.join())
      throw new Error(`${name} is ${given?.shape}, not ${shape}`);
    const count = shape.reduce((a, b) => a * b, 1);
    const values = given
      ? new Float32Array(given.bytes.slice().buffer)
      : Float32Array.from({ length: count }, () => middle + (2 * this.#next() - 1) * size);
    this.weights[name] = { dtype: "F32", shape: [...shape], bytes: new Uint8Array(values.buffer) };
    return values;
  }

  /** A convolution of PyTorch, [filters, channels, size, size], with the batch norm behind it. */
  conv(name: string, x: Value, options: ConvOptions = {}): Value {
    const { size = 1, stride = 1, pad = Math.floor(size / 2), depthwise = false, bias = false } = options;
    const [, height, width, channels] = x.shape;
    const out = options.out ?? channels;
    const depth = depthwise ? 1 : channels;
    const kernel = this.weight(`${name}.weight`, [out, depth, size, size], Math.sqrt(3 / (depth * size * size)));
    const biases = bias ? this.weight(`${name}.bias`, [out], 0.1) : new Float32Array(out);
    const factors = new Float32Array(out).fill(1);
    if (options.norm) this.#fold(options.norm, options.epsilon ?? 1e-5, factors, biases);
    const area = size * size;
    const folded = new Float32Array(kernel.length);
    for (let o = 0; o < out; o++) {
      for (let c = 0; c < depth; c++) {
        for (let k = 0; k < area; k++) {
          // OHWI, and of one filter a channel [1, h, w, channels].
          const to = depthwise ? k * out + o : (o * area + k) * depth + c;
          folded[to] = kernel[(o * depth + c) * area + k] * factors[o];
        }
      }
    }
    const shape = depthwise ? [1, size, size, out] : [out, size, size, channels];
    const [filter, constant] = [this.#constant(shape, folded), this.#constant([out], biases)];
    const padded = pad > 0 ? this.pad(x, pad) : x;
    const side = (length: number): number => Math.floor((length + 2 * pad - size) / stride) + 1;
    const windows = [i8(VALID), i32(stride), i32(stride)];
    const fields = depthwise ? [...windows, i32(1), i8(0)] : [...windows, i8(0)];
    const code = depthwise ? CODE.depthwise : CODE.conv;
    return this.#operator(code, [padded, filter, constant], [1, side(height), side(width), out], fields);
  }

  /** y = W x + b over the last dimension. */
  linear(name: string, x: Value, out: number, bias: boolean = true): Value {
    const depth = x.shape.at(-1)!;
    const weights = this.weight(`${name}.weight`, [out, depth], Math.sqrt(3 / depth));
    const inputs = [x, this.#constant([out, depth], weights)];
    if (bias) inputs.push(this.#constant([out], this.weight(`${name}.bias`, [out], 0.1)));
    return this.#operator(CODE.fullyConnected, inputs, [...x.shape.slice(0, -1), out], [i8(0), i8(0), i8(1)]);
  }

  /** Layer norm over the last dimension, or over some; scale and shift are of the last. */
  layerNorm(name: string, x: Value, epsilon: number, over: readonly number[] = [x.shape.length - 1]): Value {
    const depth = x.shape.at(-1)!;
    const [scale, shift] = [
      this.#constant([depth], this.weight(`${name}.weight`, [depth], 0.3, 1)),
      this.#constant([depth], this.weight(`${name}.bias`, [depth], 0.1)),
    ];
    const mean = this.mean(x, over);
    const square = this.#operator(CODE.squaredDifference, [x, mean], x.shape, null);
    const variance = this.mean(square, over);
    const shifted = this.plus(variance, this.#constant([1], Float32Array.of(epsilon)));
    const inverse = this.#operator(CODE.rsqrt, [shifted], mean.shape, null);
    const centred = this.#operator(CODE.sub, [x, mean], x.shape, [i8(0)]);
    return this.plus(this.times(this.times(centred, inverse), scale), shift);
  }

  /** A batch norm by itself. */
  batchNorm(name: string, x: Value, epsilon: number): Value {
    const depth = x.shape.at(-1)!;
    const [factors, biases] = [new Float32Array(depth).fill(1), new Float32Array(depth)];
    this.#fold(name, epsilon, factors, biases);
    return this.plus(this.times(x, this.#constant([depth], factors)), this.#constant([depth], biases));
  }

  /** The mean over some dimensions, which stay as 1. */
  mean(x: Value, dimensions: readonly number[]): Value {
    const shape = x.shape.map((size, d) => (dimensions.includes(d) ? 1 : size));
    return this.#operator(CODE.mean, [x, this.#integers(dimensions)], shape, [i8(1)]);
  }

  plus(x: Value, y: Value): Value {
    return this.#operator(CODE.add, [x, y], larger(x, y), [i8(0)]);
  }

  times(x: Value, y: Value): Value {
    return this.#operator(CODE.mul, [x, y], larger(x, y), [i8(0)]);
  }

  scaled(x: Value, factor: number): Value {
    return this.times(x, this.#constant([1], Float32Array.of(factor)));
  }

  constant(shape: readonly number[], values: Float32Array): Value {
    return this.#constant(shape, values);
  }

  relu(x: Value): Value {
    return this.#operator(CODE.relu, [x], x.shape, null);
  }

  /** min(max(x, 0), 6). */
  relu6(x: Value): Value {
    return this.#operator(CODE.relu6, [x], x.shape, null);
  }

  gelu(x: Value): Value {
    return this.#operator(CODE.gelu, [x], x.shape, [i8(0)]);
  }

  hardSwish(x: Value): Value {
    return this.#operator(CODE.hardSwish, [x], x.shape, null);
  }

  /** min(max(x + 3, 0), 6) / 6. */
  hardSigmoid(x: Value): Value {
    const three = this.#constant([1], Float32Array.of(3));
    return this.scaled(this.relu6(this.plus(x, three)), 1 / 6);
  }

  sigmoid(x: Value): Value {
    return this.#operator(CODE.logistic, [x], x.shape, null);
  }

  softmax(x: Value): Value {
    return this.#operator(CODE.softmax, [x], x.shape, [f32(1)]);
  }

  /** Zeros around the rows and columns of an image, or behind them alone. */
  pad(x: Value, before: number, behind: readonly [rows: number, columns: number] = [before, before]): Value {
    const amounts = [0, 0, before, behind[0], before, behind[1], 0, 0];
    const [one, height, width, channels] = x.shape;
    const shape = [one, height + before + behind[0], width + before + behind[1], channels];
    return this.#operator(CODE.pad, [x, this.#integers(amounts, [4, 2])], shape, null);
  }

  /** The largest of size × size, of values that are no less than zero. */
  maxPool(x: Value, size: number, stride: number, pad: number): Value {
    const [, height, width, channels] = x.shape;
    const side = (length: number): number => Math.floor((length + 2 * pad - size) / stride) + 1;
    const fields = [i8(VALID), i32(stride), i32(stride), i32(size), i32(size), i8(0)];
    const padded = pad > 0 ? this.pad(x, pad) : x;
    return this.#operator(CODE.maxPool, [padded], [1, side(height), side(width), channels], fields);
  }

  /** The mean of size × size, side by side. */
  averagePool(x: Value, size: number): Value {
    const [one, height, width, channels] = x.shape;
    const fields = [i8(VALID), i32(size), i32(size), i32(size), i32(size), i8(0)];
    const shape = [one, Math.floor(height / size), Math.floor(width / size), channels];
    return this.#operator(CODE.averagePool, [x], shape, fields);
  }

  reshape(x: Value, shape: readonly number[]): Value {
    return this.#operator(CODE.reshape, [x, this.#integers(shape)], shape, null);
  }

  transpose(x: Value, order: readonly number[]): Value {
    return this.#operator(
      CODE.transpose,
      [x, this.#integers(order)],
      order.map((d) => x.shape[d]),
      null,
    );
  }

  /** x y, or x yᵀ, of the last two dimensions. */
  product(x: Value, y: Value, transposed: boolean = false): Value {
    const columns = y.shape.at(transposed ? -2 : -1)!;
    return this.#operator(
      CODE.batchMatmul,
      [x, y],
      [...x.shape.slice(0, -1), columns],
      [i8(0), i8(transposed ? 1 : 0)],
    );
  }

  /** Parts of equal size along the last dimension. */
  split(x: Value, count: number): Value[] {
    const last = x.shape.length - 1;
    const shape = [...x.shape.slice(0, last), x.shape[last] / count];
    const parts = Array.from({ length: count }, () => this.#value(shape));
    this.#operators.push({
      code: CODE.split,
      inputs: [this.#integers([last], []).id, x.id],
      outputs: parts.map(({ id }) => id),
      options: [i32(count)],
    });
    return parts;
  }

  /** One behind the other along the last dimension. */
  joined(x: Value, y: Value): Value {
    const last = x.shape.length - 1;
    const shape = [...x.shape.slice(0, last), x.shape[last] + y.shape[last]];
    return this.#operator(CODE.concatenation, [x, y], shape, [i32(last), i8(0)]);
  }

  /** The first rows and columns of an image. */
  cropped(x: Value, height: number, width: number): Value {
    const [one, , , channels] = x.shape;
    const inputs = [
      x,
      this.#integers([0, 0, 0, 0]),
      this.#integers([one, height, width, channels]),
      this.#integers([1, 1, 1, 1]),
    ];
    return this.#operator(
      CODE.stridedSlice,
      inputs,
      [one, height, width, channels],
      [i32(0), i32(0), i32(0), i32(0), i32(0)],
    );
  }

  /** Folds the batch norm of that name into what a filter is multiplied with, and what is added. */
  #fold(name: string, epsilon: number, factors: Float32Array, biases: Float32Array): void {
    const count = [factors.length];
    const scale = this.weight(`${name}.weight`, count, 0.3, 1);
    const shift = this.weight(`${name}.bias`, count, 0.1);
    const mean = this.weight(`${name}.running_mean`, count, 0.1);
    const variance = this.weight(`${name}.running_var`, count, 0.3, 1);
    for (let c = 0; c < factors.length; c++) {
      factors[c] = scale[c] / Math.sqrt(variance[c] + epsilon);
      biases[c] = (biases[c] - mean[c]) * factors[c] + shift[c];
    }
  }

  #value(shape: readonly number[], name?: string): Value {
    this.#tensors.push({ name, shape, type: F32 });
    return { id: this.#tensors.length - 1, shape };
  }

  #constant(shape: readonly number[], data: Float32Array): Value {
    this.#tensors.push({ shape, type: F32, data });
    return { id: this.#tensors.length - 1, shape };
  }

  #integers(values: readonly number[], shape: readonly number[] = [values.length]): Value {
    this.#tensors.push({ shape, type: I32, data: Int32Array.from(values) });
    return { id: this.#tensors.length - 1, shape };
  }

  #operator(code: number, inputs: readonly Value[], shape: readonly number[], options: readonly Field[] | null): Value {
    const output = this.#value(shape);
    const ids = inputs.map(({ id }) => id);
    this.#operators.push({ code, inputs: ids, outputs: [output.id], ...(options && { options }) });
    return output;
  }
}

function larger(x: Value, y: Value): readonly number[] {
  const rank = Math.max(x.shape.length, y.shape.length);
  const at = ({ shape }: Value, d: number): number => shape[d - rank + shape.length] ?? 1;
  return Array.from({ length: rank }, (_, d) => Math.max(at(x, d), at(y, d)));
}
