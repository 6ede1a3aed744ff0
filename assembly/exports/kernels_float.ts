/**
 * The float kernels as exports: scalars and offsets only, on plain f32 arrays, for `limpet/kernels` and for the
 * tests. The caller checks shapes and gives scratch of the stated size (as f64, since it may be above 2^32 for sizes
 * that do not fit).
 */
import { attend, attendScratchBytes } from "../kernels/attention/grouped";
import { decodeRow, encodeRow, KvType, vectorBytes } from "../kernels/attention/kv_codec";
import {
  clampedSiluMultiply, gelu, geluErf, reluSquared, sigmoidMultiply, silu, siluMultiply, softcap, sparsify, xielu,
} from "../kernels/float/ffn";
import { cos, exp, expLanes, expf, log, pow, sin } from "../kernels/float/math";
import { absorbedScratchBytes, attendAbsorbed, mla, mlaScratchBytes } from "../kernels/attention/latent";
import { layerNorm, rmsNorm, rmsNormOutside } from "../kernels/float/norm";
import { ropeAngles, rotateHalves, rotateInterleaved, scaledAngles } from "../kernels/float/rope";
import { routeRow } from "../kernels/float/route";
import { logSumExp, softmax, softmaxWithSink } from "../kernels/float/softmax";
import { level, mixStreams } from "../kernels/float/streams";
import { add, axpy, dot, multiply, scale } from "../kernels/float/vector";

/** f64 functions, by number: 0 exp, 1 log, 2 sin, 3 cos. */
export function kernel_function(which: u32, x: f64): f64 {
  return which == 0 ? exp(x) : which == 1 ? log(x) : which == 2 ? sin(x) : cos(x);
}

export function kernel_pow(x: f64, y: f64): f64 {
  return pow(x, y);
}

/** x = e^x. */
export function kernel_exp(x: usize, n: u32): void {
  const end = x + ((<usize>n) << 2);
  if (ASC_FEATURE_SIMD) {
    for (const last = x + ((<usize>(n & ~3)) << 2); x < last; x += 16) v128.store(x, expLanes(v128.load(x)));
  }
  for (; x < end; x += 4) store<f32>(x, expf(load<f32>(x)));
}

export function kernel_add(target: usize, source: usize, n: u32): void {
  add(target, source, n);
}

export function kernel_scale(x: usize, factor: f32, n: u32): void {
  scale(x, factor, n);
}

export function kernel_axpy(target: usize, factor: f32, source: usize, n: u32): void {
  axpy(target, factor, source, n);
}

/** target *= source. */
export function kernel_multiply(target: usize, source: usize, n: u32): void {
  multiply(target, source, n);
}

export function kernel_dot(a: usize, b: usize, n: u32): f32 {
  return dot(a, b, n);
}

/** x f32[rows][n] → target; one weight f32[n] for all rows. */
export function kernel_rms_norm(x: usize, weight: usize, rows: u32, n: u32, epsilon: f32, target: usize): void {
  for (const bytes = (<usize>n) << 2; rows > 0; rows--, x += bytes, target += bytes) {
    rmsNorm(x, weight, n, epsilon, target);
  }
}

/** As `kernel_rms_norm`, with ε outside the root. */
export function kernel_rms_norm_outside(x: usize, weight: usize, rows: u32, n: u32, epsilon: f32, target: usize): void {
  for (const bytes = (<usize>n) << 2; rows > 0; rows--, x += bytes, target += bytes) {
    rmsNormOutside(x, weight, n, epsilon, target);
  }
}

/** x f32[rows][n] → target; weight and bias f32[n]. */
export function kernel_layer_norm(
  x: usize, weight: usize, bias: usize, rows: u32, n: u32, epsilon: f32, target: usize,
): void {
  for (const bytes = (<usize>n) << 2; rows > 0; rows--, x += bytes, target += bytes) {
    layerNorm(x, weight, bias, n, epsilon, target);
  }
}

/**
 * Rotates x f32[tokens][heads][headSize] in place, the first 2·pairs values of each head, token t by positions[t]
 * (i32). `halves`: 0 for pairs (2i, 2i + 1), 1 for (i, i + pairs). Scratch: f32[2·pairs].
 */
export function kernel_rope(
  x: usize, tokens: u32, heads: u32, headSize: u32, pairs: u32, positions: usize, base: f32, freqs: usize, halves: u32,
  scratch: usize,
): void {
  for (let t: u32 = 0; t < tokens; t++) {
    ropeAngles(load<i32>(positions + ((<usize>t) << 2)), pairs, base, freqs, scratch);
    for (let h: u32 = 0; h < heads; h++, x += (<usize>headSize) << 2) {
      if (halves) rotateHalves(x, scratch, pairs);
      else rotateInterleaved(x, scratch, pairs);
    }
  }
}

/**
 * The cosines and sines f32[2·pairs] of a position, scaled as YaRN does it (`yarn` 1, between the pairs `low` and
 * `high`) or linearly (`yarn` 0), and multiplied by `magnitude`.
 */
export function kernel_scaled_angles(
  position: i32, pairs: u32, base: f32, freqs: usize, factor: f32, yarn: f32, low: f32, high: f32, magnitude: f32,
  target: usize,
): void {
  scaledAngles(position, pairs, base, freqs, factor, yarn, low, high, magnitude, target);
}

/**
 * The experts ids u32[used] and weights f32[used] that scores f32[experts] choose: `gating` 1 softmax, 2 sigmoid, 3
 * softmax of the chosen; `bias` 0 or f32[experts]. Scratch: f32[2·experts].
 */
export function kernel_route(
  scores: usize, experts: u32, used: u32, gating: u32, bias: usize, groups: u32, usedGroups: u32, normalised: u32,
  factor: f32, scratch: usize, ids: usize, weights: usize,
): void {
  routeRow(scores, experts, used, gating, bias, groups, usedGroups, normalised != 0, factor, scratch, ids, weights);
}

/** As `kernel_softmax` of one row, with one more score that takes its share and is not written. */
export function kernel_softmax_with_sink(x: usize, n: u32, sink: f32): f32 {
  return softmaxWithSink(x, n, sink);
}

/** Softmax of each row of x f32[rows][n], in place. */
export function kernel_softmax(x: usize, rows: u32, n: u32): void {
  for (; rows > 0; rows--, x += (<usize>n) << 2) softmax(x, n);
}

export function kernel_log_sum_exp(x: usize, n: u32): f64 {
  return logSumExp(x, n);
}

export function kernel_silu_multiply(gate: usize, up: usize, n: u32): void {
  siluMultiply(gate, up, n, gate);
}

/** x = silu(x). */
export function kernel_silu(x: usize, n: u32): void {
  silu(x, n, x);
}

/** gate = min(gate, 7) · sigmoid(1.702 · min(gate, 7)) · (up within ±7, + 1). */
export function kernel_clamped_silu_multiply(gate: usize, up: usize, n: u32): void {
  clampedSiluMultiply(gate, up, n, gate);
}

/** x *= sigmoid(gate). */
export function kernel_sigmoid_multiply(x: usize, gate: usize, n: u32): void {
  sigmoidMultiply(x, gate, n);
}

/** x = cap · tanh(x / cap). */
export function kernel_softcap(x: usize, cap: f32, n: u32): void {
  softcap(x, cap, n);
}

/** x = gelu(x), by tanh. */
export function kernel_gelu(x: usize, n: u32): void {
  gelu(x, n, x);
}

/** x = xIELU(x): positive · x² + beta · x above 0, else (e^min(x, epsilon) − 1 − x) · negative + beta · x. */
export function kernel_xielu(x: usize, positive: f32, negative: f32, beta: f32, epsilon: f32, n: u32): void {
  xielu(x, n, positive, negative, beta, epsilon, x);
}

/** x = gelu(x), by erf. */
export function kernel_gelu_erf(x: usize, n: u32): void {
  geluErf(x, n, x);
}

/** x = max(x − (mean + multiple · deviation), 0). */
export function kernel_sparsify(x: usize, n: u32, multiple: f32): void {
  sparsify(x, n, multiple);
}

/** x f32[4][width]: x[j] += Σ over k of coefficients[j][k] · x[k], coefficients f32[4][4]. */
export function kernel_mix_streams(x: usize, coefficients: usize, width: u32): void {
  mixStreams(x, coefficients, width);
}

/** x, made as long as `model`; the mean of the squares of x counts as `least` at least. */
export function kernel_level(x: usize, model: usize, n: u32, least: f32, target: usize): void {
  level(x, model, n, least, target);
}

export function kernel_relu_squared(x: usize, n: u32): u32 {
  return reluSquared(x, n);
}

/** Bytes of a vector (a head's key, a latent) of `n` values in a cache of kvType 0 F32, 1 F16 or 8 Q8_0. */
export function kernel_cache_vector_bytes(kvType: u32, n: u32): u32 {
  return vectorBytes(kvType, n);
}

export function kernel_encode_row(kvType: u32, source: usize, n: u32, target: usize): void {
  encodeRow(kvType, source, n, target);
}

export function kernel_decode_row(kvType: u32, source: usize, n: u32, target: usize): void {
  decodeRow(kvType, source, n, target);
}

/** One token over listed rows of a pool: see `attend`. */
export function kernel_attend(
  query: usize, rows: usize, count: u32, pool: usize, rowBytes: u32, kvType: u32, heads: u32, kvHeads: u32,
  keySize: u32, valueSize: u32, factor: f32, scratch: usize, target: usize, mass: usize,
): void {
  attend(query, rows, count, pool, rowBytes, kvType, heads, kvHeads, keySize, valueSize, factor, scratch, target, mass);
}

export function kernel_attend_scratch_bytes(heads: u32, count: u32, keySize: u32, valueSize: u32): f64 {
  return <f64>attendScratchBytes(heads, count, keySize, valueSize);
}

/** One token over listed latents of a pool: see `attendAbsorbed`. */
export function kernel_attend_latent(
  qLatent: usize, qRope: usize, rows: usize, count: u32, pool: usize, rowBytes: u32, kvType: u32, heads: u32, rank: u32,
  ropeSize: u32, factor: f32, scratch: usize, target: usize, mass: usize,
): void {
  attendAbsorbed(
    qLatent, qRope, rows, count, pool, rowBytes, kvType, heads, rank, ropeSize, factor, scratch, target, mass,
  );
}

export function kernel_attend_latent_scratch_bytes(heads: u32, count: u32, rank: u32, ropeSize: u32): f64 {
  return <f64>absorbedScratchBytes(heads, count, rank, ropeSize);
}

/** Bytes of `kernel_attention`'s scratch: the rows as a pool, their list, and `attend`'s own. */
export function kernel_attention_scratch_bytes(
  count: u32, heads: u32, kvHeads: u32, keySize: u32, valueSize: u32,
): f64 {
  const row = <u64>kvHeads * (<u64>keySize + <u64>valueSize);
  const rows: u64 = 4 * <u64>count * (row + 1);
  return <f64>(rows + attendScratchBytes(heads, count, keySize, valueSize));
}

/**
 * target f32[tokens][heads·valueSize] of q f32[tokens][heads·keySize], k f32[count][kvHeads·keySize] and
 * v f32[count][kvHeads·valueSize]; token t sees the rows 0 … positions[t] (i32).
 */
export function kernel_attention(
  q: usize, k: usize, v: usize, positions: usize, tokens: u32, count: u32, heads: u32, kvHeads: u32, keySize: u32,
  valueSize: u32, factor: f32, scratch: usize, target: usize,
): void {
  const keys = kvHeads * keySize;
  const values = kvHeads * valueSize;
  const rowBytes = (keys + values) << 2;
  const pool = scratch + ((<usize>count) << 2);
  const rest = pool + <usize>count * <usize>rowBytes;
  for (let t: u32 = 0; t < count; t++) {
    const row = pool + <usize>t * <usize>rowBytes;
    store<u32>(scratch + ((<usize>t) << 2), t);
    memory.copy(row, k + ((<usize>t * <usize>keys) << 2), (<usize>keys) << 2);
    memory.copy(row + ((<usize>keys) << 2), v + ((<usize>t * <usize>values) << 2), (<usize>values) << 2);
  }
  for (let t: u32 = 0; t < tokens; t++) {
    const position = load<i32>(positions + ((<usize>t) << 2));
    const seen: u32 = position < 0 ? 0 : min<u32>(<u32>position + 1, count);
    attend(
      q + ((<usize>t * <usize>heads * <usize>keySize) << 2), scratch, seen, pool, rowBytes, KvType.F32, heads, kvHeads,
      keySize, valueSize, factor, rest, target + ((<usize>t * <usize>heads * <usize>valueSize) << 2), 0,
    );
  }
}

export function kernel_mla_scratch_bytes(
  tokens: u32, count: u32, heads: u32, nope: u32, ropeSize: u32, value: u32, rank: u32, form: u32,
): f64 {
  return <f64>mlaScratchBytes(tokens, count, heads, nope, ropeSize, value, rank, form);
}

/** Latent attention on plain arrays, form 0 absorbed, 1 expanded: see `mla`. */
export function kernel_mla(
  q: usize, latent: usize, ropeKeys: usize, w: usize, positions: usize, tokens: u32, count: u32, heads: u32, nope: u32,
  ropeSize: u32, value: u32, rank: u32, form: u32, scratch: usize, target: usize,
): void {
  mla(q, latent, ropeKeys, w, positions, tokens, count, heads, nope, ropeSize, value, rank, form, scratch, target);
}
