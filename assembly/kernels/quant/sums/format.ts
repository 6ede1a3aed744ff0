/**
 * The members of a format whose codes have one or two bits, and the functions that each of them has. A format is a tag:
 * an `@unmanaged` class without fields that extends this one by itself. Members are inlined; `file` is a block as it
 * lies in a GGUF file, `block` a packed block of eight rows; a piece is eight columns. Codes travel plane by plane: bit
 * i of the first byte is the low bit of column i, bit 16 + i (where codes have two bits) the high one.
 *
 *     w = d · (factor · code − 1)
 *
 * A tag says:
 *
 *     columns     of a block, a multiple of 32
 *     planes      bits of a code: 1 or 2                    factor      what a code counts: 2 or 1
 *     fileBytes   bytes of a file's block, a half scale first; a packed block has eight times as many
 *     fileBits(file, piece), setFileBits(file, piece, bits)   the codes of a piece
 *     encode(values, file)                                    the block's values of f32 → a file's block
 *
 *     packed   ┌ 8 × d h ┬ piece 0 ┬ piece 1 ┬ …
 *       piece   ┌ low bits of rows 0…7, a byte each ┬ high bits of rows 0…7 (where there are) ┐
 */
import { decodeSums, dequantizeSums, packSums, quantizeSums, unpackSums } from "./convert";
import { multiplySums } from "./multiply";

@unmanaged
export abstract class Sums<F> {
  @inline get blockBytes(): usize { return 8 * changetype<F>(0).fileBytes; }
  /** Bytes of a packed piece. */
  @inline get pieceBytes(): usize { return (<usize>changetype<F>(0).planes) << 3; }
  /** Times 32 columns in a block. */
  @inline get units(): u32 { return changetype<F>(0).columns >> 5; }

  @inline
  dequantize(source: usize, target: usize, count: usize, isFinite: bool): void {
    dequantizeSums<F>(source, target, count, isFinite);
  }

  @inline
  quantize(source: usize, target: usize, count: usize): void {
    quantizeSums<F>(source, target, count);
  }

  @inline
  packRows(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
    packSums<F>(source, rowBytes, rows, columns, target);
  }

  @inline
  unpackRow(group: usize, lane: u32, columns: u32, target: usize): void {
    unpackSums<F>(group, lane, columns, target);
  }

  @inline
  decode(group: usize, columns: u32, target: usize): void {
    decodeSums<F>(group, columns, target);
  }

  @inline
  multiplySums(
    group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
    tables: usize, form: u32,
  ): void {
    multiplySums<F>(group, groups, columns, x, xStride, tokens, target, targetStride, tables, form);
  }
}
