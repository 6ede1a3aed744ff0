/**
 * Super-blocks between file and memory, written once for all formats of 256 columns: dequantise, pack, unpack. What
 * differs is in the format's tag (kernels/quant/driver_k.ts lists its members and draws the packed form). Codes travel
 * as eight bytes of a u64, one a column.
 *
 * Cost, eight columns: dequantising about ten vector operations, packing two multiplications a bit field.
 *
 * May call: half, driver_k.
 */
import { loadHalf } from "../half";
import { headerBytes, packedBytes, scaleBits, unitBytes } from "./driver_k";

/** The lowest `bits` (1, 2 or 4) of eight code bytes → fields of a row's two i16 lanes: even columns low, odd high. */
@inline
export function gather(codes: u64, bits: i32): u32 {
  const one: u64 = ((1 << bits) - 1) as u64;
  const mask: u64 = one | (one << 16) | (one << 32) | (one << 48);
  // Field i goes from bit 16 i to bit 48 + bits · i; no two products meet.
  const factor: u64 = (1 << 48) | (1 << (32 + bits)) | (1 << (16 + 2 * bits)) | (1 << (3 * bits));
  const lane: u32 = (1 << (4 * bits)) - 1;
  const even = <u32>(((codes & mask) * factor) >> 48) & lane;
  const odd = <u32>((((codes >> 8) & mask) * factor) >> 48) & lane;
  return even | (odd << 16);
}

/** The inverse of `gather`; what lies above the four fields of a lane is ignored. */
@inline
export function scatter(fields: u32, bits: i32): u64 {
  return spread(fields & ((1 << (4 * bits)) - 1), bits) | (spread((fields >> 16) & ((1 << (4 * bits)) - 1), bits) << 8);
}

@inline
function spread(lane: u32, bits: i32): u64 {
  const one: u64 = ((1 << bits) - 1) as u64;
  const mask: u64 = one | (one << 16) | (one << 32) | (one << 48);
  const f = <u64>lane;
  const step = <u64>(16 - bits);
  return (f | (f << step) | (f << (2 * step)) | (f << (3 * step))) & mask;
}

/** GGUF blocks → f32; `count` a multiple of 256. */
@inline
export function dequantizeSuper<F>(source: usize, target: usize, count: usize): void {
  const f = changetype<F>(0);
  for (; count >= 256; count -= 256) {
    const d = loadHalf(source + f.fileScale);
    const dmin: f32 = f.minimum ? loadHalf(source + f.fileMinimum) : 0;
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

/** Where the fields of a step begin: `bits` a column, `lane` the row's lanes of the first vector. */
@inline
function fieldAddress(lane: usize, step: u32, bits: i32): usize {
  return lane + (<usize>((<u32>bits * step) >> 2) << 5);
}

/** … and by how much they are shifted there. */
@inline
function fieldShift(step: u32, bits: i32): u32 {
  return ((<u32>bits * step) & 3) << 2;
}

/** Up to eight rows, `rowBytes` apart → one group; missing rows are zero. */
@inline
export function packSuper<F>(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
  const f = changetype<F>(0);
  const blocks = columns >> 8;
  memory.fill(target, 0, <usize>blocks * packedBytes<F>());
  for (let row: u32 = 0; row < rows; row++) {
    let file = source + <usize>row * rowBytes;
    let packed = target;
    for (let b: u32 = 0; b < blocks; b++) {
      const header = packed + (<usize>row << 1);
      store<u16>(header, load<u16>(file + f.fileScale));
      if (f.minimum) store<u16>(header + 16, load<u16>(file + f.fileMinimum));
      let unit = packed + headerBytes<F>();
      for (let u: u32 = 0; u < 8; u++) {
        if (f.scaled) {
          for (let part: u32 = 0; part < f.parts; part++) {
            f.setScales1(unit, row, part, f.fileScales(file, u * f.parts + part));
          }
        }
        const low = unit + f.unitScales + (<usize>row << 2);
        const high = low + 32 * <usize>f.lowBits;
        for (let step: u32 = 0; step < 4; step++) {
          const codes = f.fileCodes(file, u, step);
          const at = fieldAddress(low, step, f.lowBits);
          store<u32>(at, load<u32>(at) | (gather(codes, f.lowBits) << fieldShift(step, f.lowBits)));
          if (f.highBits != 0) {
            const above = fieldAddress(high, step, f.highBits);
            const fields = gather(codes >> f.lowBits, f.highBits);
            store<u32>(above, load<u32>(above) | (fields << fieldShift(step, f.highBits)));
          }
        }
        unit += unitBytes<F>();
      }
      file += f.fileBytes;
      packed += packedBytes<F>();
    }
  }
}

/** Row `lane` of a group → the row's GGUF bytes. */
@inline
export function unpackSuper<F>(group: usize, row: u32, columns: u32, target: usize): void {
  const f = changetype<F>(0);
  for (let blocks = columns >> 8; blocks > 0; blocks--) {
    memory.fill(target, 0, f.fileBytes);
    const header = group + (<usize>row << 1);
    store<u16>(target + f.fileScale, load<u16>(header));
    if (f.minimum) store<u16>(target + f.fileMinimum, load<u16>(header + 16));
    let unit = group + headerBytes<F>();
    for (let u: u32 = 0; u < 8; u++) {
      if (f.scaled) {
        for (let part: u32 = 0; part < f.parts; part++) {
          f.setFileScales(target, u * f.parts + part, f.scales1(unit, row, part));
        }
      }
      const low = unit + f.unitScales + (<usize>row << 2);
      const high = low + 32 * <usize>f.lowBits;
      for (let step: u32 = 0; step < 4; step++) {
        const fields = load<u32>(fieldAddress(low, step, f.lowBits)) >> fieldShift(step, f.lowBits);
        let codes = scatter(fields, f.lowBits);
        if (f.highBits != 0) {
          const above = load<u32>(fieldAddress(high, step, f.highBits)) >> fieldShift(step, f.highBits);
          codes |= scatter(above, f.highBits) << f.lowBits;
        }
        f.setFileCodes(target, u, step, codes);
      }
      unit += unitBytes<F>();
    }
    f.finish(target);
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
  store<u64>(p, load<u64>(p) | (codes << <u64>shift));
}

/** Masks of 1, 2 and 4 bits in every byte. */
export const BITS1: u64 = 0x0101_0101_0101_0101;
export const BITS2: u64 = 0x0303_0303_0303_0303;
export const BITS4: u64 = 0x0f0f_0f0f_0f0f_0f0f;
