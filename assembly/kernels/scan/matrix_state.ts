/**
 * A head's state as a matrix S of keys × values, which a token lets fade, changes and reads (linear attention with
 * decay: Mamba-2, gated delta nets, RWKV). A row of S belongs to a key j:
 *
 *     write   S_j ← w_j·S_j + k_j·v                           o = Σ_j r_j·S_j               Mamba-2 (SSD)
 *     delta   S_j ← w_j·S_j + k_j·v + b_j·(Σ_i a_i·S_i)       o = Σ_j r_j·S_j               delta rule, RWKV-7
 *     bonus   o = Σ_j r_j·(S_j + u_j·k_j·v)                   S_j ← w_j·S_j + k_j·v         RWKV-6
 *
 * Columns are independent: a lane is a column, and each sum goes over the keys in their order. So both builds have the
 * same bits. Sixteen columns, a line of the cache, are taken at once: their sums stay in registers.
 */
import { multiplyAdd } from "../float/fused";

const BLOCK: u32 = 16;

/** state f32[keys][values]; w, k, r f32[keys]; v, target f32[values]. */
export function writeState(
  state: usize, keys: u32, values: u32, w: usize, k: usize, v: usize, r: usize, target: usize,
): void {
  const stride = (<usize>values) << 2;
  let column: u32 = 0;
  if (ASC_FEATURE_SIMD) {
    for (; column + BLOCK <= values; column += BLOCK) {
      const at = (<usize>column) << 2;
      const v0 = v128.load(v + at);
      const v1 = v128.load(v + at, 16);
      const v2 = v128.load(v + at, 32);
      const v3 = v128.load(v + at, 48);
      let o0 = f32x4.splat(0);
      let o1 = o0;
      let o2 = o0;
      let o3 = o0;
      let row = state + at;
      for (let j: usize = 0; j < (<usize>keys) << 2; j += 4, row += stride) {
        const wj = v128.load32_splat(w + j);
        const kj = v128.load32_splat(k + j);
        const rj = v128.load32_splat(r + j);
        const s0 = multiplyAdd(kj, v0, f32x4.mul(wj, v128.load(row)));
        const s1 = multiplyAdd(kj, v1, f32x4.mul(wj, v128.load(row, 16)));
        const s2 = multiplyAdd(kj, v2, f32x4.mul(wj, v128.load(row, 32)));
        const s3 = multiplyAdd(kj, v3, f32x4.mul(wj, v128.load(row, 48)));
        v128.store(row, s0);
        v128.store(row, s1, 16);
        v128.store(row, s2, 32);
        v128.store(row, s3, 48);
        o0 = multiplyAdd(rj, s0, o0);
        o1 = multiplyAdd(rj, s1, o1);
        o2 = multiplyAdd(rj, s2, o2);
        o3 = multiplyAdd(rj, s3, o3);
      }
      v128.store(target + at, o0);
      v128.store(target + at, o1, 16);
      v128.store(target + at, o2, 32);
      v128.store(target + at, o3, 48);
    }
  }
  for (; column < values; column++) {
    const at = (<usize>column) << 2;
    let o: f32 = 0;
    let row = state + at;
    for (let j: usize = 0; j < (<usize>keys) << 2; j += 4, row += stride) {
      const s = load<f32>(w + j) * load<f32>(row) + load<f32>(k + j) * load<f32>(v + at);
      store<f32>(row, s);
      o += load<f32>(r + j) * s;
    }
    store<f32>(target + at, o);
  }
}

/** As `writeState`, and before it what the keys a find is added to the rows b: a delta. */
export function writeDelta(
  state: usize, keys: u32, values: u32, w: usize, k: usize, v: usize, a: usize, b: usize, r: usize, target: usize,
): void {
  const stride = (<usize>values) << 2;
  const end = (<usize>keys) << 2;
  let column: u32 = 0;
  if (ASC_FEATURE_SIMD) {
    for (; column + BLOCK <= values; column += BLOCK) {
      const at = (<usize>column) << 2;
      let f0 = f32x4.splat(0);
      let f1 = f0;
      let f2 = f0;
      let f3 = f0;
      let row = state + at;
      for (let j: usize = 0; j < end; j += 4, row += stride) {
        const aj = v128.load32_splat(a + j);
        f0 = multiplyAdd(aj, v128.load(row), f0);
        f1 = multiplyAdd(aj, v128.load(row, 16), f1);
        f2 = multiplyAdd(aj, v128.load(row, 32), f2);
        f3 = multiplyAdd(aj, v128.load(row, 48), f3);
      }
      const v0 = v128.load(v + at);
      const v1 = v128.load(v + at, 16);
      const v2 = v128.load(v + at, 32);
      const v3 = v128.load(v + at, 48);
      let o0 = f32x4.splat(0);
      let o1 = o0;
      let o2 = o0;
      let o3 = o0;
      row = state + at;
      for (let j: usize = 0; j < end; j += 4, row += stride) {
        const wj = v128.load32_splat(w + j);
        const kj = v128.load32_splat(k + j);
        const bj = v128.load32_splat(b + j);
        const rj = v128.load32_splat(r + j);
        const s0 = multiplyAdd(bj, f0, multiplyAdd(kj, v0, f32x4.mul(wj, v128.load(row))));
        const s1 = multiplyAdd(bj, f1, multiplyAdd(kj, v1, f32x4.mul(wj, v128.load(row, 16))));
        const s2 = multiplyAdd(bj, f2, multiplyAdd(kj, v2, f32x4.mul(wj, v128.load(row, 32))));
        const s3 = multiplyAdd(bj, f3, multiplyAdd(kj, v3, f32x4.mul(wj, v128.load(row, 48))));
        v128.store(row, s0);
        v128.store(row, s1, 16);
        v128.store(row, s2, 32);
        v128.store(row, s3, 48);
        o0 = multiplyAdd(rj, s0, o0);
        o1 = multiplyAdd(rj, s1, o1);
        o2 = multiplyAdd(rj, s2, o2);
        o3 = multiplyAdd(rj, s3, o3);
      }
      v128.store(target + at, o0);
      v128.store(target + at, o1, 16);
      v128.store(target + at, o2, 32);
      v128.store(target + at, o3, 48);
    }
  }
  for (; column < values; column++) {
    const at = (<usize>column) << 2;
    let found: f32 = 0;
    let row = state + at;
    for (let j: usize = 0; j < end; j += 4, row += stride) found += load<f32>(a + j) * load<f32>(row);
    let o: f32 = 0;
    row = state + at;
    for (let j: usize = 0; j < end; j += 4, row += stride) {
      const kept = load<f32>(w + j) * load<f32>(row) + load<f32>(k + j) * load<f32>(v + at);
      const s = kept + load<f32>(b + j) * found;
      store<f32>(row, s);
      o += load<f32>(r + j) * s;
    }
    store<f32>(target + at, o);
  }
}

/** The state is read as it was, with what the token adds weighed by u, and then changed. */
export function writeBehindBonus(
  state: usize, keys: u32, values: u32, w: usize, k: usize, v: usize, u: usize, r: usize, target: usize,
): void {
  const stride = (<usize>values) << 2;
  const end = (<usize>keys) << 2;
  let column: u32 = 0;
  if (ASC_FEATURE_SIMD) {
    for (; column + 4 <= values; column += 4) {
      const at = (<usize>column) << 2;
      const values4 = v128.load(v + at);
      let o = f32x4.splat(0);
      let row = state + at;
      for (let j: usize = 0; j < end; j += 4, row += stride) {
        const s = v128.load(row);
        const added = f32x4.mul(v128.load32_splat(k + j), values4);
        o = multiplyAdd(v128.load32_splat(r + j), multiplyAdd(v128.load32_splat(u + j), added, s), o);
        v128.store(row, multiplyAdd(v128.load32_splat(w + j), s, added));
      }
      v128.store(target + at, o);
    }
  }
  for (; column < values; column++) {
    const at = (<usize>column) << 2;
    let o: f32 = 0;
    let row = state + at;
    for (let j: usize = 0; j < end; j += 4, row += stride) {
      const s = load<f32>(row);
      const added = load<f32>(k + j) * load<f32>(v + at);
      o += load<f32>(r + j) * (s + load<f32>(u + j) * added);
      store<f32>(row, added + load<f32>(w + j) * s);
    }
    store<f32>(target + at, o);
  }
}
