/** Pictures as inputs of networks: which rectangle, how it is made as large as the input, and what its pixels stand for. */
import { Resample } from "../../bindings/numbers.ts";
import { type Check, type OptionTable, oneOf, printable, readOptions, text } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";

/** A picture: RGBA, row after row, as the ImageData of a canvas has it. */
export interface GraphPicture {
  /** Four bytes a pixel; the fourth one, alpha, counts for nothing. */
  readonly data: Uint8Array | Uint8ClampedArray;
  /** Pixels of a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
}

/** What becomes of a picture. */
export interface GraphPictureOptions {
  /** The input that it is for; where it is left out, the only one. */
  input?: string;
  /** The rectangle that counts [pixels]: left, top, width, height. Default: all of it. */
  crop?: readonly number[];
  /**
   * `area`: the mean of what each new pixel covers, which suits pictures that are larger than the input. `bilinear`:
   * between the nearest two, as TensorFlow's resize. Default: area.
   */
  resize?: "area" | "bilinear";
  /** What is taken off a pixel of 0 … 255: one number, or one each for red, green and blue. Default: 0. */
  mean?: number | readonly number[];
  /** … and what it is divided by then. Default: 255, so that an input's real values are 0 … 1. */
  deviation?: number | readonly number[];
}

/** One number, or one for each of three channels. */
const channels: Check<readonly number[]> = (name, value) => {
  const list = typeof value === "number" ? [value, value, value] : (value as readonly number[]);
  if (Array.isArray(list) && list.length === 3 && list.every(Number.isFinite)) return list;
  throw new LimpetError("BAD_ARGUMENT", `${name} is a number, or three of them, not ${printable(value)}`);
};
const rectangle: Check<readonly number[]> = (name, value) => {
  const isWhole = (n: unknown): boolean => Number.isInteger(n) && (n as number) >= 0 && (n as number) < 2 ** 31;
  if (Array.isArray(value) && value.length === 4 && value.every(isWhole)) return value;
  throw new LimpetError(
    "BAD_ARGUMENT",
    `${name} is [left, top, width, height] in whole pixels, not ${printable(value)}`,
  );
};

/** What each of `GraphPictureOptions` has to be. */
export const GRAPH_PICTURE_OPTIONS: OptionTable<GraphPictureOptions> = {
  input: text,
  crop: rectangle,
  resize: oneOf<"area" | "bilinear">("area", "bilinear"),
  mean: channels,
  deviation: channels,
};

/** Which input a picture is for. */
export function pictureInput(inputs: readonly { readonly name: string }[], options: GraphPictureOptions): number {
  const { input } = readOptions(options, GRAPH_PICTURE_OPTIONS);
  if (input === undefined && inputs.length === 1) return 0;
  const index = inputs.findIndex(({ name }) => name === input);
  if (index >= 0) return index;
  const names = inputs.map(({ name }) => name).join(", ");
  throw new LimpetError("BAD_ARGUMENT", `input is one of ${names}, not ${printable(input)}`);
}

/** Its pixels, and the record that the core has of it. */
export function pictureRecord(
  picture: GraphPicture,
  options: GraphPictureOptions,
): { readonly pixels: Uint8Array; readonly record: Uint8Array } {
  const { crop, resize = "area", mean = 0, deviation = 255 } = readOptions(options, GRAPH_PICTURE_OPTIONS);
  const { data, width, height } = picture ?? {};
  const isSize = (n: unknown): boolean => Number.isInteger(n) && (n as number) > 0 && (n as number) < 2 ** 16;
  const isPixels = data instanceof Uint8Array || data instanceof Uint8ClampedArray;
  if (!isPixels || !isSize(width) || !isSize(height) || data.length !== 4 * width * height) {
    const words = "a picture is { data, width, height } with four bytes a pixel, below 65,536 pixels a side";
    throw new LimpetError("BAD_ARGUMENT", words);
  }
  const deviations = channels("deviation", deviation);
  if (deviations.some((value) => value === 0)) throw new LimpetError("BAD_ARGUMENT", "deviation is not 0");
  const [left, top, columns, rows] = crop ?? [0, 0, width, height];
  const record = new Uint8Array(13 * 4);
  const method = resize === "area" ? Resample.AREA : Resample.BILINEAR;
  new Uint32Array(record.buffer).set([width, height, left, top, columns, rows, method]);
  new Float32Array(record.buffer).set([...channels("mean", mean), ...deviations], 7);
  return { pixels: new Uint8Array(data.buffer, data.byteOffset, data.length), record };
}
