/**
 * What a paper says of the mixing of tokens: how positions become angles and turn the heads, and attention over the
 * rows of state that layers keep. The other words of papers stand in builder.ts.
 */
import { Extent, Flag, INPUT_SEGMENT, NOTHING, Op } from "./program";
import { RecurrentWords } from "./recurrent";
import { Rope } from "../state/rope";
import { StateKind, StateShape } from "../state/shape";
import { WeightKind } from "../weights/weight";
import { precisionOfLatents } from "../weights/precision";
import { log } from "../kernels/float/math";

/** How RoPE pairs the dimensions that it turns. */
export namespace Pairs {
  /** (i, i + n/2) */
  export const HALVES: u32 = 0;
  /** (2i, 2i + 1) */
  export const NEIGHBOURS: u32 = 1;
}

/** Tokens of a text whose distances have a bias, at most. */
const DISTANCE_LIMIT: u32 = 8192;
/** Buckets end at 128 tokens: texts may be longer than those that a model was trained with. */
const BUCKETS_REACH: u32 = 2048;

@unmanaged
export class MixingWords extends RecurrentWords {
  /** Tokens of a batch that suit the model. */
  batch: u32;
  /** Tokens of context that it was trained for. */
  contextLength: u32;
  /** The first position that it has no row for; 0: it has one for each. */
  positionCount: u32;

  // Ropes: how positions become angles.

  /**
   * A rope that turns `turned` dimensions of a head by `base`. Angles are multiplied by `scale`, cosines and sines by
   * `magnitude`.
   */
  addRope(turned: u32, base: f32, scale: f32, magnitude: f32): u32 {
    const rope = this.newRope();
    const r = this.ropeAt(rope);
    r.pairs = turned >> 1;
    r.base = base;
    r.scale = scale;
    r.magnitude = magnitude;
    return rope;
  }

  /**
   * YaRN (arXiv:2309.00071): pairs that turn more than `fast` times in `original` tokens keep their angles, those that
   * turn less than `slow` times are scaled.
   */
  yarn(rope: u32, original: u32, fast: f32, slow: f32): void {
    const r = this.ropeAt(rope);
    const last = <f64>(2 * r.pairs) - 1;
    r.yarn = 1;
    r.low = <f32>max<f64>(0, floor<f64>(turnsAt(r, original, fast)));
    r.high = <f32>min<f64>(last, ceil<f64>(turnsAt(r, original, slow)));
  }

  /** Cosines and sines are multiplied by `factor` too. */
  magnify(rope: u32, factor: f32): void {
    this.ropeAt(rope).magnitude *= factor;
  }

  /** Lists of factors for long contexts serve those above `original` tokens; the file may have to have them. */
  longFrom(rope: u32, original: u32, required: bool): void {
    this.ropeAt(rope).original = original;
    this.ropeAt(rope).needsLists = required ? 1 : 0;
  }

  /** The factors of angles that a file has are not for this rope. */
  withoutFactors(rope: u32): void {
    this.ropeAt(rope).isPlain = 1;
  }

  /** The factors of angles that a file has: `rope_freqs`, or LongRoPE's two lists (arXiv:2402.13753). */
  private anglesOf(rope: u32): u32 {
    const r = this.ropeAt(rope);
    if (r.angles != NOTHING) return r.angles;
    const segment = this.segment;
    this.segment = INPUT_SEGMENT;
    r.angles = this.vector(2 * r.pairs);
    const step = this.append(Op.ANGLES, r.angles);
    step.n0 = r.pairs;
    step.n1 = rope;
    step.f = r.base;
    if (!r.isPlain) step.weight = this.find("rope_freqs", ".weight", r.pairs, 1, WeightKind.VECTOR, false);
    if (!r.isPlain && step.weight == NOTHING) {
      const needed = r.needsLists != 0 || this.hasWeight("rope_factors_short") || this.hasWeight("rope_factors_long");
      step.weight = this.find("rope_factors_short", ".weight", r.pairs, 1, WeightKind.VECTOR, needed);
      step.weight2 = this.find("rope_factors_long", ".weight", r.pairs, 1, WeightKind.VECTOR, needed);
    }
    this.segment = segment;
    return r.angles;
  }

  /** RoPE on `heads` heads of a row: the dimensions of each that `rope` turns, from dimension `from` on. */
  rope(x: u32, heads: u32, from: u32, rope: u32, pairs: u32): u32 {
    const angles = this.anglesOf(rope);
    const out = this.like(x, this.width(x));
    const step = this.append(Op.ROPE, out, x, angles);
    step.n0 = heads;
    step.n1 = from;
    step.n2 = this.ropeAt(rope).pairs;
    if (pairs == Pairs.NEIGHBOURS) step.flags |= Flag.NEIGHBOURS;
    return out;
  }

  // Attention.

  /** Attention of `heads` heads over the rows of keys and values that the layer keeps; k and v become such a row. */
  attention(q: u32, k: u32, v: u32, heads: u32, scale: f32): u32 {
    this.keep(k, v);
    return this.attentionOver(q, heads, scale);
  }

  /** As `attention`, over rows that are there: those of a layer before (`layerOver`). */
  attentionOver(q: u32, heads: u32, scale: f32): u32 {
    const state = this.draft(this.segment - 1).state;
    const out = this.like(q, heads * this.state(state == NOTHING ? 0 : state).second);
    const step = this.append(Op.ATTENTION, out, q);
    step.n0 = heads;
    step.f = scale;
    return out;
  }

  /**
   * Attention of a text's tokens to each other, in the pass that holds them all: an encoder's. A token sees others at
   * most `reach` away, 0: all; `bias`, unless it is NOTHING, is added to the scores (`alibi`).
   */
  attentionWithin(q: u32, k: u32, v: u32, heads: u32, kvHeads: u32, scale: f32, reach: u32, bias: u32): u32 {
    const both = this.join(k, v);
    const out = this.like(q, (heads / kvHeads) * this.width(v));
    const step = this.append(Op.ATTENTION_WITHIN, out, q, both);
    step.in2 = bias;
    step.n0 = heads;
    step.n1 = kvHeads;
    step.n2 = reach;
    step.f = scale;
    return out;
  }

  /**
   * ALiBi (Press et al. 2021, arXiv:2108.12409) to both sides: −slope · distance, slopes of the heads falling to
   * 2^−most.
   */
  alibi(heads: u32, most: f32): u32 {
    const out = this.biasOfDistances(heads, this.contextLength);
    this.step(this.stepCount - 1).f = most;
    return out;
  }

  private biasOfDistances(heads: u32, reach: u32): u32 {
    const longest = min(reach, DISTANCE_LIMIT);
    this.positionCount = longest;
    const segment = this.segment;
    this.segment = INPUT_SEGMENT;
    const out = this.vector(2 * longest - 1);
    const value = this.value(out);
    value.extent = Extent.FIXED;
    value.count = heads;
    this.append(Op.DISTANCE_BIAS, out);
    this.segment = segment;
    return out;
  }

  /**
   * A number for each bucket of distances and each head, which is added to scores (Raffel et al. 2019,
   * arXiv:1910.10683, 2.1): the tensor `name` {heads, buckets}. `isBoth`: keys behind the query have buckets of their
   * own.
   */
  distanceBuckets(name: string, heads: u32, buckets: u32, isBoth: bool): u32 {
    const weight = this.find(name, ".weight", heads, buckets, WeightKind.VECTOR, true);
    const out = this.biasOfDistances(heads, max(this.contextLength, BUCKETS_REACH));
    const step = this.step(this.stepCount - 1);
    // The step is the input's, whatever layer has the tensor.
    step.weight = weight == NOTHING ? NOTHING : this.shareWeight(weight);
    step.n0 = isBoth ? 1 : 0;
    step.n1 = buckets;
    return out;
  }

  /** `bias` is added to the scores of the attention before. */
  biasScores(bias: u32): void {
    this.step(this.stepCount - 1).in2 = bias;
  }

  /** The scores of the attention before are capped: cap · tanh(score / cap); 0: they are not. */
  capScores(cap: f32): void {
    this.step(this.stepCount - 1).g = cap;
  }

  /** A learned score of each head joins the softmax of the attention before, without a value (gpt-oss's sinks). */
  sinks(name: string): void {
    const step = this.step(this.stepCount - 1);
    step.weight = this.find(name, ".weight", step.n0, 1, WeightKind.VECTOR, true);
  }

  /**
   * Multi-head latent attention: q of `heads` heads [nope | rope], over rows of a latent and a rope key. The matrix
   * `name` makes keys of `nope` dimensions and values of `value` out of a latent, head by head.
   */
  latentAttention(q: u32, latent: u32, ropeKey: u32, name: string, heads: u32, nope: u32, value: u32, scale: f32): u32 {
    const out = this.overLatents(q, latent, ropeKey, heads, nope, value, scale);
    const step = this.step(this.stepCount - 1);
    step.weight = this.findLatent(name, this.width(latent), heads * (nope + value), 1);
    return out;
  }

  /**
   * As `latentAttention`, the matrices of each head being slabs of two tensors: `keys` {nope, rank, heads} lies the
   * other way round, so that a query's product with it is its absorbed form; `values` is {rank, value, heads}.
   */
  splitLatentAttention(
    q: u32, latent: u32, ropeKey: u32, keys: string, values: string, heads: u32, nope: u32, value: u32, scale: f32,
  ): u32 {
    const out = this.overLatents(q, latent, ropeKey, heads, nope, value, scale);
    const step = this.step(this.stepCount - 1);
    const rank = this.width(latent);
    step.weight = this.findLatent(values, rank, heads * value, heads);
    step.weight2 = this.findLatent(keys, nope, heads * rank, heads);
    return out;
  }

  private overLatents(q: u32, latent: u32, ropeKey: u32, heads: u32, nope: u32, value: u32, scale: f32): u32 {
    this.keep(latent, ropeKey);
    // Whether keys and values are expanded is chosen where the rows are written.
    const kept = this.step(this.stepCount - 1);
    kept.n1 = nope;
    kept.n2 = value;
    this.batch = 256;
    const out = this.like(q, heads * value);
    const step = this.append(Op.LATENT_ATTENTION, out, q);
    step.n0 = heads;
    step.n1 = nope;
    step.n2 = value;
    step.f = scale;
    return out;
  }

  /** A matrix that makes keys or values out of latents, or what is absorbed of a query. */
  private findLatent(name: string, columns: u32, rows: u32, slabs: u32): u32 {
    const place = this.find(name, ".weight", columns, rows, WeightKind.MATRIX, true, 0, 0, slabs);
    if (place == NOTHING) return place;
    const up = this.weightAt(place);
    up.mustReside = true;
    up.precision = precisionOfLatents(up.type);
    return place;
  }

  /** Each token's row of state is written. */
  keep(first: u32, second: u32): StateShape {
    const isLatent = this.draft(this.segment - 1).stateKind == StateKind.LATENT;
    const shape = this.stateOf(isLatent ? second : first);
    this.append(Op.KEEP, NOTHING, first, second);
    return shape;
  }
}

/** The pair that turns `times` times in `original` tokens, as a number between those of pairs. */
function turnsAt(r: Rope, original: u32, times: f32): f64 {
  const PI = 3.141592653589793;
  return (<f64>r.pairs * log(<f64>original / (<f64>times * 2 * PI))) / log(<f64>r.base);
}
