/**
 * The matmul of float weights (F32, F16, BF16) with f32 activations, written once; a format's tag says how wide a value
 * is and how it is read.
 *
 *     packed   a group of 8 rows, column after column:  ┌ r0 r1 r2 r3 ┬ r4 r5 r6 r7 ┐   as many bytes as in the file
 *     y[t][r] = Σ over blocks of 32 columns:  (((0 + w₀·x₀) + w₁·x₁) + … + w₃₁·x₃₁)       the last may be shorter
 *
 * A block has its own accumulator, so that the processor may begin the next while the additions of one chain still wait
 * for each other. One token, the tile and the scalar twin give the same bits. One token reads one stream: two
 * blocks side by side are a quarter faster in the cache, and from memory half as fast.
 *
 * A format is a tag: an `@unmanaged` class without fields that extends `FloatFormat` by itself and says
 *
 *     bytes             of a value
 *     read(p), write(p, x)   a value of a file, exactly
 *     load4(p)          four packed values as f32x4; load1(p), one of them, is its scalar twin
 *
 * Cost of 8 rows × 1 column, one token: 2 loads, 1 splat, 2 multiplications, 2 additions.
 */
import { multiplyAdd } from "../float/fused";

/** What every format of float weights can do. */
@unmanaged
export abstract class FloatFormat<F> {
  @inline
  dequantize(source: usize, target: usize, count: usize, isFinite: bool): void {
    dequantizeFloats<F>(source, target, count, isFinite);
  }

  @inline
  quantize(source: usize, target: usize, count: usize): void {
    quantizeFloats<F>(source, target, count);
  }

  @inline
  packRows(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
    packFloats<F>(source, rowBytes, rows, columns, target);
  }

  @inline
  unpackRow(group: usize, lane: u32, columns: u32, target: usize): void {
    unpackFloats<F>(group, lane, columns, target);
  }

  @inline
  decode(group: usize, columns: u32, target: usize): void {
    decodeFloats<F>(group, columns, target);
  }

  @inline
  multiply(
    group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
    _panel: usize,
  ): void {
    matmulFloats<F>(group, groups, columns, x, xStride, tokens, target, targetStride);
  }

  /** Activations in bytes meet no floats. */
  @inline
  multiplyBytes(
    group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
    panel: usize, inQuads: bool,
  ): void {}
}

/** Eight rows × one token, added to `target` unless these columns are the first ones. */
function multiplyOne<F>(p: usize, columns: u32, x: usize, target: usize, first: bool): void {
  const f = changetype<F>(0);
  const line = f.bytes << 3;
  if (ASC_FEATURE_SIMD) {
    let acc0 = f32x4.splat(0);
    let acc1 = acc0;
    if (!first) {
      acc0 = v128.load(target);
      acc1 = v128.load(target, 16);
    }
    while (columns > 0) {
      const count: u32 = columns < 32 ? columns : 32;
      let a0 = f32x4.splat(0);
      let a1 = f32x4.splat(0);
      for (let i: u32 = 0; i < count; i++) {
        const xa = v128.load_splat<f32>(x);
        a0 = multiplyAdd(f.load4(p), xa, a0);
        a1 = multiplyAdd(f.load4(p + (line >> 1)), xa, a1);
        p += line;
        x += 4;
      }
      acc0 = f32x4.add(acc0, a0);
      acc1 = f32x4.add(acc1, a1);
      columns -= count;
    }
    v128.store(target, acc0);
    v128.store(target, acc1, 16);
  } else {
    for (let row: usize = 0; row < 8; row++) {
      let acc: f32 = 0;
      let q = p + row * f.bytes;
      let a = x;
      let left = columns;
      while (left > 0) {
        const count: u32 = left < 32 ? left : 32;
        let sum: f32 = 0;
        for (let i: u32 = 0; i < count; i++) {
          sum += f.load1(q) * load<f32>(a);
          q += line;
          a += 4;
        }
        acc += sum;
        left -= count;
      }
      store<f32>(target + (row << 2), acc);
    }
  }
}

/** Tokens of a tile: as many as fill the registers, one of which is for a product where nothing fuses it. */
const WIDE: u32 = ASC_FEATURE_RELAXED_SIMD ? 6 : 5;

@unmanaged
class Widest {
  @inline get tokens(): u32 { return WIDE; }
}

/** What whole tiles leave over, in the fast build: token by token it would take twice as long. */
@unmanaged
class Four {
  @inline get tokens(): u32 { return 4; }
}

/**
 * Eight rows × the tokens of `T`, a multiple of four columns, which are written out: addresses take as long as what
 * they are for. Blocks are summed where the outputs end up, from zero if they are the first ones.
 */
function multiplyTile<F, T>(
  p: usize, columns: u32, x0: usize, stride: usize, target: usize, targetStride: usize, first: bool,
): void {
  const f = changetype<F>(0);
  const tokens = changetype<T>(0).tokens;
  const line = f.bytes << 3;
  let x1 = x0 + stride;
  let x2 = x1 + stride;
  let x3 = x2 + stride;
  let x4 = x3 + stride;
  let x5 = x4 + stride;
  const zero = f32x4.splat(0);
  for (let t: u32 = 0, y = target; first && t < tokens; t++, y += targetStride) {
    v128.store(y, zero);
    v128.store(y, zero, 16);
  }
  while (columns > 0) {
    const count: u32 = columns < 32 ? columns : 32;
    let a0 = zero;
    let b0 = zero;
    let a1 = zero;
    let b1 = zero;
    let a2 = zero;
    let b2 = zero;
    let a3 = zero;
    let b3 = zero;
    let a4 = zero;
    let b4 = zero;
    let a5 = zero;
    let b5 = zero;
    for (const end = p + <usize>count * line; p != end; p += 4 * line) {
      let wa = f.load4(p);
      let wb = f.load4(p + (line >> 1));
      let x = v128.load_splat<f32>(x0);
      a0 = multiplyAdd(wa, x, a0);
      b0 = multiplyAdd(wb, x, b0);
      x = v128.load_splat<f32>(x1);
      a1 = multiplyAdd(wa, x, a1);
      b1 = multiplyAdd(wb, x, b1);
      x = v128.load_splat<f32>(x2);
      a2 = multiplyAdd(wa, x, a2);
      b2 = multiplyAdd(wb, x, b2);
      x = v128.load_splat<f32>(x3);
      a3 = multiplyAdd(wa, x, a3);
      b3 = multiplyAdd(wb, x, b3);
      if (tokens > 4) {
        x = v128.load_splat<f32>(x4);
        a4 = multiplyAdd(wa, x, a4);
        b4 = multiplyAdd(wb, x, b4);
      }
      if (tokens > 5) {
        x = v128.load_splat<f32>(x5);
        a5 = multiplyAdd(wa, x, a5);
        b5 = multiplyAdd(wb, x, b5);
      }

      wa = f.load4(p + line);
      wb = f.load4(p + line + (line >> 1));
      x = v128.load_splat<f32>(x0, 4);
      a0 = multiplyAdd(wa, x, a0);
      b0 = multiplyAdd(wb, x, b0);
      x = v128.load_splat<f32>(x1, 4);
      a1 = multiplyAdd(wa, x, a1);
      b1 = multiplyAdd(wb, x, b1);
      x = v128.load_splat<f32>(x2, 4);
      a2 = multiplyAdd(wa, x, a2);
      b2 = multiplyAdd(wb, x, b2);
      x = v128.load_splat<f32>(x3, 4);
      a3 = multiplyAdd(wa, x, a3);
      b3 = multiplyAdd(wb, x, b3);
      if (tokens > 4) {
        x = v128.load_splat<f32>(x4, 4);
        a4 = multiplyAdd(wa, x, a4);
        b4 = multiplyAdd(wb, x, b4);
      }
      if (tokens > 5) {
        x = v128.load_splat<f32>(x5, 4);
        a5 = multiplyAdd(wa, x, a5);
        b5 = multiplyAdd(wb, x, b5);
      }

      wa = f.load4(p + 2 * line);
      wb = f.load4(p + 2 * line + (line >> 1));
      x = v128.load_splat<f32>(x0, 8);
      a0 = multiplyAdd(wa, x, a0);
      b0 = multiplyAdd(wb, x, b0);
      x = v128.load_splat<f32>(x1, 8);
      a1 = multiplyAdd(wa, x, a1);
      b1 = multiplyAdd(wb, x, b1);
      x = v128.load_splat<f32>(x2, 8);
      a2 = multiplyAdd(wa, x, a2);
      b2 = multiplyAdd(wb, x, b2);
      x = v128.load_splat<f32>(x3, 8);
      a3 = multiplyAdd(wa, x, a3);
      b3 = multiplyAdd(wb, x, b3);
      if (tokens > 4) {
        x = v128.load_splat<f32>(x4, 8);
        a4 = multiplyAdd(wa, x, a4);
        b4 = multiplyAdd(wb, x, b4);
      }
      if (tokens > 5) {
        x = v128.load_splat<f32>(x5, 8);
        a5 = multiplyAdd(wa, x, a5);
        b5 = multiplyAdd(wb, x, b5);
      }

      wa = f.load4(p + 3 * line);
      wb = f.load4(p + 3 * line + (line >> 1));
      x = v128.load_splat<f32>(x0, 12);
      a0 = multiplyAdd(wa, x, a0);
      b0 = multiplyAdd(wb, x, b0);
      x = v128.load_splat<f32>(x1, 12);
      a1 = multiplyAdd(wa, x, a1);
      b1 = multiplyAdd(wb, x, b1);
      x = v128.load_splat<f32>(x2, 12);
      a2 = multiplyAdd(wa, x, a2);
      b2 = multiplyAdd(wb, x, b2);
      x = v128.load_splat<f32>(x3, 12);
      a3 = multiplyAdd(wa, x, a3);
      b3 = multiplyAdd(wb, x, b3);
      if (tokens > 4) {
        x = v128.load_splat<f32>(x4, 12);
        a4 = multiplyAdd(wa, x, a4);
        b4 = multiplyAdd(wb, x, b4);
      }
      if (tokens > 5) {
        x = v128.load_splat<f32>(x5, 12);
        a5 = multiplyAdd(wa, x, a5);
        b5 = multiplyAdd(wb, x, b5);
      }

      x0 += 16;
      x1 += 16;
      x2 += 16;
      x3 += 16;
      if (tokens > 4) x4 += 16;
      if (tokens > 5) x5 += 16;
    }
    let y = target;
    addTo(y, a0, b0);
    y += targetStride;
    addTo(y, a1, b1);
    y += targetStride;
    addTo(y, a2, b2);
    y += targetStride;
    addTo(y, a3, b3);
    y += targetStride;
    if (tokens > 4) addTo(y, a4, b4);
    y += targetStride;
    if (tokens > 5) addTo(y, a5, b5);
    columns -= count;
  }
}

@inline
function addTo(target: usize, a: v128, b: v128): void {
  v128.store(target, f32x4.add(v128.load(target), a));
  v128.store(target, f32x4.add(v128.load(target, 16), b), 16);
}

/** Eight rows × all tokens, in tiles where `columns` is a multiple of four. */
@inline
function multiplyTokens<F>(
  p: usize, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize, first: bool,
): void {
  if (ASC_FEATURE_SIMD && (columns & 3) == 0) {
    // Two tiles of four for one of six and a rest of two or three: at most one token is left.
    let fours: u32 = 0;
    if (ASC_FEATURE_RELAXED_SIMD) fours = tokens % WIDE >= 4 ? 4 : tokens % WIDE >= 2 && tokens >= 8 ? 8 : 0;
    for (; tokens >= WIDE + fours; tokens -= WIDE) {
      multiplyTile<F, Widest>(p, columns, x, xStride, target, targetStride, first);
      x += <usize>WIDE * xStride;
      target += <usize>WIDE * targetStride;
    }
    if (ASC_FEATURE_RELAXED_SIMD) {
      for (; tokens >= 4; tokens -= 4) {
        multiplyTile<F, Four>(p, columns, x, xStride, target, targetStride, first);
        x += 4 * xStride;
        target += 4 * targetStride;
      }
    }
  }
  for (; tokens > 0; tokens--) {
    multiplyOne<F>(p, columns, x, target, first);
    x += xStride;
    target += targetStride;
  }
}

/** Whole groups × tokens: target[t · targetStride / 4 + 8 · group + row]. Strides in bytes, x in f32 rows. */
export function matmulFloats<F>(
  group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
): void {
  const f = changetype<F>(0);
  const groupBytes = <usize>columns * (f.bytes << 3);
  for (; groups > 0; groups--) {
    multiplyTokens<F>(group, columns, x, xStride, tokens, target, targetStride, true);
    group += groupBytes;
    target += 32;
  }
}

/** From how many tokens on `matmulWidened` pays: the 32 bytes of scratch that each brings hold a block then. */
export const WIDENED_TOKENS: u32 = 32;

/**
 * `matmulFloats` for many tokens, a multiple of four columns: as many blocks as `scratch` holds (32 bytes a token, at
 * most 4 KB) are widened once for all tokens and multiplied as `W`, which is F32. The additions and their order are the
 * same, and so the bits.
 */
@inline
export function matmulWidened<F, W>(
  group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
  scratch: usize,
): void {
  const f = changetype<F>(0);
  const most = min<u32>(tokens & ~31, 128);
  for (; groups > 0; groups--) {
    for (let k: u32 = 0; k < columns; k += most) {
      const count = min(columns - k, most);
      const end = scratch + ((<usize>count) << 5);
      for (let to = scratch; to != end; to += 32) {
        v128.store(to, f.load4(group));
        v128.store(to, f.load4(group + (f.bytes << 2)), 16);
        group += f.bytes << 3;
      }
      multiplyTokens<W>(scratch, count, x + ((<usize>k) << 2), xStride, tokens, target, targetStride, k == 0);
    }
    target += 32;
  }
}

/** `count` values of a file → f32, exactly or as the product reads them. */
export function dequantizeFloats<F>(source: usize, target: usize, count: usize, isFinite: bool): void {
  const f = changetype<F>(0);
  if (f.bytes == 4) {
    memory.copy(target, source, count << 2);
  } else {
    for (let i: usize = 0; i < count; i++) {
      const p = source + i * f.bytes;
      store<f32>(target + (i << 2), isFinite ? f.load1(p) : f.read(p));
    }
  }
}

/** f32 → `count` values as in a file. */
export function quantizeFloats<F>(source: usize, target: usize, count: usize): void {
  const f = changetype<F>(0);
  if (f.bytes == 4) {
    memory.copy(target, source, count << 2);
  } else {
    for (let i: usize = 0; i < count; i++) f.write(target + i * f.bytes, load<f32>(source + (i << 2)));
  }
}

/** Up to eight rows of values of `F`'s width, `rowBytes` apart → one group; missing rows are zero. */
export function packFloats<F>(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
  const f = changetype<F>(0);
  const line = f.bytes << 3;
  if (rows < 8) memory.fill(target, 0, <usize>columns * line);
  for (let row: usize = 0; row < <usize>rows; row++) {
    let from = source + row * rowBytes;
    let to = target + row * f.bytes;
    for (let k: u32 = 0; k < columns; k++) {
      if (f.bytes == 4) store<u32>(to, load<u32>(from));
      else store<u16>(to, load<u16>(from));
      from += f.bytes;
      to += line;
    }
  }
}

/** Row `lane` of a group → the row as in the file. */
export function unpackFloats<F>(group: usize, lane: u32, columns: u32, target: usize): void {
  const f = changetype<F>(0);
  let from = group + <usize>lane * f.bytes;
  for (let k: u32 = 0; k < columns; k++) {
    if (f.bytes == 4) store<u32>(target, load<u32>(from));
    else store<u16>(target, load<u16>(from));
    from += f.bytes << 3;
    target += f.bytes;
  }
}

/**
 * One group as f32, four columns after four: per 4 columns 8 × 16 bytes, row after row. `columns` a multiple of four;
 * portable build only (the scalar one dequantises row by row).
 */
export function decodeFloats<F>(group: usize, columns: u32, target: usize): void {
  const f = changetype<F>(0);
  const line = f.bytes << 3;
  for (; columns >= 4; columns -= 4) {
    for (let quad: usize = 0; quad < 2; quad++) {
      const p = group + quad * (line >> 1);
      const a = f.load4(p);
      const b = f.load4(p + line);
      const c = f.load4(p + 2 * line);
      const d = f.load4(p + 3 * line);
      // Columns a, b, c, d of four rows → rows of four columns.
      const ab01 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
      const ab23 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
      const cd01 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
      const cd23 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
      const to = target + (quad << 6);
      v128.store(to, v128.shuffle<i64>(ab01, cd01, 0, 2));
      v128.store(to, v128.shuffle<i64>(ab01, cd01, 1, 3), 16);
      v128.store(to, v128.shuffle<i64>(ab23, cd23, 0, 2), 32);
      v128.store(to, v128.shuffle<i64>(ab23, cd23, 1, 3), 48);
    }
    group += 4 * line;
    target += 128;
  }
}
