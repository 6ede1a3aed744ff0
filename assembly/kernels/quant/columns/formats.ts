/**
 * The formats with blocks of 32 that may lie neuron by neuron, as tags of columns/multiply.ts; those with super-blocks
 * have theirs in blocks256/multiply.ts. The scales of a unit are eight halves for eight outputs, there are no
 * sub-scales.
 */

/** Q4_0: nibbles less eight. */
@unmanaged
export class Q4_0Columns {
  @inline get bits(): i32 { return 4; }
  @inline get parts(): u32 { return 1; }
  @inline get unitScales(): usize { return 16; }
  @inline get offset(): i32 { return 8; }
  @inline get minimum(): bool { return false; }
  @inline get scaled(): bool { return false; }
  @inline scales8(unit: usize, quad: usize, part: usize): v128 { return i32x4.splat(0); }
  @inline scales1(unit: usize, row: u32, part: usize): i32 { return 1; }
}

/** Q8_0: signed bytes, kept with 128 added. */
@unmanaged
export class Q8_0Columns {
  @inline get bits(): i32 { return 8; }
  @inline get parts(): u32 { return 1; }
  @inline get unitScales(): usize { return 16; }
  @inline get offset(): i32 { return 128; }
  @inline get minimum(): bool { return false; }
  @inline get scaled(): bool { return false; }
  @inline scales8(unit: usize, quad: usize, part: usize): v128 { return i32x4.splat(0); }
  @inline scales1(unit: usize, row: u32, part: usize): i32 { return 1; }
}
