/**
 * The front end for pictures: a rectangle of RGBA pixels becomes the values of an input, [1, height, width, 1 or 3], as
 * the network wants them: another size, grey or colours, (pixel − mean) / deviation, and quantised where it is of i8 or
 * u8.
 */
import { allocate, release } from "../memory/arena";
import { Core, ErrorCode, fail } from "../memory/core";
import { TensorType } from "../files/tflite";
import { roundAway } from "../kernels/conv/requantise";
import { Taps, acrossRow, addRow, setTaps, shareOf } from "../kernels/image/resample";
import { whole } from "./check";
import { GraphTensor } from "./records";

/** A picture, the rectangle of it that counts, and what becomes of its pixels: as a host writes it. */
@unmanaged
export class Picture {
  width: u32;
  height: u32;
  left: u32;
  top: u32;
  columns: u32;
  rows: u32;
  method: u32;
  /** Of red, green, blue (of grey the first): what is taken off, and what it is divided by then, of 0 … 255. */
  mean0: f32;
  mean1: f32;
  mean2: f32;
  deviation0: f32;
  deviation1: f32;
  deviation2: f32;
}

/** Writes the values of a tensor to `target`; 0, or an error. */
export function pictureToTensor(core: Core, pixels: usize, p: Picture, t: GraphTensor, target: usize): i32 {
  const depth = t.dim(3);
  const isWhole = t.type == TensorType.I8 || t.type == TensorType.U8;
  if (t.rank != 4 || t.dim(0) != 1 || t.count == 0 || (depth != 1 && depth != 3)) {
    return fail(core, ErrorCode.UNSUPPORTED, "the input is no picture: such a one is [1, height, width, 1 or 3]");
  }
  if (t.type != TensorType.F32 && !(isWhole && t.scaleCount > 0 && t.scale > 0)) {
    return fail(core, ErrorCode.UNSUPPORTED, "the input is neither of f32 nor of i8 or u8 with a scale");
  }
  const inside = <u64>p.left + p.columns <= p.width && <u64>p.top + p.rows <= p.height;
  if (!inside || p.columns == 0 || p.rows == 0) {
    return fail(
      core, ErrorCode.BAD_ARGUMENT, "the rectangle is empty, or it leads out of the picture of {} x {} pixels", p.width,
      p.height,
    );
  }
  const row = allocate(core, <u64>p.columns * depth * 8 + 2 * offsetof<Taps>(), "a row of a picture");
  if (row == 0) return core.errorCode;
  const bytes = <usize>p.columns * depth * 8;
  const down = changetype<Taps>(row + bytes), across = changetype<Taps>(row + bytes + offsetof<Taps>());
  const height = t.dim(1), width = t.dim(2);
  let at: usize = 0;
  for (let y: u32 = 0; y < height; y++) {
    setTaps(down, p.method, y, height, p.rows);
    memory.fill(row, 0, bytes);
    for (let k = down.first; k <= down.last; k++) {
      const pixel = (<usize>(p.top + k) * p.width + p.left) << 2;
      addRow(pixels + pixel, p.columns, depth, shareOf(down, k), row);
    }
    for (let x: u32 = 0; x < width; x++) {
      setTaps(across, p.method, x, width, p.columns);
      for (let c: u32 = 0; c < depth; c++, at++) put(p, t, target, at, c, acrossRow(row, depth, c, across));
    }
  }
  release(core, row);
  return 0;
}

function put(p: Picture, t: GraphTensor, target: usize, i: usize, c: u32, pixel: f64): void {
  const at = changetype<usize>(p) + ((<usize>c) << 2);
  const mean = load<f32>(at, offsetof<Picture>("mean0")), deviation = load<f32>(at, offsetof<Picture>("deviation0"));
  const value = <f32>((pixel - <f64>mean) / <f64>deviation);
  if (t.type == TensorType.F32) {
    store<f32>(target + (i << 2), value);
    return;
  }
  const q = whole(roundAway(<f64>(value / t.scale))) + t.zero;
  if (t.type == TensorType.I8) store<i8>(target + i, <i8>min(max(q, -128), 127));
  else store<u8>(target + i, <u8>min(max(q, 0), 255));
}
