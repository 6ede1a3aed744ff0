/**
 * f32 → super-blocks, written once for the formats of 256 columns. Each sub-block searches its own scale (and minimum)
 * among a few candidates by weighted least squares; the scales of a block are then rounded to their common half, and
 * the codes are taken anew with the scales as a reader will see them. Between the two passes the scales of the
 * sub-blocks wait in the block itself, where the codes go.
 *
 * NaN counts as the lowest code and never as the largest magnitude. Cost: some twenty passes over the values.
 *
 * May call: half, driver_k, k_common.
 */
import { bfloatToFloat, floatToBfloat, floatToHalf, loadHalf } from "../half";
import { scaleBits } from "./driver_k";

/** Candidates of a search beside the plain one. */
const RANGE_STEPS: i32 = 12;
const SCALE_STEPS: i32 = 9;

/** The nearest integer within low…high; NaN gives `low`. */
@inline
function toInteger(x: f32, low: f32, high: f32): i32 {
  return <i32>nearest(x > low ? (x < high ? x : high) : low);
}

/** Stores a half and returns what a reader gets; too large a value is the largest half. */
export function storeHalf(target: usize, x: f32): f32 {
  const limited: f32 = x > 65504 ? 65504 : x < -65504 ? -65504 : x;
  store<u16>(target, <u16>floatToHalf(limited));
  return loadHalf(target);
}

/** Q2_K, Q4_K, Q5_K: x ≈ scale · code − minimum. */
@inline
export function quantizeRanges<F>(source: usize, target: usize, count: usize): void {
  const f = changetype<F>(0);
  const parts: u32 = 8 * f.parts;
  const length: usize = 32 / f.parts;
  const largestScale: f32 = <f32>((1 << scaleBits<F>()) - 1);
  for (; count >= 256; count -= 256) {
    memory.fill(target, 0, f.fileBytes);
    const slots = target + f.fileQuants;
    let scales: f32 = 0;
    let minima: f32 = 0;
    for (let j: u32 = 0; j < parts; j++) {
      const slot = slots + (<usize>j << 2);
      searchRange(source + <usize>j * length * 4, length, (1 << f.bits) - 1, slot);
      scales = max(scales, bfloatToFloat(load<u16>(slot)));
      minima = max(minima, bfloatToFloat(load<u16>(slot, 2)));
    }
    storeHalf(target + f.fileScale, scales / largestScale);
    storeHalf(target + f.fileMinimum, minima / largestScale);
    const perScale: f32 = scales > 0 ? largestScale / scales : 0;
    const perMinimum: f32 = minima > 0 ? largestScale / minima : 0;
    for (let j: u32 = 0; j < parts; j++) {
      const slot = slots + (<usize>j << 2);
      const scale = toInteger(bfloatToFloat(load<u16>(slot)) * perScale, 0, largestScale);
      const minimum = toInteger(bfloatToFloat(load<u16>(slot, 2)) * perMinimum, 0, largestScale);
      f.setFileScales(target, j, scale | (minimum << scaleBits<F>()));
    }
    memory.fill(slots, 0, <usize>parts << 2);
    encode<F>(source, target);
    source += 1024;
    target += f.fileBytes;
  }
}

/** Q3_K, Q6_K, IQ4_XS: x ≈ scale · (code − offset), or scale · table[code]. */
@inline
export function quantizeScales<F>(source: usize, target: usize, count: usize): void {
  const f = changetype<F>(0);
  const parts: u32 = 8 * f.parts;
  const length: usize = 32 / f.parts;
  for (; count >= 256; count -= 256) {
    memory.fill(target, 0, f.fileBytes);
    const slots = target + f.fileQuants;
    let extreme: f32 = 0;
    for (let j: u32 = 0; j < parts; j++) {
      const values = source + <usize>j * length * 4;
      const scale = f.table != 0 ? searchTable(values, length, f.table) : searchScale(values, length, f.offset);
      store<f32>(slots + (<usize>j << 2), scale);
      if (abs(scale) > abs(extreme)) extreme = scale;
    }
    storeHalf(target + f.fileScale, extreme / -f.scaleLimit);
    const perScale: f32 = extreme != 0 ? -f.scaleLimit / extreme : 0;
    for (let j: u32 = 0; j < parts; j++) {
      const slot = slots + (<usize>j << 2);
      const scale = toInteger(load<f32>(slot) * perScale, -f.scaleLimit, f.scaleLimit - 1);
      f.setFileScales(target, j, scale);
    }
    memory.fill(slots, 0, <usize>parts << 2);
    encode<F>(source, target);
    source += 1024;
    target += f.fileBytes;
  }
}

/** TQ1_0, TQ2_0: x ≈ d · (code − 1), d = max|x|; halves round away from zero. */
@inline
export function quantizeTernary<F>(source: usize, target: usize, count: usize): void {
  const f = changetype<F>(0);
  for (; count >= 256; count -= 256) {
    memory.fill(target, 0, f.fileBytes);
    let largest: f32 = 0;
    for (let i: usize = 0; i < 1024; i += 4) {
      const magnitude = abs(load<f32>(source + i));
      if (magnitude > largest) largest = magnitude;
    }
    storeHalf(target + f.fileScale, largest);
    const inverse: f32 = largest > 0 ? 1 / largest : 0;
    for (let unit: u32 = 0; unit < 8; unit++) {
      for (let step: u32 = 0; step < 4; step++) {
        let codes: u64 = 0;
        for (let i: usize = 0; i < 32; i += 4) {
          const scaled = load<f32>(source + i) * inverse;
          codes = (codes >> 8) | (<u64>(scaled >= 0.5 ? 2 : scaled <= -0.5 ? 0 : 1) << 56);
        }
        f.setFileCodes(target, unit, step, codes);
        source += 32;
      }
    }
    f.finish(target);
    target += f.fileBytes;
  }
}

/** The codes of a block whose scales stand. */
@inline
function encode<F>(source: usize, target: usize): void {
  const f = changetype<F>(0);
  const d = loadHalf(target + f.fileScale);
  const dmin: f32 = f.minimum ? loadHalf(target + f.fileMinimum) : 0;
  const largest: f32 = <f32>((1 << f.bits) - 1);
  for (let j: u32 = 0; j < 32; j++) {
    let scale = f.fileScales(target, f.parts == 2 ? j >> 1 : j >> 2);
    let minimum: f32 = 0;
    if (f.minimum) {
      minimum = dmin * <f32>(scale >> scaleBits<F>());
      scale &= (1 << scaleBits<F>()) - 1;
    }
    const step = d * <f32>scale;
    const inverse: f32 = step != 0 ? 1 / step : 0;
    let codes: u64 = 0;
    for (let i: usize = 0; i < 32; i += 4) {
      const scaled = (load<f32>(source + i) + minimum) * inverse;
      const code = f.table != 0 ? nearestEntry(scaled, f.table) : toInteger(scaled + <f32>f.offset, 0, largest);
      codes = (codes >> 8) | (<u64>code << 56);
    }
    f.setFileCodes(target, j >> 2, j & 3, codes);
    source += 32;
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

/**
 * scale, minimum ≥ 0 that make Σ w (scale · code − minimum − x)² small, w = rms + |x|, codes 0…largest: for each of
 * a few roundings of x the exact least-squares pair. Stored as two bfloats: finer than the bits to come.
 */
function searchRange(values: usize, length: usize, largest: i32, slot: usize): void {
  const end = values + (length << 2);
  let low: f32 = 0;
  let high: f32 = 0;
  let squares: f64 = 0;
  for (let p = values; p != end; p += 4) {
    const x = load<f32>(p);
    if (x < low) low = x;
    if (x > high) high = x;
    squares += <f64>x * <f64>x;
  }
  let best = Infinity;
  let bestScale: f64 = 0;
  let bestMinimum: f64 = -low;
  if (high > low) {
    const rms = sqrt(squares / <f64>length);
    for (let k = 0; k <= RANGE_STEPS; k++) {
      // The first candidate is the plain one; the others stretch the codes by −0.9 to 0.9 steps.
      const stretched = k == 0 ? <f64>largest : <f64>largest - 0.9 + 1.8 * <f64>(k - 1) / <f64>(RANGE_STEPS - 1);
      const inverse = stretched / (<f64>high - <f64>low);
      let w0: f64 = 0, wl: f64 = 0, wll: f64 = 0, wx: f64 = 0, wxl: f64 = 0, wxx: f64 = 0;
      for (let p = values; p != end; p += 4) {
        const x = <f64>load<f32>(p);
        const w = rms + abs(x);
        const l = <f64>toInteger(<f32>(inverse * (x - <f64>low)), 0, <f32>largest);
        w0 += w;
        wl += w * l;
        wll += w * l * l;
        wx += w * x;
        wxl += w * x * l;
        wxx += w * x * x;
      }
      const determinant = w0 * wll - wl * wl;
      if (!(determinant > 0)) continue;
      let scale = (w0 * wxl - wx * wl) / determinant;
      let minimum = (wl * wxl - wll * wx) / determinant;
      if (minimum < 0) {
        minimum = 0;
        scale = wxl / wll;
      }
      const error = scale * scale * wll + minimum * minimum * w0 + wxx
        - 2 * (scale * minimum * wl + scale * wxl - minimum * wx);
      if (error < best && scale >= 0) {
        best = error;
        bestScale = scale;
        bestMinimum = minimum;
      }
    }
  }
  store<u16>(slot, <u16>floatToBfloat(<f32>bestScale));
  store<u16>(slot, <u16>floatToBfloat(<f32>bestMinimum), 2);
}

/** The scale (of either sign) that makes Σ x² (scale · code − x)² small, codes −limit…limit − 1. */
function searchScale(values: usize, length: usize, limit: i32): f32 {
  const end = values + (length << 2);
  const extreme = signedExtreme(values, end);
  let best: f64 = 0;
  let bestScale: f64 = 0;
  if (extreme == 0) return 0;
  for (let k = -SCALE_STEPS; k <= SCALE_STEPS; k++) {
    const inverse = -(<f32>limit + 0.1 * <f32>k) / extreme;
    let xl: f64 = 0;
    let ll: f64 = 0;
    for (let p = values; p != end; p += 4) {
      const x = <f64>load<f32>(p);
      const l = <f64>toInteger(<f32>x * inverse, -<f32>limit, <f32>(limit - 1));
      xl += x * x * x * l;
      ll += x * x * l * l;
    }
    if (ll > 0 && xl * xl > best * ll) {
      best = (xl * xl) / ll;
      bestScale = xl / ll;
    }
  }
  return <f32>bestScale;
}

/** The same with a table's values for codes. */
function searchTable(values: usize, length: usize, table: usize): f32 {
  const end = values + (length << 2);
  const extreme = signedExtreme(values, end);
  let best: f64 = 0;
  let bestScale: f64 = 0;
  if (extreme == 0) return 0;
  for (let k = -SCALE_STEPS; k <= SCALE_STEPS; k++) {
    const inverse = <f32>(k - 127) / extreme;
    let xl: f64 = 0;
    let ll: f64 = 0;
    for (let p = values; p != end; p += 4) {
      const x = <f64>load<f32>(p);
      const l = <f64>(<i32>load<u8>(table + nearestEntry(<f32>x * inverse, table)) - 127);
      xl += x * x * x * l;
      ll += x * x * l * l;
    }
    if (ll > 0 && xl * xl > best * ll) {
      best = (xl * xl) / ll;
      bestScale = xl / ll;
    }
  }
  return <f32>bestScale;
}

/** The value of largest magnitude, with its sign. */
function signedExtreme(values: usize, end: usize): f32 {
  let extreme: f32 = 0;
  for (let p = values; p != end; p += 4) {
    const x = load<f32>(p);
    if (abs(x) > abs(extreme)) extreme = x;
  }
  return extreme;
}
