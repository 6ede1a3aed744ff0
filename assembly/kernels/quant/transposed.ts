/**
 * The transposed product of Q4_0 with one row of factors: what makes the absorbed query of latent attention, token by
 * token. It gives the bits of decoding group after group (quant/matmul.ts) in two thirds of the time:
 *
 *     y[k] = Σ_r factors[r] · W[r][k]       W = d · (nibble − 8), exact in f32; row after row from zero
 *
 * The 16 bytes of four rows of a step (quant/layout.ts), turned over, have a byte of each row in an i32 lane:
 *
 *     rows     c0 c2 │ c4 c6 │ c1 c3 │ c5 c7  of row 0 ┬ … of row 1 ┬ …        bytes of two nibbles, the low one first
 *     turned   c0 c2 of rows 0…3 ┬ c1 c3 of rows 0…3 ┬ c4 c6 … ┬ c5 c7 …
 *
 * so that a mask leaves one row's codes of four columns, 2^8 times too large for each row before it; d · 2^(−8 row)
 * makes up for it. A group is read as it lies, and the sums of 32 columns stay in registers for its eight rows.
 *
 * Cost of 32 columns of a row: 4 loads, 4 shifts, 8 masks, 8 conversions, 16 multiply-adds.
 */
import { multiplyAdd } from "../float/fused";
import { loadHalves4 } from "./layout";

const PACKED: usize = 144;
/** What a row's codes are masked with, and what makes up for their place. */
const CODES = memory.data<u32>([
  0xf, 0xf, 0xf, 0xf, 0xf00, 0xf00, 0xf00, 0xf00,
  0xf_0000, 0xf_0000, 0xf_0000, 0xf_0000, 0xf00_0000, 0xf00_0000, 0xf00_0000, 0xf00_0000,
], 16);
const PLACES = memory.data<u32>([0x3f80_0000, 0x3b80_0000, 0x3780_0000, 0x3380_0000], 16);
/** The bytes that `turned` takes. */
const TURN = memory.data<u8>([0, 4, 8, 12, 2, 6, 10, 14, 1, 5, 9, 13, 3, 7, 11, 15], 16);

/** `target`, zeroed by the caller, [k] += Σ over the rows of whole groups. `scratch`: 32 bytes. */
export function accumulateQ4_0(
  group: usize, groups: u32, columns: u32, factors: usize, target: usize, scratch: usize,
): void {
  const end = target + ((<usize>columns) << 2);
  for (; groups > 0; groups--) {
    for (let y = target; y != end; y += 128) {
      let y0 = even(y);
      let y1 = odd(y);
      let y2 = even(y + 32);
      let y3 = odd(y + 32);
      let y4 = even(y + 64);
      let y5 = odd(y + 64);
      let y6 = even(y + 96);
      let y7 = odd(y + 96);
      for (let quad: usize = 0; quad < 2; quad++) {
        const d = loadHalves4(group + (quad << 3));
        v128.store(scratch, f32x4.mul(d, v128.load(PLACES)));
        v128.store(scratch, f32x4.mul(d, f32x4.splat(-8)), 16);
        const p = group + (quad << 4);
        const w0 = turned(v128.load(p, 16));
        const w1 = turned(v128.load(p, 48));
        const w2 = turned(v128.load(p, 80));
        const w3 = turned(v128.load(p, 112));
        const factor = factors + (quad << 4);
        for (let row: usize = 0; row < 16; row += 4) {
          const mask = v128.load(CODES + (row << 2));
          const scale = v128.load32_splat(scratch + row);
          const offset = v128.load32_splat(scratch + row, 16);
          const by = v128.load32_splat(factor + row);
          y0 = addRow(y0, v128.and(w0, mask), scale, offset, by);
          y1 = addRow(y1, v128.and(i32x4.shr_u(w0, 4), mask), scale, offset, by);
          y2 = addRow(y2, v128.and(w1, mask), scale, offset, by);
          y3 = addRow(y3, v128.and(i32x4.shr_u(w1, 4), mask), scale, offset, by);
          y4 = addRow(y4, v128.and(w2, mask), scale, offset, by);
          y5 = addRow(y5, v128.and(i32x4.shr_u(w2, 4), mask), scale, offset, by);
          y6 = addRow(y6, v128.and(w3, mask), scale, offset, by);
          y7 = addRow(y7, v128.and(i32x4.shr_u(w3, 4), mask), scale, offset, by);
        }
      }
      put(y, y0, y1);
      put(y + 32, y2, y3);
      put(y + 64, y4, y5);
      put(y + 96, y6, y7);
      group += PACKED;
    }
    factors += 32;
  }
}

/** y + factor · (scale · codes + offset); the inner sum is exact. */
@inline
function addRow(y: v128, codes: v128, scale: v128, offset: v128, factor: v128): v128 {
  return multiplyAdd(multiplyAdd(f32x4.convert_i32x4_s(codes), scale, offset), factor, y);
}

/** Bytes of rows → rows of bytes. */
@inline
function turned(word: v128): v128 {
  const order = v128.load(TURN); // as a constant of a shuffle it would be made anew each time
  return ASC_FEATURE_RELAXED_SIMD ? i8x16.relaxed_swizzle(word, order) : i8x16.swizzle(word, order);
}

/** Columns 0 1 4 5 of the eight sums at `y`. */
@inline
function even(y: usize): v128 {
  return v128.shuffle<i32>(v128.load(y), v128.load(y, 16), 0, 1, 4, 5);
}

/** Columns 2 3 6 7 of the eight sums at `y`. */
@inline
function odd(y: usize): v128 {
  return v128.shuffle<i32>(v128.load(y), v128.load(y, 16), 2, 3, 6, 7);
}

/** Stores eight sums, of which `low` is what `even` gave and `high` what `odd` gave, in the order of columns. */
@inline
function put(y: usize, low: v128, high: v128): void {
  v128.store(y, v128.shuffle<i32>(low, high, 0, 1, 4, 5));
  v128.store(y, v128.shuffle<i32>(low, high, 2, 3, 6, 7), 16);
}
