/**
 * Super-blocks between file and memory, written once for all formats of 256 columns: dequantise, pack, unpack. What
 * differs is in the format's tag (blocks256/format.ts lists its members and draws the packed form). Codes travel
 * as eight bytes of a u64, one a column.
 *
 * Cost, eight columns: dequantising about ten vector operations, packing about fifteen scalar ones at 2 and 4 bits.
 */
import { headerBytes, packedBytes, scaleBits, unitBytes } from "./multiply";
import { loadStep, storeStep } from "./fields";
import { loadScale } from "../layout";

/** GGUF blocks → f32, exactly or with all scales finite (layout.ts); `count` a multiple of 256. */
export function dequantizeSuper<F>(source: usize, target: usize, count: usize, isFinite: bool): void {
  const f = changetype<F>(0);
  for (; count >= 256; count -= 256) {
    const d = loadScale(source + f.fileScale, isFinite);
    const dmin: f32 = f.minimum ? loadScale(source + f.fileMinimum, isFinite) : 0;
    for (let j: u32 = 0; j < 16; j++) {
      let scale = d;
      let minimum: f32 = 0;
      if (f.minimum) {
        const pair = f.fileScales(source, f.parts == 2 ? j : j >> 1);
        scale = d * <f32>(pair & ((1 << scaleBits<F>()) - 1));
        minimum = dmin * <f32>(pair >> scaleBits<F>());
      } else if (f.scaled) {
        scale = d * <f32>f.fileScales(source, f.parts == 2 ? j : j >> 1);
      }
      const step = (j & 1) << 1;
      dequantizeStep<F>(f.fileCodes(source, j >> 1, step), scale, minimum, target);
      dequantizeStep<F>(f.fileCodes(source, j >> 1, step + 1), scale, minimum, target + 32);
      target += 64;
    }
    source += f.fileBytes;
  }
}

/** f32 → GGUF blocks; `count` a multiple of 256. */
export function quantizeSuper<F>(source: usize, target: usize, count: usize): void {
  const f = changetype<F>(0);
  for (; count >= 256; count -= 256) {
    f.encode(source, target);
    source += 1024;
    target += f.fileBytes;
  }
}

/** scale · (code − offset) − minimum of eight codes. */
@inline
function dequantizeStep<F>(codes: u64, scale: f32, minimum: f32, target: usize): void {
  const f = changetype<F>(0);
  if (ASC_FEATURE_SIMD) {
    let bytes = i64x2.splat(codes);
    if (f.table != 0) bytes = i8x16.swizzle(v128.load(f.table), bytes);
    let wide = i16x8.extend_low_i8x16_u(bytes);
    if (f.offset != 0) wide = i16x8.sub(wide, i16x8.splat(<i16>f.offset));
    let low = f32x4.mul(f32x4.splat(scale), f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(wide)));
    let high = f32x4.mul(f32x4.splat(scale), f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(wide)));
    if (f.minimum) {
      low = f32x4.sub(low, f32x4.splat(minimum));
      high = f32x4.sub(high, f32x4.splat(minimum));
    }
    v128.store(target, low);
    v128.store(target, high, 16);
  } else {
    for (const end = target + 32; target != end; target += 4) {
      let code = <u32>codes & 255;
      if (f.table != 0) code = load<u8>(f.table + code);
      let value = scale * <f32>(<i32>code - f.offset);
      if (f.minimum) value -= minimum;
      store<f32>(target, value);
      codes >>= 8;
    }
  }
}

/** Up to eight rows, `rowBytes` apart → one group; missing rows are zero. */
export function packSuper<F>(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
  const f = changetype<F>(0);
  const blocks = columns >> 8;
  memory.fill(target, 0, <usize>blocks * packedBytes<F>());
  for (let row: u32 = 0; row < rows; row++) {
    let file = source + <usize>row * rowBytes;
    let packed = target;
    for (let b: u32 = 0; b < blocks; b++) {
      const header = packed + ((<usize>row) << 1);
      store<u16>(header, load<u16>(file + f.fileScale));
      if (f.minimum) store<u16>(header + 16, load<u16>(file + f.fileMinimum));
      let unit = packed + headerBytes<F>();
      for (let u: u32 = 0; u < 8; u++) {
        if (f.scaled) {
          for (let part: u32 = 0; part < f.parts; part++) {
            f.setScales1(unit, row, part, f.fileScales(file, u * f.parts + part));
          }
        }
        const p = unit + f.unitScales + ((<usize>row) << 2);
        for (let half: u32 = 0; half < 2; half++) {
          storeStep(p, f.bits, half, 0, f.fileCodes(file, u, 2 * half));
          storeStep(p, f.bits, half, 1, f.fileCodes(file, u, 2 * half + 1));
        }
        unit += unitBytes<F>();
      }
      file += f.fileBytes;
      packed += packedBytes<F>();
    }
  }
}

/** Row `lane` of a group → the row's GGUF bytes. */
export function unpackSuper<F>(group: usize, row: u32, columns: u32, target: usize): void {
  const f = changetype<F>(0);
  for (let blocks = columns >> 8; blocks > 0; blocks--) {
    memory.fill(target, 0, f.fileBytes);
    const header = group + ((<usize>row) << 1);
    store<u16>(target + f.fileScale, load<u16>(header));
    if (f.minimum) store<u16>(target + f.fileMinimum, load<u16>(header + 16));
    let unit = group + headerBytes<F>();
    for (let u: u32 = 0; u < 8; u++) {
      if (f.scaled) {
        for (let part: u32 = 0; part < f.parts; part++) {
          f.setFileScales(target, u * f.parts + part, f.scales1(unit, row, part));
        }
      }
      const p = unit + f.unitScales + ((<usize>row) << 2);
      for (let half: u32 = 0; half < 2; half++) {
        f.setFileCodes(target, u, 2 * half, loadStep(p, f.bits, half, 0));
        f.setFileCodes(target, u, 2 * half + 1, loadStep(p, f.bits, half, 1));
      }
      unit += unitBytes<F>();
    }
    if (isDefined(f.finish)) f.finish(target);
    group += packedBytes<F>();
    target += f.fileBytes;
  }
}

/** Eight codes of a field of bits, a byte each: what lies `shift` up in eight bytes at `p`. */
@inline
export function loadCodes(p: usize, shift: u32, mask: u64): u64 {
  return (load<u64>(p) >> <u64>shift) & mask;
}

/** Adds eight codes to eight bytes at `p`, `shift` up. */
@inline
export function orCodes(p: usize, shift: u32, codes: u64): void {
  store<u64>(p, load<u64>(p) | (codes << (<u64>shift)));
}

/** Masks of 1, 2 and 4 bits in every byte. */
export const BITS1: u64 = 0x0101_0101_0101_0101;
export const BITS2: u64 = 0x0303_0303_0303_0303;
export const BITS4: u64 = 0x0f0f_0f0f_0f0f_0f0f;
