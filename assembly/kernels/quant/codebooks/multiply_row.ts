/**
 * A row of a format with a codebook × one token: words are looked up and multiplied at once. The bits are those of
 * codebooks/multiply.ts, which says what is summed in which order.
 *
 * Cost of 32 columns: 8 to 16 operations to find words and signs, for each eight columns 4 or 6 loads, 2 products and a
 * sum; some ten for the scales.
 */
import { ACTIVATION_BLOCK_BYTES } from "../activations/sixteen";
import { SCALE_AT, blockScale, firstEight, firstSigns, fourthEight, secondEight, thirdEight, unitStep } from "./format";

export function multiplyRowAs<F>(file: usize, blocks: u32, x: usize, work: usize): f32 {
  const f = changetype<F>(0);
  let y: f32 = 0;
  for (; blocks > 0; blocks--) {
    f.find(file, work);
    let sum = f32x4.splat(0);
    for (let p = work, end = work + 8 * unitStep<F>(); p != end; p += unitStep<F>()) {
      const signs = firstSigns<F>(p);
      let dot = i32x4.add(
        i32x4.dot_i16x8_s(firstEight<F>(p, signs), v128.load(x, 16)),
        i32x4.dot_i16x8_s(secondEight<F>(p, signs), v128.load(x, 32)),
      );
      if (f.parts == 2) dot = i32x4.mul(dot, v128.load32_splat(p, SCALE_AT));
      let other = i32x4.add(
        i32x4.dot_i16x8_s(thirdEight<F>(p, signs), v128.load(x, 48)),
        i32x4.dot_i16x8_s(fourthEight<F>(p, signs), v128.load(x, 64)),
      );
      if (f.parts == 2) other = i32x4.mul(other, v128.load32_splat(p, SCALE_AT + 4));
      dot = i32x4.add(dot, other);
      if (f.parts == 1) dot = i32x4.mul(dot, v128.load32_splat(p, SCALE_AT));
      // Where all activations are zero this adds zero.
      sum = f32x4.add(sum, f32x4.mul(f32x4.convert_i32x4_s(dot), v128.load_splat<f32>(x)));
      x += ACTIVATION_BLOCK_BYTES;
    }
    sum = f32x4.add(sum, v128.shuffle<i32>(sum, sum, 2, 3, 0, 1));
    y += blockScale<F>(file, true) * (f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 1));
    file += f.fileBytes;
  }
  return y;
}
