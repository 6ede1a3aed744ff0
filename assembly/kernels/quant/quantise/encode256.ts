/**
 * f32 → super-blocks, written once for the formats of 256 columns. Each sub-block searches its own scale (and minimum)
 * by weighted least squares (quantise/search.ts). The largest of them set the half scales of the block, each sub-scale
 * is then the best near its place, and the codes are taken with the scales as a reader will see them. Between the
 * passes the finds of the sub-blocks wait in the block itself, where the codes go.
 *
 * NaN counts as the lowest code and never as the largest magnitude. Cost: that of the searches, and one pass of some
 * ten scalar operations a value.
 */
import { loadHalf, storeHalf } from "../../float/half";
import { scaleBits } from "../blocks256/multiply";
import {
  refineRange, refineScale, refineTable, rmsOf, searchRange, searchScale, searchTable, toInteger,
} from "./search";

/** Scales and minima between the passes are whole numbers of the largest possible / 65535. */
const FINE: f32 = 65535;
/** Beyond what half scales reach, and not infinite. */
const LARGEST: f32 = 1e30;

/** Q2_K, Q4_K, Q5_K: x ≈ scale · code − minimum. */
@inline
export function encodeRanges<F>(values: usize, file: usize): void {
  const f = changetype<F>(0);
  const parts: u32 = 8 * f.parts;
  memory.fill(file, 0, f.fileBytes);
  const slots = file + f.fileQuants;
  findRanges(values, slots, parts, f.bits, scaleBits<F>(), file + f.fileScale, file + f.fileMinimum);
  for (let j: u32 = 0; j < parts; j++) f.setFileScales(file, j, load<i32>(slots + ((<usize>j) << 2)));
  memory.fill(slots, 0, (<usize>parts) << 2);
  encodeCodes<F>(values, file);
}

/** Stores the half scales of a block at `dAt` and `dminAt`, and the pairs of sub-blocks in `slots` (4 bytes each). */
function findRanges(
  values: usize, slots: usize, parts: u32, bits: i32, pairBits: i32, dAt: usize, dminAt: usize,
): void {
  const length: usize = 256 / parts;
  const largest: f32 = <f32>((1 << bits) - 1);
  const largestScale: f32 = <f32>((1 << pairBits) - 1);
  // Least squares may find more than the spread of the values; twice of it never.
  const unit: f32 = (min<f32>(spread(values), LARGEST) * 2) / FINE;
  const perUnit: f32 = unit > 0 ? 1 / unit : 0;
  let scales: i32 = 0;
  let minima: i32 = 0;
  for (let j: u32 = 0; j < parts; j++) {
    const slot = slots + ((<usize>j) << 2);
    const slice = values + <usize>j * length * 4;
    const found = searchRange(slice, length, largest, flatWeight(bits, slice, length));
    const scale = toInteger(reinterpret<f32>(<u32>found) * perUnit, 0, FINE);
    const minimum = toInteger(reinterpret<f32>(<u32>(found >> 32)) * perUnit, 0, FINE);
    store<u16>(slot, <u16>scale);
    store<u16>(slot, <u16>minimum, 2);
    scales = max(scales, scale);
    minima = max(minima, minimum);
  }
  const d = storeHalf(dAt, (<f32>scales * unit) / largestScale);
  const dmin = storeHalf(dminAt, (<f32>minima * unit) / largestScale);
  for (let j: u32 = 0; j < parts; j++) {
    const slot = slots + ((<usize>j) << 2);
    const slice = values + <usize>j * length * 4;
    const scale = <f32>load<u16>(slot) * unit;
    const minimum = <f32>load<u16>(slot, 2) * unit;
    const flat = flatWeight(bits, slice, length);
    store<i32>(slot, refineRange(slice, length, largest, flat, scale, minimum, d, dmin, pairBits));
  }
}

/** What is added to |x| for the weights of a range; with codes of two bits nothing is. */
@inline
function flatWeight(bits: i32, values: usize, length: usize): f32 {
  return bits == 2 ? 0 : rmsOf(values, length);
}

/** The distance between the least and the greatest of 256 values and zero. */
function spread(values: usize): f32 {
  let low: f32 = 0, high: f32 = 0;
  for (let p = values, end = values + 1024; p != end; p += 4) {
    const x = load<f32>(p);
    if (x < low) low = x;
    if (x > high) high = x;
  }
  return high - low;
}

/** Q3_K, Q6_K, IQ4_XS: x ≈ scale · (code − offset), or scale · table[code]. */
@inline
export function encodeScales<F>(values: usize, file: usize): void {
  const f = changetype<F>(0);
  const parts: u32 = 8 * f.parts;
  memory.fill(file, 0, f.fileBytes);
  const slots = file + f.fileQuants;
  findScales(values, slots, parts, <f32>f.offset, f.table, f.scaleLimit, file + f.fileScale);
  for (let j: u32 = 0; j < parts; j++) f.setFileScales(file, j, load<i32>(slots + ((<usize>j) << 2)));
  memory.fill(slots, 0, (<usize>parts) << 2);
  encodeCodes<F>(values, file);
}

/** Stores the half scale of a block at `dAt`, and the sub-scales in `slots`, four bytes each. */
function findScales(
  values: usize, slots: usize, parts: u32, limit: f32, table: usize, scaleLimit: f32, dAt: usize,
): void {
  const length: usize = 256 / parts;
  // Sixteen values have few that are large: a sub-scale somewhere else may fit these at once.
  const tries = parts == 16 ? 32 : 4;
  let extreme: f32 = 0;
  for (let j: u32 = 0; j < parts; j++) {
    const slice = values + <usize>j * length * 4;
    const scale = table != 0 ? searchTable(slice, length, table) : searchScale(slice, length, limit);
    store<f32>(slots + ((<usize>j) << 2), scale);
    if (abs(scale) > abs(extreme)) extreme = scale;
  }
  const d = storeHalf(dAt, extreme / -scaleLimit);
  for (let j: u32 = 0; j < parts; j++) {
    const slot = slots + ((<usize>j) << 2);
    const slice = values + <usize>j * length * 4;
    const scale = load<f32>(slot);
    const chosen =
      table != 0
        ? refineTable(slice, length, table, scale, d, scaleLimit, tries)
        : refineScale(slice, length, limit, scale, d, scaleLimit, tries);
    store<i32>(slot, chosen);
  }
}

/** TQ1_0, TQ2_0: x ≈ d · (code − 1), d = max|x|; halves round away from zero. */
@inline
export function encodeTernary<F>(values: usize, file: usize): void {
  const f = changetype<F>(0);
  memory.fill(file, 0, f.fileBytes);
  let largest: f32 = 0;
  for (let i: usize = 0; i < 1024; i += 4) {
    const magnitude = abs(load<f32>(values + i));
    if (magnitude > largest) largest = magnitude;
  }
  storeHalf(file + f.fileScale, largest);
  const inverse: f32 = largest > 0 ? 1 / largest : 0;
  for (let unit: u32 = 0; unit < 8; unit++) {
    for (let step: u32 = 0; step < 4; step++) {
      let codes: u64 = 0;
      for (let i: usize = 0; i < 32; i += 4) {
        const scaled = load<f32>(values + i) * inverse;
        codes = (codes >> 8) | ((<u64>(scaled >= 0.5 ? 2 : scaled <= -0.5 ? 0 : 1)) << 56);
      }
      f.setFileCodes(file, unit, step, codes);
      values += 32;
    }
  }
  if (isDefined(f.finish)) f.finish(file);
}

/** The codes of a block whose scales stand. */
@inline
function encodeCodes<F>(values: usize, file: usize): void {
  const f = changetype<F>(0);
  const d = loadHalf(file + f.fileScale);
  const dmin: f32 = f.minimum ? loadHalf(file + f.fileMinimum) : 0;
  const largest: f32 = <f32>((1 << f.bits) - 1);
  for (let j: u32 = 0; j < 32; j++) {
    let scale = f.fileScales(file, f.parts == 2 ? j >> 1 : j >> 2);
    let minimum: f32 = 0;
    if (f.minimum) {
      minimum = dmin * <f32>(scale >> scaleBits<F>());
      scale &= (1 << scaleBits<F>()) - 1;
    }
    const step = d * <f32>scale;
    const inverse: f32 = step != 0 ? 1 / step : 0;
    let codes: u64 = 0;
    for (let i: usize = 0; i < 32; i += 4) {
      const scaled = (load<f32>(values + i) + minimum) * inverse;
      const code = f.table != 0 ? nearestEntry(scaled, f.table) : toInteger(scaled + <f32>f.offset, 0, largest);
      codes = (codes >> 8) | ((<u64>code) << 56);
    }
    f.setFileCodes(file, j >> 2, j & 3, codes);
    values += 32;
  }
}

/** The index of the entry of a table (ascending, each 127 too large) that is nearest to x; NaN gives 0. */
function nearestEntry(x: f32, table: usize): u32 {
  let code: u32 = 0;
  for (let bit: u32 = 8; bit > 0; bit >>= 1) {
    const upper = table + (code | bit);
    if (x + x > <f32>(<i32>load<u8>(upper - 1) + <i32>load<u8>(upper) - 254)) code |= bit;
  }
  return code;
}
