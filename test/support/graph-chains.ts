/**
 * Small networks on images, operator after operator at odd shapes: filters of any size, strides longer than they are,
 * dilations, both paddings, pools, PAD, residuals. Random, or a chain of one's own.
 */
import { Operator, TensorType } from "../../bindings/numbers.ts";
import type { Random } from "../fuzz/random.ts";
import { type Field, type GraphSpec, i8, i32, type OperatorSpec, type TensorSpec } from "./tflite-writer.ts";

const { F32, I8, I32 } = TensorType;
export const {
  ADD,
  AVERAGE_POOL_2D: AVERAGE_POOL,
  CONV_2D: CONV,
  DEPTHWISE_CONV_2D: DEPTHWISE,
  LOGISTIC,
  MAX_POOL_2D: MAX_POOL,
  MUL,
  RELU,
  PAD,
  TRANSPOSE,
  QUANTIZE,
} = Operator;

/** What slides over an image: height and width of each. */
export interface Window {
  readonly filter: readonly [number, number];
  readonly stride?: readonly [number, number];
  readonly dilation?: readonly [number, number];
  readonly valid?: boolean;
}

type Shape = readonly [batch: number, height: number, width: number, depth: number];

/** A network in the making: each method adds an operator to tensor `x` and says which tensor it writes. */
export class Chain {
  readonly #tensors: TensorSpec[] = [];
  readonly #operators: OperatorSpec[] = [];
  readonly #real: boolean;
  #seed = 1;

  /** Its input is tensor 0: an image of i8, or of f32. */
  constructor(height: number, width: number, depth: number, real = false) {
    this.#real = real;
    this.#value([1, height, width, depth], { name: "image" });
  }

  shape(x: number): Shape {
    return this.#tensors[x].shape as Shape;
  }

  convolve(x: number, filters: number, window: Window): number {
    const [, height, width, depth] = this.shape(x);
    const { filter, size, numbers, padding } = placed(height, width, window);
    const weights = this.#weights([filters, ...filter, depth], filters);
    const inputs = [x, weights, this.#biases(filters)];
    const options = [i8(padding), ...numbers, i8(0), ...dilations(window)];
    return this.#add(CONV, inputs, [1, ...size, filters], options);
  }

  depthwise(x: number, multiplier: number, window: Window): number {
    const [, height, width, depth] = this.shape(x);
    const { filter, size, numbers, padding } = placed(height, width, window);
    const filters = depth * multiplier;
    const inputs = [x, this.#weights([1, ...filter, filters], filters), this.#biases(filters)];
    const options = [i8(padding), ...numbers, i32(multiplier), i8(0), ...dilations(window)];
    return this.#add(DEPTHWISE, inputs, [1, ...size, filters], options);
  }

  pool(x: number, code: number, window: Window): number {
    const [, height, width, depth] = this.shape(x);
    const { filter, size, numbers, padding } = placed(height, width, { ...window, dilation: [1, 1] });
    const options = [i8(padding), ...numbers, i32(filter[1]), i32(filter[0]), i8(0)];
    return this.#add(code, [x], [1, ...size, depth], options);
  }

  /** PAD by what stands before and behind rows, columns and channels. */
  pad(x: number, paddings: readonly (readonly [number, number])[]): number {
    const all = [[0, 0], ...paddings];
    const list = this.#constant({ shape: [4, 2], type: I32, data: Int32Array.from(all.flat()) });
    const shape = this.shape(x).map((size, d) => size + all[d][0] + all[d][1]) as unknown as Shape;
    return this.#add(PAD, [x, list], shape);
  }

  /** An operator of two images alike, or of an image and a pixel. */
  meet(code: number, x: number, y: number): number {
    return this.#add(code, [x, y], this.shape(x), [i8(0)]);
  }

  /** One value a channel. */
  pixel(depth: number): number {
    const data = this.#numbers(depth);
    return this.#constant({ shape: [depth], type: this.#type, data, ...this.#scales(0.04, 1) });
  }

  unary(code: number, x: number): number {
    const more = code === LOGISTIC && !this.#real ? { scale: 1 / 256, zero: -128 } : {};
    return this.#add(code, [x], this.shape(x), undefined, more);
  }

  /** [1, depth, height, width] → [1, height, width, depth]. */
  turn(x: number): number {
    const [, depth, height, width] = this.shape(x);
    const order = this.#constant({ shape: [4], type: I32, data: Int32Array.of(0, 2, 3, 1) });
    return this.#add(TRANSPOSE, [x, order], [1, height, width, depth]);
  }

  graph(...outputs: number[]): GraphSpec {
    return { tensors: this.#tensors, operators: this.#operators, inputs: [0], outputs };
  }

  get #type(): number {
    return this.#real ? F32 : I8;
  }

  #scales(scale: number, zero: number): object {
    return this.#real ? {} : { scale, zero };
  }

  #add(code: number, inputs: readonly number[], shape: Shape, options?: Field[], more: object = {}): number {
    // PAD and pools want the scale and the zero point of what they read.
    const output = this.#value(shape, { ...(code !== CONV && code !== DEPTHWISE && this.#of(inputs[0])), ...more });
    this.#operators.push({ code, inputs, outputs: [output], options });
    return output;
  }

  #of(x: number): object {
    const { scale, zero } = this.#tensors[x];
    return { scale, zero };
  }

  #value(shape: Shape, more: object): number {
    return this.#constant({ shape, type: this.#type, ...this.#scales(0.05, -3), ...more });
  }

  #constant(tensor: TensorSpec): number {
    return this.#tensors.push(tensor) - 1;
  }

  #numbers(count: number): Int8Array | Float32Array {
    const values = Int8Array.from({ length: count }, () => {
      this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) >>> 0;
      return this.#seed >> 24;
    });
    return this.#real ? Float32Array.from(values, (value) => value / 128) : values;
  }

  #weights(shape: readonly number[], filters: number): number {
    const data = this.#numbers(shape.reduce((product, size) => product * size, 1));
    const scale = Array.from({ length: filters }, (_, c) => 0.003 + 0.0005 * (c % 5));
    return this.#constant({ shape, type: this.#type, data, ...(this.#real ? {} : { scale }) });
  }

  #biases(filters: number): number {
    const values = Array.from({ length: filters }, (_, c) => 37 * c - 90);
    const data = this.#real ? Float32Array.from(values, (value) => value / 500) : Int32Array.from(values);
    return this.#constant({ shape: [filters], type: this.#real ? F32 : I32, data });
  }
}

function dilations({ dilation = [1, 1] }: Window): Field[] {
  return [i32(dilation[1]), i32(dilation[0])];
}

/** The window cut to what fits where it is VALID, the size of what it writes, and strides as the file wants them. */
function placed(height: number, width: number, { filter, stride = [1, 1], dilation = [1, 1], valid = false }: Window) {
  const cut = [height, width].map((size, d) =>
    valid ? Math.min(filter[d], Math.floor((size - 1) / dilation[d]) + 1) : filter[d],
  ) as [number, number];
  const size = [height, width].map((size, d) => {
    const reach = (cut[d] - 1) * dilation[d] + 1;
    return valid ? Math.floor((size + stride[d] - reach) / stride[d]) : Math.ceil(size / stride[d]);
  }) as [number, number];
  return { filter: cut, size, numbers: [i32(stride[1]), i32(stride[0])], padding: valid ? 1 : 0 };
}

/** A network of so many random operators. */
export function randomChain(random: Random, steps: number): GraphSpec {
  const side = (): number => 5 + random.below(12);
  const real = random.oneIn(4);
  const isTurned = random.oneIn(8);
  const chain = isTurned ? new Chain(3, side(), side(), real) : new Chain(side(), side(), 1 + random.below(5), real);
  const two = (most: number): [number, number] => [1 + random.below(most), 1 + random.below(most)];
  const window = (): Window => ({
    filter: two(4),
    stride: random.oneIn(3) ? two(3) : [1, 1],
    dilation: random.oneIn(4) ? two(3) : [1, 1],
    valid: random.oneIn(3),
  });
  let x = isTurned ? chain.turn(0) : 0;
  for (let i = 0; i < steps; i++) {
    const [, , , depth] = chain.shape(x);
    switch (random.below(9)) {
      case 0:
      case 1:
        x = chain.convolve(x, 1 + random.below(9), window());
        break;
      case 2:
        x = chain.depthwise(x, depth < 8 ? 1 + random.below(2) : 1, window());
        break;
      case 3:
        x = chain.pool(x, MAX_POOL, window());
        break;
      case 4:
        x = chain.pool(x, AVERAGE_POOL, window());
        break;
      case 5:
        x = chain.pad(x, [two(3), [0, random.below(2)], random.oneIn(2) ? [0, 0] : [1, 0]]);
        break;
      case 6: {
        // A residual: what it goes round has two readers, of which one wants its neighbours too.
        const around = chain.convolve(x, depth, { filter: two(4), dilation: two(2) });
        x = chain.meet(ADD, around, x);
        break;
      }
      case 7:
        x = chain.meet(random.oneIn(2) ? MUL : ADD, x, chain.pixel(random.oneIn(2) ? depth : 1));
        break;
      default:
        x = chain.unary(random.oneIn(2) ? LOGISTIC : RELU, x);
    }
  }
  return chain.graph(x);
}
