/**
 * The Builder: what an architecture writes its program with, in the words of its paper. One line declares and computes:
 * `b.linear(a, "attn_q", width)` finds the tensor, checks its shape, declares it, and appends the step; what it returns
 * is the number of the value that the step makes. A value is written once.
 *
 *     paper ──► steps of all layers, one after the other, in the Builder's memory ──► fuse.ts ──► finish.ts: Program
 *
 * Its error is sticky: after the first one every call does nothing, and whoever called the architecture asks once, at
 * the end.
 */
import { LAYER_LIMIT, WIDTH_LIMIT, draftBytes, initDrafts } from "./drafts";
import { MixingWords, Pairs } from "./mixing";
import { Activation, Element, Extent, Flag, Gating, NOTHING, Op, Pooling, Step } from "./program";
import { HAS_CHUNKS, HAS_NVFP4 } from "../parts";
import { Core, wordsOf } from "../memory/core";
import { Gguf } from "../files/gguf";
import { StateKind } from "../state/shape";
import { precisionOfState } from "../weights/precision";
import { WeightKind, Weights } from "../weights/weight";
import { exp, log } from "../kernels/float/math";

export { Activation, Gating, LAYER_LIMIT, NOTHING, Pairs, Pooling, StateKind, WIDTH_LIMIT };

/** Parts that texts are made of, at most. */
const PART_LIMIT: u32 = 4096;

/** Whether a linear has a bias. */
export namespace Bias {
  /** Where the file has one. */
  export const OPTIONAL: u32 = 0;
  export const REQUIRED: u32 = 1;
}

@unmanaged
export class Builder extends MixingWords {
  /** What the model says of itself: set by the architecture before its first layer. */
  hidden: u32;
  vocabulary: u32;
  /** ε of the norms; whether RMSNorm adds it to the root. */
  epsilon: f32;
  epsilonOutside: u32;
  layerEpsilon: f32;
  /** Keys and values of all heads, for comparison with the state. */
  fullHeads: u32;
  fullKeys: u32;
  fullValues: u32;
  stream: u32;
  logits: u32;
  /** Blocks of a decoder behind an encoder; its first layer, 0: there is none; the token that it begins with. */
  decoderBlocks: u32;
  decoderLayer: u32;
  startToken: u32;
  /** The vectors of texts, the rows that they are pooled of, and how. */
  vectors: u32;
  pooled: u32;
  pooling: u32;
  ranked: u32;
  chunks: u32;
  /** The architecture multiplies what experts give with a number of each (`scaleExperts`). */
  hasScaledExperts: bool;

  // Layers.

  /**
   * Layer `index` begins. It keeps rows of `heads` vectors of `first` values and as many of `second` (state/kinds.ts),
   * and a token sees `window` of them, 0: all.
   */
  layer(index: u32, kind: u32, heads: u32 = 0, first: u32 = 0, second: u32 = 0, window: u32 = 0): void {
    this.segment = index + 1;
    this.number = index;
    this.stack = 0;
    const draft = this.draft(index);
    draft.firstWeight = this.weights.count;
    draft.state = NOTHING;
    draft.stateKind = kind;
    draft.heads = heads;
    draft.first = first;
    draft.second = second;
    // A window as long as the context hides nothing.
    draft.window = window < this.contextLength ? window : 0;
    if (HAS_CHUNKS) draft.isChunked = 0;
  }

  /** What the layer has is no window: a token sees its chunk of so many tokens, up to itself. */
  chunked(): void {
    this.draft(this.segment - 1).isChunked = 1;
  }

  /** Layer `index` begins, which reads the rows that layer `source` before it has written, and writes none. */
  layerOver(index: u32, source: u32): void {
    this.layer(index, StateKind.NONE);
    const draft = this.draft(index);
    draft.state = this.draft(source).state;
    draft.stateLayer = this.draft(source).stateLayer;
  }

  // Operations, in the order of the paper.

  /** The embeddings of the batch's tokens: [tokens, hidden], each multiplied by `scale`. */
  embedding(name: string, scale: f32 = 1): u32 {
    return this.begin(this.scale(this.rowsOf(name, this.hidden), scale));
  }

  /** The residual stream begins as x. */
  begin(x: u32): u32 {
    this.stream = x;
    return x;
  }

  /** Rows of a table {width, vocabulary} that the batch's tokens name: [tokens, width]. */
  rowsOf(name: string, width: u32): u32 {
    const out = this.vector(width);
    const step = this.append(Op.EMBEDDING, out);
    step.weight = this.find(name, ".weight", width, this.vocabulary, WeightKind.MATRIX, true);
    if (step.weight != NOTHING) this.weightAt(step.weight).isEmbedding = true;
    return out;
  }

  /** Rows of a table {width, context} that the tokens' positions name (learned positions): [tokens, width]. */
  positions(name: string, width: u32): u32 {
    const out = this.vector(width);
    const step = this.append(Op.EMBEDDING, out);
    step.flags |= Flag.BY_POSITION;
    step.weight = this.find(name, ".weight", width, this.contextLength, WeightKind.MATRIX, true);
    if (step.weight != NOTHING) this.weightAt(step.weight).mustReside = true;
    this.positionCount = this.contextLength;
    return out;
  }

  /** Rows of a table {width, 1 or more} that the parts of a pair of texts name: 0 the first, 1 the second. */
  parts(name: string, width: u32): u32 {
    const rows = this.countOr("tokenizer.ggml.token_type_count", 2, 1, PART_LIMIT);
    const out = this.vector(width);
    const step = this.append(Op.EMBEDDING, out);
    step.flags |= Flag.BY_PART;
    step.n0 = rows;
    step.n1 = this.countOr("tokenizer.ggml.seperator_token_id", NOTHING, 0, NOTHING);
    step.weight = this.find(name, ".weight", width, rows, WeightKind.MATRIX, true);
    if (step.weight != NOTHING) this.weightAt(step.weight).mustReside = true;
    return out;
  }

  /** Columns `from` … `from + width − 1` of a value: no copy. */
  part(x: u32, from: u32, width: u32): u32 {
    const id = this.vector(width);
    const value = this.value(id);
    const whole = this.value(x);
    value.base = whole.base;
    value.from = whole.from + from;
    value.extent = whole.extent;
    value.element = whole.element;
    return id;
  }

  /** Columns `layer · width` … of a value that has `width` for each layer, copied: so layers stay alike. */
  slice(x: u32, width: u32): u32 {
    const out = this.like(x, width);
    this.append(Op.SLICE, out, x);
    return out;
  }

  /** RMSNorm of a row, or of `parts` vectors side by side in it (heads). */
  rmsNorm(x: u32, name: string, parts: u32 = 1): u32 {
    const out = this.plainRmsNorm(x, parts);
    const step = this.step(this.stepCount - 1);
    step.weight = this.find(name, ".weight", this.width(x) / parts, 1, WeightKind.VECTOR, true);
    return out;
  }

  /** RMSNorm without a weight. */
  plainRmsNorm(x: u32, parts: u32 = 1): u32 {
    const out = this.like(x, this.width(x));
    const step = this.append(Op.RMS_NORM, out, x);
    step.n0 = parts;
    step.f = this.epsilon;
    if (this.epsilonOutside) step.flags |= Flag.EPSILON_OUTSIDE;
    return out;
  }

  /** RMSNorm of `parts` vectors side by side in a row, each with a weight of its own. */
  groupedRmsNorm(x: u32, name: string, parts: u32): u32 {
    const out = this.plainRmsNorm(x, parts);
    const step = this.step(this.stepCount - 1);
    step.weight = this.find(name, ".weight", this.width(x) / parts, parts, WeightKind.VECTOR, true);
    return out;
  }

  /** LayerNorm of `parts` vectors side by side in a row, by one weight and one bias {width} (RWKV's norm of groups). */
  groupNorm(x: u32, name: string, parts: u32, epsilon: f32): u32 {
    const out = this.like(x, this.width(x));
    const step = this.append(Op.LAYER_NORM, out, x);
    step.n0 = parts;
    step.f = epsilon;
    step.weight = this.find(name, ".weight", this.width(x), 1, WeightKind.VECTOR, true);
    step.bias = this.find(name, ".bias", this.width(x), 1, WeightKind.VECTOR, true);
    return out;
  }

  /** LayerNorm without a weight and a bias. */
  plainLayerNorm(x: u32): u32 {
    const out = this.like(x, this.width(x));
    const step = this.append(Op.LAYER_NORM, out, x);
    step.n0 = 1;
    step.f = this.layerEpsilon;
    return out;
  }

  /** LayerNorm with a weight and a bias: required, or where the file has one. */
  layerNorm(x: u32, name: string, bias: u32 = 1): u32 {
    const width = this.width(x);
    const out = this.plainLayerNorm(x);
    const step = this.step(this.stepCount - 1);
    step.weight = this.find(name, ".weight", width, 1, WeightKind.VECTOR, true);
    step.bias = this.find(name, ".bias", width, 1, WeightKind.VECTOR, bias == Bias.REQUIRED);
    return out;
  }

  /** LayerNorm of `parts` vectors side by side in a row (heads), each with a weight of its own, without bias. */
  headLayerNorm(x: u32, name: string, parts: u32): u32 {
    const width = this.width(x);
    const out = this.like(x, width);
    const step = this.append(Op.LAYER_NORM, out, x);
    step.n0 = parts;
    step.f = this.layerEpsilon;
    step.weight = this.find(name, ".weight", width / parts, parts, WeightKind.VECTOR, true);
    return out;
  }

  /**
   * The product with a matrix {width of x, width}, and its bias: without `bias` an optional one (see `append`). Where
   * the file has a number `name`.scale, the product is multiplied with it: blocks of NVFP4 have scales of eight bits,
   * which want one more for the matrix.
   */
  linear(x: u32, name: string, width: u32, bias: u32 = 0): u32 {
    return this.linearRows(x, name, 0, width, width, bias);
  }

  /** `linear` that makes what a recurrent state keeps (weights/precision.ts). */
  linearOfState(x: u32, name: string, width: u32): u32 {
    const out = this.linear(x, name, width);
    const place = this.step(this.stepCount - 1).weight;
    if (place != NOTHING) {
      const weight = this.weightAt(place);
      weight.precision = precisionOfState(weight.type);
    }
    return out;
  }

  /** The product with rows `from` … `from + width − 1` of a matrix {width of x, whole}: papers' fused matrices. */
  linearRows(x: u32, name: string, from: u32, width: u32, whole: u32, bias: u32 = 0): u32 {
    const out = this.product(x, name, from, width, whole, bias);
    this.step(this.stepCount - 1).weight2 = this.scaleOf(name, 1);
    return out;
  }

  /** `linearRows` without a scale. */
  private product(x: u32, name: string, from: u32, width: u32, whole: u32, bias: u32): u32 {
    const out = this.like(x, width);
    const step = this.append(Op.LINEAR, out, x);
    step.weight = this.find(name, ".weight", this.width(x), width, WeightKind.MATRIX, true, from, whole);
    step.bias = this.find(name, ".bias", width, 1, WeightKind.VECTOR, bias == Bias.REQUIRED, from, whole);
    return out;
  }

  /** What products with a matrix, or with each of `count` matrices, are multiplied with, where the file has it. */
  private scaleOf(name: string, count: u32): u32 {
    if (!HAS_NVFP4) return NOTHING;
    // Of activations in four bits, which nobody makes here.
    this.leaveOut(name, ".input_scale");
    return this.find(name, ".scale", count, 1, WeightKind.VECTOR, false);
  }

  /**
   * Rows of a source become keys and values of the layer, by the matrices `keys` and `values`, when a pass reads it:
   * what `attentionOver` of this layer sees.
   */
  keepSource(source: u32, keys: string, values: string, width: u32): void {
    this.marks = Flag.SOURCE;
    const k = this.linear(source, keys, width);
    this.keep(k, this.linear(source, values, width));
    this.marks = 0;
  }

  /** The linear just written adds the vector `name`.weight, or of `whole` values those from `from` on. */
  shiftedBy(name: string, from: u32 = 0, whole: u32 = 0): void {
    const step = this.step(this.stepCount - 1);
    step.bias = this.find(name, ".weight", this.width(step.out), 1, WeightKind.VECTOR, true, from, whole);
  }

  add(x: u32, y: u32): u32 {
    const out = this.like(x, this.width(x));
    this.append(Op.ADD, out, x, y);
    return out;
  }

  /** x · factor; x itself for a factor of 1. */
  scale(x: u32, factor: f32): u32 {
    if (factor == 1) return x;
    const out = this.like(x, this.width(x));
    const step = this.append(Op.SCALE, out, x);
    step.f = factor;
    return out;
  }

  /**
   * x · (1 + factor · ln(⌊(p + more) / length⌋ + 1)) at position p: queries grow where there are more keys to choose
   * from; x itself for a factor of 0.
   */
  scaleByPosition(x: u32, factor: f32, length: u32, more: u32 = 0): u32 {
    if (factor == 0) return x;
    const out = this.like(x, this.width(x));
    const step = this.append(Op.SCALE, out, x);
    step.flags |= Flag.BY_POSITION;
    step.n0 = length;
    step.n1 = more;
    step.f = factor;
    return out;
  }

  /** x times the one number of the tensor `name`; x itself where the file has none. */
  scaleBy(x: u32, name: string): u32 {
    if (!this.hasWeight(name)) return x;
    const out = this.like(x, this.width(x));
    const step = this.append(Op.SCALE, out, x);
    step.f = 1;
    step.weight = this.find(name, ".weight", 1, 1, WeightKind.VECTOR, true);
    return out;
  }

  /** x ⊙ the vector `name` + `suffix`, or of `whole` values those from `from` on. */
  multiply(x: u32, name: string, suffix: string, from: u32 = 0, whole: u32 = 0): u32 {
    const out = this.like(x, this.width(x));
    const step = this.append(Op.SCALE, out, x);
    step.f = 1;
    step.weight = this.find(name, suffix, this.width(x), 1, WeightKind.VECTOR, true, from, whole);
    return out;
  }

  /** cap · tanh(x / cap); x itself for a cap of 0. */
  softcap(x: u32, cap: f32): u32 {
    if (cap == 0) return x;
    const out = this.like(x, this.width(x));
    const step = this.append(Op.SOFTCAP, out, x);
    step.f = cap;
    return out;
  }

  /** x held between −limit and limit; x itself for a limit of 0. */
  clamp(x: u32, limit: f32): u32 {
    if (limit == 0) return x;
    const out = this.activation(Activation.CLAMP, x);
    this.step(this.stepCount - 1).f = limit;
    return out;
  }

  /** What stands between the matrices of a feed-forward network (Activation): f(x), or f(x) ⊙ up. */
  activation(kind: u32, x: u32, up: u32 = 0xffff_ffff): u32 {
    const out = this.like(x, this.width(x));
    const step = this.append(Op.ACTIVATION, out, x, up);
    step.n0 = kind;
    return out;
  }

  /** f(gate) ⊙ up of rows that are `parts` times [gate | up], side by side. */
  gatedHalves(kind: u32, x: u32, parts: u32): u32 {
    const out = this.like(x, this.width(x) >> 1);
    const step = this.append(Op.ACTIVATION, out, x);
    step.n0 = kind;
    step.n1 = parts;
    return out;
  }

  /** The first half of each of `parts` parts of a row, or (`which` 1) the second. */
  half(x: u32, parts: u32, which: u32): u32 {
    const out = this.like(x, this.width(x) >> 1);
    const step = this.append(Op.HALF, out, x);
    step.n0 = parts;
    step.n1 = which;
    return out;
  }

  /** silu(gate) ⊙ up: what stands between the matrices of SwiGLU. */
  swiglu(gate: u32, up: u32): u32 {
    return this.activation(Activation.SILU, gate, up);
  }

  /** x ⊙ y */
  times(x: u32, y: u32): u32 {
    return this.activation(Activation.IDENTITY, x, y);
  }

  /** gelu(x), by tanh. */
  gelu(x: u32): u32 {
    return this.activation(Activation.GELU, x);
  }

  /** xIELU (arXiv:2411.13010), by α_p and α_n as they are trained: softplus makes them positive. */
  xielu(x: u32, positive: f32, negative: f32, beta: f32, epsilon: f32): u32 {
    const out = this.activation(Activation.XIELU, x);
    const step = this.step(this.stepCount - 1);
    step.f = <f32>softplus(positive);
    step.g = <f32>(<f64>beta + softplus(negative));
    step.h = beta;
    step.k = epsilon;
    return out;
  }

  /** relu(x)²; its exact zeros are counted, and the linear behind it leaves them out. */
  squaredRelu(x: u32): u32 {
    const out = this.like(x, this.width(x));
    this.append(Op.SQUARED_RELU, out, x);
    return out;
  }

  /** x ⊙ sigmoid(gate): a gate for each value of a row, or one for each of as many parts as `gate` is wide. */
  gate(x: u32, gate: u32): u32 {
    const out = this.like(x, this.width(x));
    const step = this.append(Op.GATE, out, x, gate);
    step.n0 = this.width(gate);
    return out;
  }

  /**
   * The experts that each token goes to (Shazeer et al. 2017, arXiv:1701.06538), by the scores of `name` {width,
   * experts}: [tokens, used] numbers, and behind them [tokens, used] weights. The tensor `bias` counts in the choice;
   * that of the scores is required, or taken where the file has it.
   */
  route(
    x: u32, name: string, bias: string, experts: u32, used: u32, gating: u32, normalised: bool, factor: f32,
    scoreBias: u32 = 0,
  ): u32 {
    // The scale of a router's name is one of its input (gemma4).
    const scores = this.product(x, name, 0, experts, experts, scoreBias);
    const chosen = this.vector(used);
    const weights = this.vector(used);
    this.value(chosen).element = Element.U32;
    const step = this.append(Op.ROUTE, chosen, scores);
    step.out2 = weights;
    step.n0 = used;
    step.n1 = gating;
    step.n2 = 1 | (1 << 16);
    step.f = factor;
    if (normalised) step.flags |= Flag.NORMALISED;
    step.bias = this.find(bias, ".bias", experts, 1, WeightKind.VECTOR, false);
    return chosen;
  }

  /** Experts are chosen in `used` of `groups` groups alone: those whose two best scores add up to most. */
  groupExperts(groups: u32, used: u32): void {
    this.step(this.stepCount - 1).n2 = groups | (used << 16);
  }

  /** What experts give is multiplied with a number of each, the vector `name` + `suffix`, where the file has it. */
  scaleExperts(name: string, suffix: string): void {
    const step = this.step(this.stepCount - 1);
    const experts = this.width(step.in0);
    step.weight2 = this.find(name, suffix, experts, 1, WeightKind.VECTOR, false);
    this.hasScaledExperts = true;
  }

  /**
   * The product of x with the matrix of each expert that `chosen` names, one behind the other in a row: {width of x,
   * width, experts}. x has one row for all of them, or (`parts`) the product of each before. Where the file has
   * `name`.scale, it has a number for each expert's product, unless `scaleExperts` has taken it.
   */
  expertLinear(x: u32, chosen: u32, name: string, width: u32, experts: u32, parts: bool, bias: u32 = 0): u32 {
    const used = this.width(chosen);
    const out = this.like(x, used * width);
    const step = this.append(Op.EXPERTS, out, x, chosen);
    step.n0 = used;
    if (parts) step.flags |= Flag.PARTS;
    const columns = parts ? this.width(x) / used : this.width(x);
    step.weight = this.find(name, ".weight", columns, width * experts, WeightKind.MATRIX, true, 0, 0, experts);
    step.bias = this.find(name, ".bias", width, experts, WeightKind.VECTOR, bias == Bias.REQUIRED);
    if (!parts || !this.hasScaledExperts) step.weight2 = this.scaleOf(name, experts);
    if (step.weight != NOTHING) this.weightAt(step.weight).chosen = used;
    return out;
  }

  /** The sum of what experts gave, by their weights. */
  mixExperts(x: u32, chosen: u32): u32 {
    const used = this.width(chosen);
    const out = this.like(x, this.width(x) / used);
    const step = this.append(Op.MIX_EXPERTS, out, x, chosen + 1);
    step.n0 = used;
    return out;
  }

  /** The codes of a row's chunks, and behind them how sure they are (kernels/lookup/codes.ts). */
  hash(x: u32, chunks: u32, bits: u32, rule: u32, temperature: f32, zeroIsOne: bool): u32 {
    const codes = this.vector(chunks);
    const weights = this.vector(chunks);
    this.value(codes).element = Element.U32;
    const step = this.append(Op.HASH, codes, x);
    step.out2 = weights;
    step.n0 = chunks;
    step.n1 = bits;
    step.n2 = rule;
    step.f = temperature;
    if (zeroIsOne) step.flags |= Flag.ZERO_IS_ONE;
    this.chunks = max(this.chunks, chunks);
    return codes;
  }

  /**
   * A memory layer (arXiv:2411.12992): the rows of a table {width} that the codes name, weighed and added up. Rows of
   * whole numbers have a scale each; a bias where the file has one.
   */
  lookUp(codes: u32, name: string, bits: u32, width: u32): u32 {
    const out = this.vector(width);
    const step = this.append(Op.LOOK_UP, out, codes, codes + 1);
    const rows = this.width(codes) << bits;
    step.weight = this.find(name, ".table", width, rows, WeightKind.TABLE, true);
    if (step.weight == NOTHING) return out;
    const table = this.weightAt(step.weight);
    table.rowsPerChunk = (<u32>1) << bits;
    step.weight2 = this.find(name, ".scale", rows, 1, WeightKind.VECTOR, !table.isFloat);
    step.bias = this.find(name, ".bias", width, 1, WeightKind.VECTOR, false);
    return out;
  }

  /**
   * The logits: the product with the head's matrix, which is the embedding's where the file has none of its own, times
   * `scale` and capped (`softcap`).
   */
  head(x: u32, name: string, tied: string, scale: f32 = 1, cap: f32 = 0): void {
    this.pool(x, this.countOr(".pooling_type", Pooling.LAST, 0, Pooling.COUNT - 1), Pooling.LAST);
    const weight = this.find(name, ".weight", this.hidden, this.vocabulary, WeightKind.MATRIX, false);
    if (weight == NOTHING) return this.tiedHead(x, tied, scale, cap);
    const step = this.logitsBy(x, weight, scale, cap);
    step.weight2 = this.scaleOf(name, 1);
    step.bias = this.find(name, ".bias", this.vocabulary, 1, WeightKind.VECTOR, false);
  }

  /** As `head`, of a model whose head is always the embedding's matrix. */
  tiedHead(x: u32, tied: string, scale: f32 = 1, cap: f32 = 0): void {
    this.pool(x, this.countOr(".pooling_type", Pooling.LAST, 0, Pooling.COUNT - 1), Pooling.LAST);
    this.logitsBy(x, this.findShared(tied), scale, cap);
  }

  /**
   * The rows x of tokens become one a text, by `pooling` where nobody asks for another, or by `ranked` where the model
   * ranks: what is written behind it works on these, and its last value, or x itself, are the vectors of texts.
   */
  pool(x: u32, pooling: u32, ranked: u32): u32 {
    this.pooling = pooling;
    this.ranked = ranked;
    this.pooled = x;
    this.vectors = x;
    this.marks = Flag.POOLED;
    return x;
  }

  private logitsBy(x: u32, weight: u32, scale: f32, cap: f32): Step {
    this.marks = Flag.HEAD;
    const out = this.like(x, this.vocabulary);
    this.value(out).extent = Extent.LOGITS;
    const step = this.append(Op.LINEAR, out, x);
    step.weight = weight;
    if (weight != NOTHING) this.weightAt(weight).isHead = true;
    this.logits = this.softcap(this.scale(out, scale), cap);
    return step;
  }

  /** What follows stands behind the layers. */
  output(): void {
    this.segment = this.layers + 1;
  }

  /** The declared weight of no layer that the embedding step names. */
  private findShared(name: string): u32 {
    for (let i: u32 = 0; i < this.stepCount; i++) {
      if (this.step(i).op == Op.EMBEDDING) return this.step(i).weight;
    }
    this.broken("the file has no tensor {w}.weight, which this model needs", wordsOf(name));
    return NOTHING;
  }
}

/** ln(1 + e^x) */
function softplus(x: f32): f64 {
  return max<f64>(0, <f64>x) + log(1.0 + exp(-abs<f64>(<f64>x)));
}

/** Bytes of a builder for a model of `layers` layers. */
export function builderBytes(layers: u32): u64 {
  return draftBytes(offsetof<Builder>(), layers);
}

/** Lays a builder out in `memory`, zeroed, of `builderBytes(layers)`. `weights.table` becomes its own. */
export function initBuilder(memory: usize, core: Core, gguf: Gguf, weights: Weights, layers: u32): Builder {
  const b = changetype<Builder>(memory);
  initDrafts(b, offsetof<Builder>(), core, gguf, weights, layers);
  b.stream = NOTHING;
  b.logits = NOTHING;
  b.vectors = NOTHING;
  b.batch = 128;
  return b;
}
