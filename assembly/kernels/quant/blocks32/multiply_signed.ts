/**
 * The quantised matmul of the fast build for signed bytes with blocks of 32 columns, by activations of fourteen bits
 * (activations/fourteen.ts). One operand of relaxed SIMD's dot has a sign: the weights; the other has seven bits:
 *
 *     Σ w · q  =  128 · Σ w · high  +  Σ w · low  −  64 · Σ w · 127            y[t][r] += float(Σ w · q) · (dw · dx)
 *
 * block after block, as with activations of sixteen bits (blocks32/multiply.ts), which stands where dots in quads are
 * slow: the integers are exact in both, so they give the same bits, for one token as for a tile.
 *
 * A format's tag says `quadBytes4(first, second, quad)`: four columns of four rows as i8x16, a lane a row, of two pairs
 * of columns of eight rows.
 *
 * Cost of 8 rows × 32 columns: one token 48 dots, 16 shuffles, 16 splats; a token of a tile 32 dots, 16 splats.
 */
import { ACTIVATION_BLOCK_BYTES } from "../activations/sixteen";
import { digitsOf } from "../activations/fourteen";
import { Quads, SEVENS, addDot } from "../byte_dots";
import { matmulBlocks } from "./multiply";

/**
 * Blocks of a panel at most. Of a block a panel has its codes, step after step of four columns, then scales, 2 × f32x4,
 * and −64 · Σ w · 127, 2 × i32x4.
 */
const PANEL_BLOCKS: u32 = 32;
const CODE_BYTES: usize = 256;
const PANEL_STEP: usize = CODE_BYTES + 64;
/** Tokens that a tile takes: as many as the registers hold with two digits each. */
const TILE_TOKENS: u32 = 2;

/** acc + float(128 · high + low) · (dw · dx). */
@inline
function scaled(acc: v128, high: v128, low: v128, dw: v128, dx: v128): v128 {
  const dot = i32x4.add(i32x4.shl(high, 7), low);
  return f32x4.add(acc, f32x4.mul(f32x4.convert_i32x4_s(dot), f32x4.mul(dw, dx)));
}

/** How many groups of eight rows a pass over the activations takes. */
@unmanaged
class One {
  @inline get two(): bool { return false; }
}
@unmanaged
class Two {
  @inline get two(): bool { return true; }
}

/** The eight outputs at `y` + a block of a token. */
function addBlock<F>(block: usize, x: usize, y: usize): void {
  const f = changetype<F>(0);
  const middle = v128.load(SEVENS);
  let high0 = i32x4.splat(0);
  let high1 = high0;
  let low0 = high0;
  let low1 = high0;
  let sum0 = high0;
  let sum1 = high0;
  let p = f.payload(block);
  for (let a = x, end = x + 32; a != end; a += 8) {
    let first = v128.load(p);
    let second = v128.load(p, 16);
    let w0 = f.quadBytes4(first, second, 0);
    let w1 = f.quadBytes4(first, second, 1);
    let high = v128.load32_splat(a, 16);
    let low = v128.load32_splat(a, 48);
    high0 = addDot<Quads>(high0, w0, high);
    high1 = addDot<Quads>(high1, w1, high);
    low0 = addDot<Quads>(low0, w0, low);
    low1 = addDot<Quads>(low1, w1, low);
    sum0 = addDot<Quads>(sum0, w0, middle);
    sum1 = addDot<Quads>(sum1, w1, middle);
    first = v128.load(p, 32);
    second = v128.load(p, 48);
    w0 = f.quadBytes4(first, second, 0);
    w1 = f.quadBytes4(first, second, 1);
    high = v128.load32_splat(a, 20);
    low = v128.load32_splat(a, 52);
    high0 = addDot<Quads>(high0, w0, high);
    high1 = addDot<Quads>(high1, w1, high);
    low0 = addDot<Quads>(low0, w0, low);
    low1 = addDot<Quads>(low1, w1, low);
    sum0 = addDot<Quads>(sum0, w0, middle);
    sum1 = addDot<Quads>(sum1, w1, middle);
    p += 64;
  }
  const dx = v128.load32_splat(x);
  v128.store(y, scaled(v128.load(y), high0, i32x4.sub(low0, i32x4.shl(sum0, 6)), f.scale4(block, 0), dx));
  v128.store(y, scaled(v128.load(y, 16), high1, i32x4.sub(low1, i32x4.shl(sum1, 6)), f.scale4(block, 1), dx), 16);
}

/** Eight rows × one token, or twice eight. */
function multiplyOne<F, G>(block: usize, other: usize, blocks: u32, x: usize, target: usize, otherTarget: usize): void {
  const f = changetype<F>(0);
  const two = changetype<G>(0).two;
  clear8(target);
  if (two) clear8(otherTarget);
  for (; blocks > 0; blocks--) {
    if (load<u32>(x) != 0) {
      addBlock<F>(block, x, target);
      if (two) addBlock<F>(other, x, otherTarget);
    }
    x += ACTIVATION_BLOCK_BYTES;
    block += f.blockBytes;
    if (two) other += f.blockBytes;
  }
}

@inline
function clear8(target: usize): void {
  const zero = f32x4.splat(0);
  v128.store(target, zero);
  v128.store(target, zero, 16);
}

/** Unpacks blocks into a panel. */
function unpackPanel<F>(block: usize, blocks: u32, panel: usize): usize {
  const f = changetype<F>(0);
  const middle = v128.load(SEVENS);
  for (; blocks > 0; blocks--) {
    let sum0 = i32x4.splat(0);
    let sum1 = sum0;
    let p = f.payload(block);
    for (let to = panel, end = panel + CODE_BYTES; to != end; to += 32) {
      const first = v128.load(p);
      const second = v128.load(p, 16);
      const w0 = f.quadBytes4(first, second, 0);
      const w1 = f.quadBytes4(first, second, 1);
      v128.store(to, w0);
      v128.store(to, w1, 16);
      sum0 = addDot<Quads>(sum0, w0, middle);
      sum1 = addDot<Quads>(sum1, w1, middle);
      p += 32;
    }
    v128.store(panel, f.scale4(block, 0), CODE_BYTES);
    v128.store(panel, f.scale4(block, 1), CODE_BYTES + 16);
    v128.store(panel, i32x4.neg(i32x4.shl(sum0, 6)), CODE_BYTES + 32);
    v128.store(panel, i32x4.neg(i32x4.shl(sum1, 6)), CODE_BYTES + 48);
    block += f.blockBytes;
    panel += PANEL_STEP;
  }
  return block;
}

/** The four rows of a quad at `y`, of a token at `x`. */
@inline
function addScaled(panel: usize, quad: usize, high: v128, low: v128, x: usize, y: usize): void {
  const dw = v128.load(panel + (quad << 4), CODE_BYTES);
  v128.store(y + (quad << 4), scaled(v128.load(y + (quad << 4)), high, low, dw, v128.load32_splat(x)));
}

/** A panel × two tokens, on top of what the outputs are. */
function multiplyTile(panel: usize, blocks: u32, x0: usize, x1: usize, y0: usize, y1: usize): void {
  for (; blocks > 0; blocks--) {
    let a0 = i32x4.splat(0);
    let b0 = a0;
    let a1 = a0;
    let b1 = a0;
    let c0 = v128.load(panel, CODE_BYTES + 32);
    let d0 = v128.load(panel, CODE_BYTES + 48);
    let c1 = c0;
    let d1 = d0;
    for (let at: usize = 0; at < 32; at += 8) {
      const codes = panel + (at << 3);
      let w0 = v128.load(codes);
      let w1 = v128.load(codes, 16);
      let v = v128.load32_splat(x0 + at, 16);
      a0 = addDot<Quads>(a0, w0, v);
      b0 = addDot<Quads>(b0, w1, v);
      v = v128.load32_splat(x0 + at, 48);
      c0 = addDot<Quads>(c0, w0, v);
      d0 = addDot<Quads>(d0, w1, v);
      v = v128.load32_splat(x1 + at, 16);
      a1 = addDot<Quads>(a1, w0, v);
      b1 = addDot<Quads>(b1, w1, v);
      v = v128.load32_splat(x1 + at, 48);
      c1 = addDot<Quads>(c1, w0, v);
      d1 = addDot<Quads>(d1, w1, v);
      w0 = v128.load(codes, 32);
      w1 = v128.load(codes, 48);
      v = v128.load32_splat(x0 + at, 20);
      a0 = addDot<Quads>(a0, w0, v);
      b0 = addDot<Quads>(b0, w1, v);
      v = v128.load32_splat(x0 + at, 52);
      c0 = addDot<Quads>(c0, w0, v);
      d0 = addDot<Quads>(d0, w1, v);
      v = v128.load32_splat(x1 + at, 20);
      a1 = addDot<Quads>(a1, w0, v);
      b1 = addDot<Quads>(b1, w1, v);
      v = v128.load32_splat(x1 + at, 52);
      c1 = addDot<Quads>(c1, w0, v);
      d1 = addDot<Quads>(d1, w1, v);
    }
    addScaled(panel, 0, a0, c0, x0, y0);
    addScaled(panel, 1, b0, d0, x0, y0);
    addScaled(panel, 0, a1, c1, x1, y1);
    addScaled(panel, 1, b1, d1, x1, y1);
    x0 += ACTIVATION_BLOCK_BYTES;
    x1 += ACTIVATION_BLOCK_BYTES;
    panel += PANEL_STEP;
  }
}

/** Eight rows × an even number of tokens, by way of panels. */
function multiplyPanels<F>(
  group: usize, blocks: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize, panel: usize,
): void {
  for (let t: u32 = 0, y = target; t < tokens; t++, y += targetStride) clear8(y);
  while (blocks > 0) {
    const count = min(blocks, PANEL_BLOCKS);
    group = unpackPanel<F>(group, count, panel);
    let a = x;
    let y = target;
    for (let t: u32 = 0; t < tokens; t += TILE_TOKENS) {
      multiplyTile(panel, count, a, a + xStride, y, y + targetStride);
      a += <usize>TILE_TOKENS * xStride;
      y += <usize>TILE_TOKENS * targetStride;
    }
    x += <usize>count * ACTIVATION_BLOCK_BYTES;
    blocks -= count;
  }
}

/** A stream of fewer bytes ends before the machine's prefetching has gained anything. */
const STREAM: usize = 1 << 16;

/**
 * Whole groups × tokens: target[t · targetStride / 4 + 8 · group + row]. Strides in bytes, x in rows of fourteen bits.
 */
export function multiplySigned<F>(
  group: usize, groups: u32, columns: u32, x: usize, xStride: usize, tokens: u32, target: usize, targetStride: usize,
  panel: usize, inQuads: bool,
): void {
  if (!inQuads) return matmulBlocks<F>(group, groups, columns, x, xStride, tokens, target, targetStride);
  const f = changetype<F>(0);
  const blocks = columns >> 5;
  const groupBytes = <usize>blocks * f.blockBytes;
  x += digitsOf(columns);
  const half = groups >> 1;
  const far = <usize>half * groupBytes;
  if (tokens == 1 && far >= STREAM) {
    const lower = (<usize>half) << 5;
    for (; groups > 1; groups -= 2) {
      multiplyOne<F, Two>(group, group + far, blocks, x, target, target + lower);
      group += groupBytes;
      target += 32;
    }
    group += far;
    target += lower;
  }
  const tiled: u32 = tokens & ~(TILE_TOKENS - 1);
  for (; groups > 0; groups--) {
    if (tiled > 0) multiplyPanels<F>(group, blocks, x, xStride, tiled, target, targetStride, panel);
    let a = x + <usize>tiled * xStride;
    let y = target + <usize>tiled * targetStride;
    for (let t = tiled; t < tokens; t++) {
      multiplyOne<F, One>(group, 0, blocks, a, y, 0);
      a += xStride;
      y += targetStride;
    }
    group += groupBytes;
    target += 32;
  }
}
