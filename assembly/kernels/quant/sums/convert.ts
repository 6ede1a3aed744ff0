/**
 * Codes of one and two bits between file and memory, written once for their formats: dequantise, quantise, pack,
 * unpack. What differs is in the format's tag (sums/format.ts lists its members).
 *
 * Cost of 32 columns: dequantising some five scalar operations a column, packing twenty; decoding some eight vector
 * operations for four columns of a row.
 */
import { loadFiniteHalf, loadScale } from "../layout";

/** The code of column `i` of a piece. */
@inline
function codeOf<F>(bits: u32, i: u32): i32 {
  const low = (bits >> i) & 1;
  return <i32>(changetype<F>(0).planes == 2 ? low | (((bits >> (16 + i)) & 1) << 1) : low);
}

/** GGUF blocks → f32; `count` a multiple of the block. */
export function dequantizeSums<F>(source: usize, target: usize, count: usize, isFinite: bool): void {
  const f = changetype<F>(0);
  for (; count >= <usize>f.columns; count -= <usize>f.columns) {
    const d = loadScale(source, isFinite);
    for (let piece: usize = 0; piece < <usize>(f.columns >> 3); piece++) {
      const bits = f.fileBits(source, piece);
      for (let i: u32 = 0; i < 8; i++) {
        store<f32>(target, d * <f32>(f.factor * codeOf<F>(bits, i) - 1));
        target += 4;
      }
    }
    source += f.fileBytes;
  }
}

/** f32 → GGUF blocks; `count` a multiple of the block. */
export function quantizeSums<F>(source: usize, target: usize, count: usize): void {
  const f = changetype<F>(0);
  for (; count >= <usize>f.columns; count -= <usize>f.columns) {
    f.encode(source, target);
    source += (<usize>f.columns) << 2;
    target += f.fileBytes;
  }
}

/** Up to eight rows, `rowBytes` apart → one group; missing rows are zero bytes. */
export function packSums<F>(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
  const f = changetype<F>(0);
  const blocks = columns / f.columns;
  if (rows < 8) memory.fill(target, 0, <usize>blocks * f.blockBytes);
  for (let row: usize = 0; row < <usize>rows; row++) {
    let file = source + row * rowBytes;
    let block = target;
    for (let b: u32 = 0; b < blocks; b++) {
      store<u16>(block + (row << 1), load<u16>(file));
      let p = block + 16 + row;
      for (let piece: usize = 0; piece < <usize>(f.columns >> 3); piece++) {
        const bits = f.fileBits(file, piece);
        store<u8>(p, <u8>bits);
        if (f.planes == 2) store<u8>(p, <u8>(bits >> 16), 8);
        p += f.pieceBytes;
      }
      file += f.fileBytes;
      block += f.blockBytes;
    }
  }
}

/** Row `lane` of a group → the row's GGUF bytes. */
export function unpackSums<F>(group: usize, lane: u32, columns: u32, target: usize): void {
  const f = changetype<F>(0);
  for (let blocks = columns / f.columns; blocks > 0; blocks--) {
    store<u16>(target, load<u16>(group + ((<usize>lane) << 1)));
    let p = group + 16 + <usize>lane;
    for (let piece: usize = 0; piece < <usize>(f.columns >> 3); piece++) {
      f.setFileBits(target, piece, <u32>load<u8>(p) | (f.planes == 2 ? (<u32>load<u8>(p, 8)) << 16 : 0));
      p += f.pieceBytes;
    }
    group += f.blockBytes;
    target += f.fileBytes;
  }
}

// The bit of each of four columns.
const COLUMN_BITS = memory.data<u32>([1, 2, 4, 8], 16);

/**
 * One group as f32, four columns after four: per 4 columns 8 × 16 bytes, row after row. The numbers are those of the
 * dequantiser; the scalar build takes that instead (`decodeGroup` in quant/index.ts).
 */
export function decodeSums<F>(group: usize, columns: u32, target: usize): void {
  const f = changetype<F>(0);
  for (let blocks = columns / f.columns; blocks > 0; blocks--) {
    for (let row: usize = 0; row < 8; row++) {
      const d = f32x4.splat(loadFiniteHalf(group + (row << 1)));
      let p = group + 16 + row;
      let to = target + (row << 4);
      for (let piece: u32 = 0; piece < f.columns >> 3; piece++) {
        const low = <i32>load<u8>(p);
        const high = f.planes == 2 ? <i32>load<u8>(p, 8) : 0;
        v128.store(to, f32x4.mul(d, integers<F>(low, high)));
        v128.store(to, f32x4.mul(d, integers<F>(low >> 4, high >> 4)), 128);
        p += f.pieceBytes;
        to += 256;
      }
    }
    group += f.blockBytes;
    target += (<usize>f.columns) << 5;
  }
}

/** factor · code − 1 of the four columns whose bits are the lowest. */
@inline
function integers<F>(low: i32, high: i32): v128 {
  const f = changetype<F>(0);
  const bits = v128.load(COLUMN_BITS);
  // A lane whose bit is set is −1.
  const ones = i32x4.eq(v128.and(i32x4.splat(low), bits), bits);
  let minus = f.factor == 2 ? i32x4.add(ones, ones) : ones;
  if (f.planes == 2) {
    const twos = i32x4.eq(v128.and(i32x4.splat(high), bits), bits);
    minus = i32x4.add(minus, i32x4.add(twos, twos));
  }
  return f32x4.convert_i32x4_s(i32x4.sub(i32x4.splat(-1), minus));
}
