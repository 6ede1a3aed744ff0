/**
 * A program: what a forward pass is, as records. An architecture (models/) is called once, at load, and writes the
 * steps through the Builder; from then on the machine (run/) reads records and knows no architecture.
 *
 *     steps    ┌ input ┐┌ steps of kind 0 ┐┌ steps of kind 1 ┐ … ┌ output ┐        each once, in this order
 *     layers   layer 0 → kind, first of its own weights │ layer 1 → … │
 *     values   what steps read and write; where they lie is planned for each context (plan.ts)
 *
 * Layers whose steps are equal are of one kind, and their steps are stored once. A step names a weight by its place
 * among the layer's own, or, with Place.SHARED, by its place in the whole table.
 *
 *     Program ┌ record │ layers: Layer[] │ kinds: Kind[] │ values: Value[] │ steps: Step[] │ states: StateShape[] │
 *               ropes: Rope[] ┐
 *
 * All in one block of the arena.
 */
import { Rope } from "../state/rope";
import { StateShape } from "../state/shape";
import { Weight, Weights } from "../weights/weight";

/** What a step does. `limpet inspect --program` prints these names; ops/ops.ts says how each runs. */
export namespace Op {
  /** A record that a rule of fuse.ts has emptied; no finished program has one. */
  export const NONE: u32 = 0;
  /** out [tokens, width] ← the rows of `weight` that the batch's tokens, or their positions, name. */
  export const EMBEDDING: u32 = 1;
  /**
   * out [tokens, 2 · pairs] ← cosines and sines of rope n1 at the tokens' positions: n0 pairs, f the base; `weight` the
   * factors, or `weight` those of short contexts and `weight2` those of long ones.
   */
  export const ANGLES: u32 = 2;
  /** out ← RMSNorm(in0) · weight, n0 vectors side by side in a row; f is ε. */
  export const RMS_NORM: u32 = 3;
  /** out ← LayerNorm(in0) · weight + bias, n0 vectors side by side in a row; f is ε. */
  export const LAYER_NORM: u32 = 4;
  /** out ← in0 · weightᵀ · weight2 + bias, and the same of n0 LINEAR steps behind it; weight2 is one number. */
  export const LINEAR: u32 = 5;
  /** out ← in0 turned by the angles in1: n0 heads, of each 2 · n2 dimensions from n1 on. */
  export const ROPE: u32 = 6;
  /** out ← in0 + in1 */
  export const ADD: u32 = 7;
  /**
   * out ← a(in0), or a(in0) ⊙ in1: n0 says which function (Activation). Of n1 parts of in0, unless n1 is 0, the first
   * half is what in0 else is, and the second half in1. f, g, h and k are the numbers of XIELU.
   */
  export const ACTIVATION: u32 = 8;
  /** out ← relu(in0)², zeros counted. */
  export const SQUARED_RELU: u32 = 9;
  /** A row of state for each token ← in0, in1: keys and values, or latents and rope keys. */
  export const KEEP: u32 = 10;
  /**
   * out ← softmax(in0 · keysᵀ · f) · values over the rows that each token sees, n0 heads. Scores are capped by g,
   * unless it is 0; `weight` has a score of each head that joins the softmax without a value.
   */
  export const ATTENTION: u32 = 11;
  /**
   * As ATTENTION over latent rows, `weight` being W_UK and W_UV of n0 heads: n1 dimensions that do not turn, n2 of a
   * value. Or `weight` is W_UV, and `weight2` W_UKᵀ, each with a slab for each head.
   */
  export const LATENT_ATTENTION: u32 = 12;
  /** out u32[chunks], out2 f32[chunks] ← the codes of in0 cut into n0 chunks of n1 bits, and how sure each is. */
  export const HASH: u32 = 13;
  /**
   * out ← the rows of table `weight` that the codes in0 name, by the chunk weights in1 and the scales weight2, + bias;
   * and the same of n0 LOOK_UP steps behind it that have the same codes.
   */
  export const LOOK_UP: u32 = 14;
  /** in0 is copied to whoever asked for it: n0 says under which name (Tap), n1 how long a row is there. */
  export const TAP: u32 = 15;
  /**
   * out ← in0 · f, and times `weight`: its one number, or value by value. With Flag.BY_POSITION
   * out ← in0 · (1 + f · ln(⌊p / n0⌋ + 1)) at position p.
   */
  export const SCALE: u32 = 16;
  /** out ← f · tanh(in0 / f) */
  export const SOFTCAP: u32 = 17;
  /** out ← in0 ⊙ sigmoid(in1): each of the n0 values of in1 is the gate of a part of in0. */
  export const GATE: u32 = 18;
  /** out ← columns layer · width … of in0, which has as many for each layer. */
  export const SLICE: u32 = 19;
  /**
   * out u32[n0], out2 f32[n0] ← the experts that a token goes to, best first, and their weights, out of the scores in0;
   * `bias` counts in the choice alone. n1: how scores become probabilities (Gating); n2: groups of experts, and above
   * 16 bits how many of them are used; f what weights are multiplied with, and weight2 what those of each expert are.
   */
  export const ROUTE: u32 = 20;
  /**
   * out [tokens, n0 · rows] ← for each of the n0 experts in1 that a token goes to, the product of in0 with its slab of
   * `weight`, times its number in weight2, + its row of `bias`; in0 has one row for all experts, or with Flag.PARTS a
   * part for each.
   */
  export const EXPERTS: u32 = 21;
  /** out ← Σ in0's n0 parts, each times its weight in1, in the order of the choice. */
  export const MIX_EXPERTS: u32 = 22;
  /** out ← max(in0 − (mean + f · deviation), 0), mean and deviation of each row. */
  export const SPARSIFY: u32 = 23;
  /** out ← in0, each of whose four parts has the sum of all added, by four of the sixteen numbers of in1. */
  export const MIX_STREAMS: u32 = 24;
  /** out ← n0 times in0, side by side: 0 in the first n1, and each times 1 + its number in in1 where there is one. */
  export const SPREAD: u32 = 25;
  /** out ← in0, made as long as in1 is; f is the least mean of squares. */
  export const LEVEL: u32 = 26;
  /** out ← in0, and in1 beside it. */
  export const JOIN: u32 = 27;
  /**
   * out ← softmax(in0 · keysᵀ · f + bias) · values over the tokens of the same text in the pass: a row of in1 is keys
   * of n1 heads and, behind them, values; in0 has n0 heads. n2: tokens see others at most so far away, unless it is 0;
   * in2 is the DISTANCE_BIAS that is added, or NOTHING.
   */
  export const ATTENTION_WITHIN: u32 = 28;
  /**
   * out [heads, 2 · reach − 1] ← what is added to the score of a key so far behind the query, or before it: for ALiBi
   * −slope · distance, the slopes falling to 2^−f. Or column h of `weight` has a number of head h for each bucket of
   * distances: n1 buckets, of which with n0 half are for keys behind the query.
   */
  export const DISTANCE_BIAS: u32 = 29;
  /** Each sequence of the batch gets a row for what the layer's steps make of its recurrent state. */
  export const ADVANCE: u32 = 30;
  /**
   * out ← causal convolution of in0 over n0 tokens by `weight`, + bias. It keeps n0 − 1 rows of in0, from value n1 of
   * the layer's state on; so do those below say where theirs begins.
   */
  export const CONVOLUTION: u32 = 31;
  /** out ← selective scan of in0 by in1 = [Δ | B | C], states of n0 values a channel; `weight` is A, weight2 D. */
  export const SELECTIVE_SCAN: u32 = 32;
  /** out ← scan of in0 = [x | B | C] of n0 heads and n2 groups by in1 = Δ; `weight` A, weight2 D, bias that of Δ. */
  export const DUAL_SCAN: u32 = 33;
  /** out ← delta rule over in0 = [q | k | v], n0 value, n2 key heads, by in1 = β and α; `weight` A, bias of α; f ε. */
  export const DELTA_RULE: u32 = 34;
  /** out ← in0 of the token before, less in0. */
  export const TOKEN_SHIFT: u32 = 35;
  /** out ← RWKV-6's state read by in0 = [r | k | v | w], heads of n0 values; `weight` is u. */
  export const WKV6: u32 = 36;
  /** out, and the bonus out2 ← RWKV-7's of in0 = [r | k | v | w | a]; `weight` k_k, bias k_a, weight2 r_k. */
  export const WKV7: u32 = 37;
  /** out ← the first half of each of the n0 parts of in0, or with n1 = 1 the second. */
  export const HALF: u32 = 38;
  export const COUNT: u32 = 39;
}

/** Whether an op takes the tokens of a pass into the layer's recurrent state. */
export function isRecurrent(op: u32): bool {
  return op >= Op.ADVANCE && op <= Op.WKV7;
}

/** How the scores of experts become their probabilities. */
export namespace Gating {
  export const SOFTMAX: u32 = 1;
  export const SIGMOID: u32 = 2;
  /** Softmax of the chosen ones' scores alone. */
  export const CHOSEN: u32 = 3;
  /** Each chosen one's share among those left whose scores are near its own (SparseMixer): no number of a file. */
  export const MIXER: u32 = 16;
}

/** The functions between the matrices of a feed-forward network. */
export namespace Activation {
  /** x / (1 + e^−x) */
  export const SILU: u32 = 0;
  /** GELU by tanh. */
  export const GELU: u32 = 1;
  /** min(x, 7) · sigmoid(1.702 x), with (clamp(up, −7, 7) + 1): gpt-oss's. */
  export const CLAMPED_SILU: u32 = 2;
  /** f·x² + h·x where x > 0, else (e^min(x, k) − 1 − x) · g + h·x: Apertus's xIELU. */
  export const XIELU: u32 = 3;
  /** GELU by erf. */
  export const GELU_ERF: u32 = 4;
  /** max(x, 0) */
  export const RELU: u32 = 5;
  /** x itself: a product, where there is a second input. */
  export const IDENTITY: u32 = 6;
  export const SIGMOID: u32 = 7;
  export const TANH: u32 = 8;
  /** min(max(x, −f), f) */
  export const CLAMP: u32 = 9;
  export const COUNT: u32 = 10;
}

/** What is beside the op. */
export namespace Flag {
  /** ROPE turns the pairs (2i, 2i + 1), not (i, i + n/2). */
  export const NEIGHBOURS: u32 = 1;
  /** RMS_NORM adds ε to the root, not under it. */
  export const EPSILON_OUTSIDE: u32 = 2;
  /** ACTIVATION: out is the operand of `weight`, quantised. LINEAR: in0 is such an operand. */
  export const OPERAND: u32 = 4;
  /** LINEAR: out ← in1 + the product: the end of a branch of the residual stream. */
  export const RESIDUAL: u32 = 8;
  /** out lies where in0 lies (of RESIDUAL: in1), so that threads do not share the step: it cannot be done twice. */
  export const IN_PLACE: u32 = 16;
  /** The step writes where the stream lies before the layers: a pass that enters at a later one leaves it out. */
  export const INPUT: u32 = 32;
  /** HASH: a zero gives the bit 1. */
  export const ZERO_IS_ONE: u32 = 64;
  /** EMBEDDING: positions name the rows, not tokens. SCALE: positions say how much. */
  export const BY_POSITION: u32 = 128;
  /** EXPERTS: in0 has a part of its row for each expert. */
  export const PARTS: u32 = 256;
  /** ROUTE: weights are divided by their sum. */
  export const NORMALISED: u32 = 512;
  /** EMBEDDING: the part of a text that a token stands in names the row: 0 up to its first separator, 1 behind it. */
  export const BY_PART: u32 = 1024;
  /** Of the output: the step works on a row for each text, or it makes logits and passes for vectors end before it. */
  export const POOLED: u32 = 2048;
  export const HEAD: u32 = 4096;
  /** The step runs in passes of a source alone; in a decoder's layers those pass by all others. */
  export const SOURCE: u32 = 8192;
  /** DELTA_RULE: value heads, and β and α, stand key head by key head. */
  export const GROUPED: u32 = 16384;
}

/** How the rows of a text's tokens become one vector: the numbers of `pooling_type` in files. */
export namespace Pooling {
  /** A vector for each token. */
  export const NONE: u32 = 0;
  export const MEAN: u32 = 1;
  /** The first token's row. */
  export const CLS: u32 = 2;
  /** The last token's row. */
  export const LAST: u32 = 3;
  /** As the architecture does it; what comes out of the classifier behind it are scores. */
  export const RANK: u32 = 4;
  export const COUNT: u32 = 5;
}

/** What a pass can be asked to give beside the logits. */
export namespace Tap {
  /** f32[layers][heads][places]: what each row of state was attended to, added up over tokens. */
  export const ATTENTION: u32 = 0;
  /** f32[layers][tokens][ffn]: what enters the last linear of the feed-forward network, of the widest layer. */
  export const FFN: u32 = 1;
  /** f32[layers][tokens][hidden]: the residual stream behind each layer. */
  export const HIDDEN: u32 = 2;
  export const COUNT: u32 = 3;
}

/** How many rows a value has. */
export namespace Extent {
  /** A row for each token of the pass. */
  export const TOKENS: u32 = 0;
  /** A row for each token whose logits are asked for. */
  export const LOGITS: u32 = 1;
  /** As many rows as `count` says. */
  export const FIXED: u32 = 2;
}

/** What a value is made of. */
export namespace Element {
  export const F32: u32 = 0;
  export const U32: u32 = 1;
  /** The quantised operand of a weight: its bytes are those that the weight asks for. */
  export const OPERAND: u32 = 2;
}

/** No value, no weight. */
export const NOTHING: u32 = 0xffff_ffff;
/** The input and the output of a program stand beside its layers. */
export const INPUT_SEGMENT: u32 = 0;

@unmanaged
export class Value {
  extent: u32;
  /** Rows of Extent.FIXED. */
  count: u32;
  element: u32;
  /** Elements of a row. */
  width: u32;
  /** The value that has the memory, and the first of its columns that this one is: itself and 0 when it is whole. */
  base: u32;
  from: u32;
  /** Where it is made: 0 the input, layer + 1, or layers + 1 the output. */
  segment: u32;
  /**
   * A base: the first and the last step that needs its memory. While a program is built: how many read it, the last.
   */
  first: u32;
  last: u32;
  /** A base: the next one in the plan, the bytes it takes, and where the plan puts it [bytes]. */
  next: u32;
  bytes: u64;
  offset: u64;
}

/** How a step names a weight of no layer, or of another one. */
export namespace Place {
  export const SHARED: u32 = 0x8000_0000;
}

@unmanaged
export class Step {
  op: u32;
  flags: u32;
  out: u32;
  out2: u32;
  in0: u32;
  in1: u32;
  in2: u32;
  weight: u32;
  bias: u32;
  weight2: u32;
  n0: u32;
  n1: u32;
  n2: u32;
  f: f32;
  g: f32;
  h: f32;
  k: f32;
  /** While a program is built: its segment. In the plan: the next one. */
  segment: u32;
  next: u32;
  /** Bytes that the step needs for itself, and where the plan puts them. */
  scratch: u64;
  offset: u64;

  /** Step `index` behind this one. */
  behind(index: u32): Step {
    return changetype<Step>(changetype<usize>(this) + <usize>index * offsetof<Step>());
  }

  /** Steps behind this one that run with it. */
  get members(): u32 {
    return this.op == Op.LINEAR || this.op == Op.LOOK_UP ? this.n0 : 0;
  }

  @inline
  has(flag: u32): bool {
    return (this.flags & flag) != 0;
  }
}

@unmanaged
export class Layer {
  kind: u32;
  /** The first of its own weights in the table. */
  firstWeight: u32;
  /** Which of the program's states it has, NOTHING: none; and its number among the layers that have it. */
  state: u32;
  stateLayer: u32;
  /** 1: it writes rows there; 0: it keeps none, or reads those of a layer before it. */
  keeps: u8;
  /** Which of the states is its recurrent one, plus 1, 0: none; and its number among the layers that have it. */
  recurrent: u8;
  recurrentLayer: u16;
}

@unmanaged
export class Kind {
  firstStep: u32;
  steps: u32;
  /** Layers of this kind. */
  layers: u32;
}

@unmanaged
export class Program {
  weights: Weights;
  layerCount: u32;
  kindCount: u32;
  valueCount: u32;
  stepCount: u32;
  stateCount: u32;
  hidden: u32;
  vocabulary: u32;
  contextLength: u32;
  /** Steps of the input, and where those of the output begin. */
  inputSteps: u32;
  outputStep: u32;
  /** The residual stream, the logits, the vectors of texts; NOTHING: the model makes none. */
  stream: u32;
  logits: u32;
  vectors: u32;
  /** The rows of tokens that become one a text. */
  pooled: u32;
  /** The first step behind pooling, and the one behind the last that vectors of texts need. */
  pooledStep: u32;
  vectorStep: u32;
  /** How the file says that rows are pooled (Pooling), and how they are before a classifier. */
  pooling: u32;
  ranked: u32;
  /** The first layer of a decoder behind an encoder, whose passes begin there; 0: there is no encoder. */
  decoderLayer: u32;
  /** The token that a decoder begins with. */
  startToken: u32;
  /** 1: tokens attend to the others of their text in the same pass, which must hold it whole. */
  isWithin: u32;
  /** Behind this step of this layer only tokens whose logits are asked for go on; NOTHING: they all do. */
  narrowLayer: u32;
  narrowStep: u32;
  /** Rows that single tokens take of look-up tables: tables at once, and chunks. */
  tables: u32;
  chunks: u32;
  /** Tokens of a batch that suit it. */
  batch: u32;
  /** Values of a row of full keys and values of all heads: what state is compared with. */
  fullKeys: u32;
  fullValues: u32;
  fullHeads: u32;
  /** The first position that has no row of a table of positions; 0: there is no such table. */
  positionCount: u32;
  ropeCount: u32;
  /** Bits: what can be tapped (Tap), and what this program is tapped for. */
  taps: u32;
  /** What sessions tell models apart by. */
  shapeHash: u64;
  layers: usize;
  kinds: usize;
  values: usize;
  steps: usize;
  states: usize;
  ropes: usize;

  layer(index: u32): Layer {
    return changetype<Layer>(this.layers + <usize>index * offsetof<Layer>());
  }

  kind(index: u32): Kind {
    return changetype<Kind>(this.kinds + <usize>index * offsetof<Kind>());
  }

  @inline
  value(index: u32): Value {
    return changetype<Value>(this.values + <usize>index * offsetof<Value>());
  }

  @inline
  step(index: u32): Step {
    return changetype<Step>(this.steps + <usize>index * offsetof<Step>());
  }

  state(index: u32): StateShape {
    return changetype<StateShape>(this.states + <usize>index * offsetof<StateShape>());
  }

  rope(index: u32): Rope {
    return changetype<Rope>(this.ropes + <usize>index * offsetof<Rope>());
  }

  /** The weight that a step of a layer names. */
  @inline
  weight(layer: u32, place: u32): Weight {
    if (place & Place.SHARED) return this.weights.at(place & ~Place.SHARED);
    return this.weights.at(this.layer(layer).firstWeight + place);
  }
}
