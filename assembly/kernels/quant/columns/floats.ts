/**
 * Float weights that lie neuron by neuron (columns/layout.ts) × f32 activations: the sums of floats.ts in
 * its order, without the products by zero.
 *
 *     s[o] = Σ over active neurons k of a block of 32, ascending, from 0:  w[k][o] · x[k]        y[o] += s[o]
 *
 * A product by zero adds ±0 to a sum that is never −0, so leaving it out changes no bit of a finite weight. A pass
 * takes up to eight neurons; between two passes of a block the sums lie in memory.
 *
 * Cost of 4 outputs × 1 neuron: 1 load, 1 multiplication, 1 addition, and 3 operations for halves.
 */
import { multiplyAdd } from "../../float/fused";

/** How many neurons a pass takes. */
@unmanaged
class One {
  @inline get count(): i32 { return 1; }
}
@unmanaged
class Two {
  @inline get count(): i32 { return 2; }
}
@unmanaged
class Four {
  @inline get count(): i32 { return 4; }
}
@unmanaged
class Eight {
  @inline get count(): i32 { return 8; }
}

/** A list has the address and the activation of each neuron. */
const ENTRY_BYTES: usize = 8;
const LIST_BYTES: usize = 32 * ENTRY_BYTES;

/** Bytes of `scratch` for `multiplyFloatColumns`: a list, and a sum for each output. */
export function floatColumnScratchBytes(rows: u32): usize {
  return LIST_BYTES + ((<usize>rows) << 2);
}

/** Writes the list of a block: how many of its `count` neurons are active. */
function listBlock(x: usize, count: u32, values: usize, stride: usize, list: usize): u32 {
  let active: u32 = 0;
  for (let k: u32 = 0; k < count; k++) {
    const a = load<f32>(x + ((<usize>k) << 2));
    if (a != 0) {
      store<usize>(list, values + <usize>k * stride);
      store<f32>(list, a, 4);
      list += ENTRY_BYTES;
      active++;
    }
  }
  return active;
}

/** s + w · a of four outputs, neuron `entry` of the list. */
@inline
function addColumn<F>(s: v128, p: usize, a: v128): v128 {
  return multiplyAdd(changetype<F>(0).load4(p), a, s);
}

/** `P` neurons × outputs `begin` … `end` − 1. */
function pass<F, P>(list: usize, sums: usize, first: bool, last: bool, begin: u32, end: u32, y: usize): void {
  const bytes = changetype<F>(0).bytes;
  const count = changetype<P>(0).count;
  if (ASC_FEATURE_SIMD) {
    const zero = f32x4.splat(0);
    const p0 = load<usize>(list);
    const p1 = count > 1 ? load<usize>(list, 8) : p0;
    const p2 = count > 2 ? load<usize>(list, 16) : p0;
    const p3 = count > 2 ? load<usize>(list, 24) : p0;
    const p4 = count > 4 ? load<usize>(list, 32) : p0;
    const p5 = count > 4 ? load<usize>(list, 40) : p0;
    const p6 = count > 4 ? load<usize>(list, 48) : p0;
    const p7 = count > 4 ? load<usize>(list, 56) : p0;
    const a0 = v128.load32_splat(list, 4);
    const a1 = count > 1 ? v128.load32_splat(list, 12) : a0;
    const a2 = count > 2 ? v128.load32_splat(list, 20) : a0;
    const a3 = count > 2 ? v128.load32_splat(list, 28) : a0;
    const a4 = count > 4 ? v128.load32_splat(list, 36) : a0;
    const a5 = count > 4 ? v128.load32_splat(list, 44) : a0;
    const a6 = count > 4 ? v128.load32_splat(list, 52) : a0;
    const a7 = count > 4 ? v128.load32_splat(list, 60) : a0;
    for (let o = begin; o < end; o += 4) {
      const at = <usize>o * bytes;
      let s = first ? zero : v128.load(sums + ((<usize>o) << 2));
      s = addColumn<F>(s, p0 + at, a0);
      if (count > 1) s = addColumn<F>(s, p1 + at, a1);
      if (count > 2) {
        s = addColumn<F>(s, p2 + at, a2);
        s = addColumn<F>(s, p3 + at, a3);
      }
      if (count > 4) {
        s = addColumn<F>(s, p4 + at, a4);
        s = addColumn<F>(s, p5 + at, a5);
        s = addColumn<F>(s, p6 + at, a6);
        s = addColumn<F>(s, p7 + at, a7);
      }
      const to = y + ((<usize>o) << 2);
      if (last) v128.store(to, f32x4.add(v128.load(to), s));
      else v128.store(sums + ((<usize>o) << 2), s);
    }
  } else {
    for (let o = begin; o < end; o++) {
      let s: f32 = first ? 0 : load<f32>(sums + ((<usize>o) << 2));
      for (let i: usize = 0; i < <usize>count; i++) {
        const entry = list + i * ENTRY_BYTES;
        s += changetype<F>(0).load1(load<usize>(entry) + <usize>o * bytes) * load<f32>(entry, 4);
      }
      const to = y + ((<usize>o) << 2);
      if (last) store<f32>(to, load<f32>(to) + s);
      else store<f32>(sums + ((<usize>o) << 2), s);
    }
  }
}

/** The passes of one block of neurons and one token. */
function multiplyBlock<F>(list: usize, active: u32, sums: usize, begin: u32, end: u32, y: usize): void {
  let first = true;
  while (active > 0) {
    if (active >= 8) {
      pass<F, Eight>(list, sums, first, active == 8, begin, end, y);
      active -= 8;
      list += 8 * ENTRY_BYTES;
    } else if (active >= 4) {
      pass<F, Four>(list, sums, first, active == 4, begin, end, y);
      active -= 4;
      list += 4 * ENTRY_BYTES;
    } else if (active >= 2) {
      pass<F, Two>(list, sums, first, active == 2, begin, end, y);
      active -= 2;
      list += 2 * ENTRY_BYTES;
    } else {
      pass<F, One>(list, sums, first, true, begin, end, y);
      active = 0;
    }
    first = false;
  }
}

/**
 * y[t][o] = Σ for outputs `begin` … `end` − 1 (multiples of 4): `y` is the place of output 0 of token 0, x has f32
 * rows, strides in bytes.
 */
@inline
export function multiplyFloatColumns<F>(
  packed: usize, rows: u32, columns: u32, begin: u32, end: u32, x: usize, xStride: usize, tokens: u32, y: usize,
  yStride: usize, scratch: usize,
): void {
  const stride = <usize>rows * changetype<F>(0).bytes;
  const sums = scratch + LIST_BYTES;
  for (let t: u32 = 0; t < tokens; t++) {
    memory.fill(y + <usize>t * yStride + ((<usize>begin) << 2), 0, (<usize>(end - begin)) << 2);
  }
  for (let k: u32 = 0; k < columns; k += 32) {
    const count = min<u32>(32, columns - k);
    for (let t: u32 = 0; t < tokens; t++) {
      const active = listBlock(x + <usize>t * xStride, count, packed, stride, scratch);
      multiplyBlock<F>(scratch, active, sums, begin, end, y + <usize>t * yStride);
    }
    packed += <usize>count * stride;
    x += (<usize>count) << 2;
  }
}
