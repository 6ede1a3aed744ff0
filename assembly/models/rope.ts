/**
 * How the metadata scales RoPE: not at all, linearly (arXiv:2306.15595), by YaRN (arXiv:2309.00071), by a larger base
 * (NTK-aware, Hunyuan's `alpha`), or by lists of factors (Llama 3's, LongRoPE's), which the Builder finds beside it. A
 * model may have a second rope, for layers with a window.
 *
 *     angle of pair i at position p    p · base^(−i/pairs) · scale / factor(i), but for YaRN's ramp
 *     base                             freq_base · alpha^(2 · pairs / (2 · pairs − 2))
 *     cosines and sines                times A · G: `attn_factor`, and under YaRN 0.1 ln(factor) + 1
 */
import { Builder } from "../program/builder";

/** β of YaRN: turns in the original context above which a pair keeps its angle, and below which it is scaled. */
const FAST_TURNS: f32 = 32;
const SLOW_TURNS: f32 = 1;

/** The rope that turns `turned` dimensions of a head, by the keys `.rope.…`. */
export function readRope(b: Builder, turned: u32): u32 {
  const base = enlarged(b, readBase(b, ".rope.freq_base", 10000), turned);
  const factor = readFactor(b);
  const isYarn = b.says(".rope.scaling.type", "yarn");
  if (isYarn && !(base > 1)) b.broken("rope.freq_base must be above 1: YaRN divides by its logarithm; convert anew");
  const attention = b.float(".rope.scaling.attn_factor", 1);
  const magnitude = isYarn && factor > 1 ? attention * <f32>(0.1 * b.ln(factor) + 1) : attention;
  const rope = b.addRope(turned, base, <f32>1.0 / factor, magnitude);
  if (isYarn) b.yarn(rope, readOriginal(b), FAST_TURNS, SLOW_TURNS);
  if (isYarn) b.need(".rope.scaling.factor");
  b.longFrom(rope, readOriginal(b), b.says(".rope.scaling.type", "longrope"));
  return rope;
}

/** The rope of layers with a window: its own base where the file has one, without the scaling of the other. */
export function localRope(b: Builder, turned: u32, otherwise: f32): u32 {
  const rope = b.addRope(turned, readBase(b, ".rope.freq_base_swa", otherwise), 1, 1);
  b.withoutFactors(rope);
  return rope;
}

/**
 * What few architectures' files say more of YaRN: its β, and L, by which cosines and sines are divided again:
 *
 *     times A · g(1) / g(L)      g(m) = 0.1 m ln(factor) + 1
 */
export function refineYarn(b: Builder, rope: u32): void {
  if (!b.says(".rope.scaling.type", "yarn")) return;
  const fast = b.float(".rope.scaling.yarn_beta_fast", FAST_TURNS);
  const slow = b.float(".rope.scaling.yarn_beta_slow", SLOW_TURNS);
  const weight = b.float(".rope.scaling.yarn_log_multiplier", 0);
  if (!(fast > 0 && slow > 0)) {
    b.broken("rope.scaling.yarn_beta_fast and yarn_beta_slow must be above 0; convert the model anew");
    return;
  }
  b.yarn(rope, readOriginal(b), fast, slow);
  const factor = readFactor(b);
  if (weight > 0 && factor > 1) b.magnify(rope, <f32>(1.0 / (0.1 * <f64>weight * b.ln(factor) + 1)));
}

/** The tokens that the model was trained on before its context was made longer. */
export function readOriginal(b: Builder): u32 {
  return b.countOr(".rope.scaling.original_context_length", b.contextLength, 1, 1 << 30);
}

function readBase(b: Builder, key: string, otherwise: f32): f32 {
  const base = b.float(key, otherwise);
  if (base > 0) return base;
  b.broken("rope.freq_base must be above 0; convert the model anew");
  return 10000;
}

/** The base, larger by `alpha` where a file has one that is not yet in its base. */
function enlarged(b: Builder, base: f32, turned: u32): f32 {
  const alpha = b.float(".rope.scaling.alpha", 0);
  if (!(alpha > 0) || turned <= 2) return base;
  return base * <f32>b.power(alpha, <f64>turned / <f64>(turned - 2));
}

/** How many times longer the context was made; 1: it was not. */
export function readFactor(b: Builder): f32 {
  const isNone = b.says(".rope.scaling.type", "none");
  const known = isNone || b.says(".rope.scaling.type", "linear") || b.says(".rope.scaling.type", "yarn");
  if (!known && b.has(".rope.scaling.type") && !b.says(".rope.scaling.type", "longrope")) {
    b.unsupported("the metadata's rope.scaling.type is none of those that limpet does: none, linear, yarn, longrope");
  }
  const old = b.float(".rope.scale_linear", 0);
  const factor = b.float(".rope.scaling.factor", old);
  if (factor == 0 || isNone) return 1;
  if (factor > 0) return factor;
  b.broken("rope.scaling.factor must be above 0; convert the model anew");
  return 1;
}
