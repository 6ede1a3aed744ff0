/**
 * The members of a format with super-blocks of 256 columns, and the functions that every one of them has. A format is a
 * tag: an `@unmanaged` class without fields that extends this one by itself. `P` is the format that the packed group
 * has, where it is another one. Members are inlined; `file` is a block as it lies in a GGUF file, `unit` and `block`
 * are packed, `row` is 0…7, `quad` 0 or 1 (rows 0…3 or 4…7).
 *
 * A tag says:
 *
 *     bits        of a code: 2 to 6                        offset       what the stored integers have too much
 *     table       of 16 bytes, or 0: code → integer        parts        sub-blocks in 32 columns: 1 or 2
 *     unitScales  bytes of a unit's sub-scales; 0: there are none (`Unscaled256`)
 *     fileBytes   bytes of a file's block; a packed block has eight times as many
 *     fileScale, fileMinimum, fileQuants   where d, dmin (where it is) and the codes lie in a file's block
 *     scales8(unit, quad, part)   sub-scales as i16x8, the first four lanes those of the quad (of quad 0: all eight
 *                                 rows); with a minimum: scale | minimum << scaleBits
 *     scales1(unit, row, part)    its scalar twin          setScales1(unit, row, part, value)   into zeroed bytes
 *     fileScales(file, j), setFileScales(file, j, value)   sub-scale j of a file's block (set: into zeroed bytes)
 *     scaleLimit                  sub-scales lie within ±scaleLimit (where they have a sign)
 *     fileCodes(file, unit, step), setFileCodes(file, unit, step, codes)   the eight codes of a step of 8 columns, a
 *                                                                          byte each (set: into zeroed bits)
 *     finish(file)                follows the last setFileCodes, where there is something to do
 *     encode(values, file)        256 values of f32 → a file's block
 *
 * No tag replaces a member that stands here: the compiler inlines none that is replaced somewhere.
 */
import { dequantizeSuper, packSuper, quantizeSuper, unpackSuper } from "./convert";
import { decodeSuper } from "./decode";
import { matmulSuper } from "./multiply";
import { multiplySuperBytes } from "./multiply_bytes";
import { filePair, packedPair, packedPairs8, setFilePair, setPackedPair } from "./sixbit";

@unmanaged
export abstract class Blocks256<F, P = F> {
  @inline get minimum(): bool { return isDefined(changetype<F>(0).fileMinimum); }
  @inline get scaled(): bool { return changetype<F>(0).unitScales != 0; }

  @inline
  dequantize(source: usize, target: usize, count: usize, isFinite: bool): void {
    dequantizeSuper<F>(source, target, count, isFinite);
  }

  @inline
  quantize(source: usize, target: usize, count: usize): void {
    quantizeSuper<F>(source, target, count);
  }

  @inline
  packRows(source: usize, rowBytes: usize, rows: u32, columns: u32, target: usize): void {
    packSuper<F>(source, rowBytes, rows, columns, target);
  }

  @inline
  unpackRow(group: usize, lane: u32, columns: u32, target: usize): void {
    unpackSuper<F>(group, lane, columns, target);
  }

  @inline
  decode(group: usize, columns: u32, target: usize): void {
    decodeSuper<P>(group, columns, target);
  }

  @inline
  multiply(
    group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
    panel: usize,
  ): void {
    matmulSuper<P>(group, groups, columns, x, xStride, tokens, target, targetStride, panel);
  }

  @inline
  multiplyBytes(
    group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
    panel: usize, inQuads: bool,
  ): void {
    // The integers of a table have eight bits, one too many.
    if (changetype<F>(0).table == 0) {
      multiplySuperBytes<P>(group, groups, columns, x, xStride, tokens, target, targetStride, panel, inQuads);
    }
  }
}

/** Formats without sub-scales. */
@unmanaged
export abstract class Unscaled256<F, P = F> extends Blocks256<F, P> {
  @inline get unitScales(): usize { return 0; }
  @inline scales8(unit: usize, quad: usize, part: usize): v128 { return i16x8.splat(1); }
  @inline scales1(unit: usize, row: u32, part: usize): i32 { return 1; }
  @inline setScales1(unit: usize, row: u32, part: usize, value: i32): void {}
  @inline fileScales(file: usize, j: u32): i32 { return 1; }
  @inline setFileScales(file: usize, j: u32, value: i32): void {}
}

/** Formats whose units of 32 columns have a scale and a minimum of 6 bits each (sixbit.ts). */
@unmanaged
export abstract class SixBit256<F, P = F> extends Blocks256<F, P> {
  @inline get offset(): i32 { return 0; }
  @inline get table(): usize { return 0; }
  @inline get parts(): u32 { return 1; }
  @inline get unitScales(): usize { return 12; }
  @inline get fileScale(): usize { return 0; }
  @inline get fileMinimum(): usize { return 2; }
  @inline scales8(unit: usize, quad: usize, part: usize): v128 { return packedPairs8(unit, quad); }
  @inline scales1(unit: usize, row: u32, part: usize): i32 { return packedPair(unit, row); }
  @inline setScales1(unit: usize, row: u32, part: usize, value: i32): void { setPackedPair(unit, row, value); }
  @inline fileScales(file: usize, j: u32): i32 { return filePair(file + 4, j); }
  @inline setFileScales(file: usize, j: u32, value: i32): void { setFilePair(file + 4, j, value); }
}
