/**
 * The members of a format with blocks of 32 columns, and the functions that every one of them has. A format is a tag:
 * an `@unmanaged` class without fields that extends this one by itself. Its members are inlined; `file` is a block as
 * it lies in a GGUF file, `block` is a packed block of eight rows, `quad` is 0 or 1 (rows 0…3 or 4…7).
 *
 * A tag says:
 *
 *     fileBytes   bytes of a file's block; a packed block has eight times as many
 *     offset      what the stored integers have too much
 *     minimum     whether m is there: the second half of a file's block, eight halves at 16 of a packed one
 *     fileScale(file, isFinite) d of a file's block (`HalfScales32` says it, and the scales below, where d is a half)
 *     filePair(file, j)         what holds columns j and j + 16 (j = 0…15) of a file's block
 *     lowInteger(pair, fifth), highInteger(pair, fifth)   the integers of both, less the offset
 *     fileFifthBits(file)       where codes have five bits: bit j is that of column j, and bit 0 of `fifth` a column's
 *     encode(values, file)      32 values of f32 → a file's block
 *     pack(file, block, row)    a file's block → its row of a packed block
 *     unpack(block, row, file)  the way back
 *     quadBytes   quad 1 of a step lies so far behind quad 0: 16 (nibbles) or 8 (bytes)
 *     stepBytes   bytes of a step of 8 columns × 8 rows: 32 or 64
 *     scale4(block, quad), scale1(block, row)   d of four rows, and of one: the scalar twin
 *     high(block, quad), nextHigh(high)         high bits of a step or zero, those of the next step
 *     word(p)                   what plane0…3 share; p is the step of a quad
 *     plane0…3(p, word, high)   the i16x8 of column pair 0…3 of a step
 *     rowDot(block, row, a)     Σ q·a of one row, a its 32 activations: the scalar twin
 *
 * and, where the format has products with bytes:
 *
 *     start       what they take off each code within i16: the offset; or 16 where five bits have a minimum, and it is
 *                 given back in i32
 *     lowBytes(word, high)      the i8x16 of columns 0 4 1 5 of four rows of a step
 *     highBytes(word, high)     that of columns 2 6 3 7
 *
 * or, where codes are signed bytes:
 *
 *     quadBytes4(first, second, quad)   the i8x16 of four columns of four rows, of two pairs of columns of eight rows
 *
 * No tag replaces a member that stands here: the compiler inlines none that is replaced somewhere.
 */
import { loadFiniteHalf, loadHalves4, loadScale } from "../layout";
import { dequantizeBlocks, packBlocks, quantizeBlocks, unpackBlocks } from "./convert";
import { decodeBlocks, matmulBlocks } from "./multiply";
import { multiplyBytes } from "./multiply_bytes";
import { multiplySigned } from "./multiply_signed";

@unmanaged
export abstract class Blocks32<F> {
  @inline get blockBytes(): usize { return 8 * changetype<F>(0).fileBytes; }
  /** The first step: what lies before it are scales and high bits. */
  @inline payload(block: usize): usize { return block + changetype<F>(0).blockBytes - 4 * changetype<F>(0).stepBytes; }

  @inline
  fileMinimum(file: usize, isFinite: bool): f32 {
    return changetype<F>(0).minimum ? loadScale(file + 2, isFinite) : 0;
  }

  @inline
  minimum4(block: usize, quad: u32): v128 {
    return changetype<F>(0).minimum ? loadHalves4(block + 16 + (quad << 3)) : i32x4.splat(0);
  }

  @inline
  minimum1(block: usize, row: u32): f32 {
    return changetype<F>(0).minimum ? loadFiniteHalf(block + 16 + (row << 1)) : 0;
  }

  @inline
  dequantize(source: usize, target: usize, count: usize, isFinite: bool): void {
    dequantizeBlocks<F>(source, target, count, isFinite);
  }

  @inline
  quantize(source: usize, target: usize, count: usize): void {
    quantizeBlocks<F>(source, target, count);
  }

  @inline
  packRows(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
    packBlocks<F>(source, rowBytes, rows, columns, target);
  }

  @inline
  unpackRow(group: usize, lane: u32, columns: u32, target: usize): void {
    unpackBlocks<F>(group, lane, columns, target);
  }

  @inline
  decode(group: usize, columns: u32, target: usize): void {
    decodeBlocks<F>(group, columns, target);
  }

  @inline
  multiply(
    group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
    _panel: usize,
  ): void {
    matmulBlocks<F>(group, groups, columns, x, xStride, tokens, target, targetStride);
  }

  @inline
  multiplyBytes(
    group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
    panel: usize, inQuads: bool,
  ): void {
    const f = changetype<F>(0);
    if (isDefined(f.lowBytes)) {
      multiplyBytes<F>(group, groups, columns, x, xStride, tokens, target, targetStride, panel, inQuads);
    } else if (isDefined(f.quadBytes4)) {
      multiplySigned<F>(group, groups, columns, x, xStride, tokens, target, targetStride, panel, inQuads);
    }
  }
}

/** Formats whose scale is the first half of a file's block, and eight halves of a packed one. */
@unmanaged
export abstract class HalfScales32<F> extends Blocks32<F> {
  @inline fileScale(file: usize, isFinite: bool): f32 { return loadScale(file, isFinite); }
  @inline scale4(block: usize, quad: u32): v128 { return loadHalves4(block + (quad << 3)); }
  @inline scale1(block: usize, row: u32): f32 { return loadFiniteHalf(block + (row << 1)); }
}
