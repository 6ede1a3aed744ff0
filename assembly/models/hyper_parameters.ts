/**
 * Hyper-parameters that architectures share: what is read from the metadata, and within which bounds it makes sense.
 * The bounds keep every product of sizes within 64 bits, and hostile files from asking for the moon.
 */
import { localRope, readRope } from "./rope";
import { HAS_DISTANCE_BIAS } from "../parts";
import { Builder, LAYER_LIMIT, NOTHING, StateKind, WIDTH_LIMIT } from "../program/builder";

const HEAD_LIMIT: u32 = 4096;
export const HEAD_SIZE_LIMIT: u32 = 65536;
const CHUNK_LIMIT: u32 = 1 << 15;
/** Bits of a code: with the chunks above, the rows of a table stay below 2³². */
const CODE_LIMIT: u32 = 16;

/**
 * What decoders have: they lie in the Builder's own memory. Heads and the feed-forward width are those of the layer at
 * work (`beginLayer`): a file may have a list of them.
 */
@unmanaged
export class HyperParameters {
  heads: u32;
  kvHeads: u32;
  /** Elements of a head's query and key, and of its value. */
  keySize: u32;
  valueSize: u32;
  /** Dimensions of a head that RoPE turns. */
  ropeSize: u32;
  /** How the layer at work turns positions (NOTHING: not at all), and the ropes of the model: all, local layers. */
  turn: u32;
  rope: u32;
  localRope: u32;
  /** Tokens that a token sees in layers with a window, 0: there is none. */
  window: u32;
  /** Every so many layers one has no window; 0: the file says which. */
  pattern: u32;
  /** Scores are capped by it, unless it is 0. */
  cap: f32;
  /** A value that is added to scores (`b.alibi`), or NOTHING. */
  bias: u32;
  /** q, k and v are held between ± this, unless it is 0. */
  clamp: f32;
  /** Width of the feed-forward network. */
  ffn: u32;
  /** What scores are multiplied with. */
  scale: f32;
  /** Queries grow with their position (`b.scaleByPosition`): by how much, and every how many tokens. */
  growth: f32;
  growthLength: u32;
  /** What the embeddings and each branch of a layer are multiplied with, and what the logits are divided by. */
  embeddingScale: f32;
  branchScale: f32;
  logitDivisor: f32;
  /** Experts: how many, how many a token goes to, their width; how they are chosen (models/experts.ts). */
  experts: u32;
  used: u32;
  expertWidth: u32;
  gating: u32;
  normalised: bool;
  expertFactor: f32;
  /** Groups that the experts stand in, and how many of them a token uses. */
  groups: u32;
  usedGroups: u32;
  /** MLA: width of the latent, and of the one that queries are made of; 0: queries are made of the input. */
  rank: u32;
  queryRank: u32;
  /**
   * Convolutions: tokens that one sees. State space models: the inner width, values of a channel's state, the rank of
   * Δ or the number of heads, and groups of heads.
   */
  taps: u32;
  inner: u32;
  stateSize: u32;
  timeRank: u32;
  stateGroups: u32;
  /** Memory layers: chunks that an input is split into, bits of a chunk's code, and of one between the two tables. */
  chunks: u32;
  codeBits: u32;
  ffnCodeBits: u32;
  /**
   * How sure a code is (kernels/lookup/codes.ts): the rule, 0 score or 1 prob, its temperature; whether zero gives
   * the bit 1.
   */
  weightRule: u32;
  temperature: f32;
  zeroIsOne: bool;
}

/** What decoders with RMSNorms and a dense feed-forward network have. */
export function readDecoder(b: Builder): HyperParameters {
  const h = readDecoderAt(b, 0);
  readWidths(b, h, 0);
  return h;
}

/** The same with LayerNorms. */
export function readLayerNormDecoder(b: Builder): HyperParameters {
  b.need(".feed_forward_length");
  b.need(".attention.layer_norm_epsilon");
  const h = readAttention(b);
  readLayerEpsilon(b);
  readWidths(b, h, 0);
  return h;
}

/** A decoder of RMSNorms (`isRoot`), or of LayerNorms. */
export function readDecoderOf(b: Builder, isRoot: bool): HyperParameters {
  return isRoot ? readDecoder(b) : readLayerNormDecoder(b);
}

/** As `readDecoder` where layers may have neither heads nor a feed-forward network: heads are those of layer `l`. */
export function readDecoderAt(b: Builder, l: u32): HyperParameters {
  b.need(".feed_forward_length");
  b.need(".attention.layer_norm_rms_epsilon");
  return readAttention(b, l);
}

/** Heads of layer `l`, 0: it has none. */
export function headsOf(b: Builder, l: u32): u32 {
  return b.countIn(".attention.head_count", l, 0, 0, HEAD_LIMIT);
}

/** Heads of keys of layer `l`, 0: it has none. */
export function keyHeadsOf(b: Builder, l: u32): u32 {
  const heads = headsOf(b, l);
  return b.countIn(".attention.head_count_kv", l, heads, 0, heads);
}

/** The feed-forward width of layer `l`, 0: it has no such network. */
export function widthOf(b: Builder, l: u32): u32 {
  return b.countIn(".feed_forward_length", l, 0, 0, WIDTH_LIMIT);
}

/** Layer `l` begins, which keeps keys and values; its numbers of heads and its feed-forward width are read. */
export function beginLayer(b: Builder, h: HyperParameters, l: u32, window: u32 = 0): void {
  beginAttention(b, h, l, window);
  readWidths(b, h, l);
}

/** As `beginLayer`, in a layer that may have no feed-forward network. */
export function beginAttention(b: Builder, h: HyperParameters, l: u32, window: u32 = 0): void {
  readHeads(b, h, l);
  h.turn = window ? h.localRope : h.rope;
  b.layer(l, StateKind.KEY_VALUE, h.kvHeads, h.keySize, h.valueSize, window);
}

export function readWidths(b: Builder, h: HyperParameters, l: u32): void {
  h.ffn = b.countIn(".feed_forward_length", l, 0, 1, WIDTH_LIMIT);
}

export function readHeads(b: Builder, h: HyperParameters, l: u32): void {
  h.heads = b.countIn(".attention.head_count", l, 0, 1, HEAD_LIMIT);
  h.kvHeads = b.countIn(".attention.head_count_kv", l, h.heads, 1, h.heads);
  if (h.heads % h.kvHeads != 0) {
    b.broken("attention.head_count is no multiple of attention.head_count_kv; convert the model anew");
  }
  b.fullHeads = max(b.fullHeads, h.heads);
  // Each is at most 2²⁸ so far: their products with the heads are matrices' sides too.
  b.within(".attention.key_length times the heads", h.heads * h.keySize, 1, WIDTH_LIMIT);
  b.within(".attention.value_length times the heads", h.heads * h.valueSize, 1, WIDTH_LIMIT);
}

/**
 * What decoders with local layers have: the window, and which layers have one: every `pattern`-th has none, where the
 * file does not say. The window is `otherwise` where the file has none, and 0 is none.
 */
export function readWindows(b: Builder, h: HyperParameters, pattern: u32, otherwise: u32): void {
  h.window = b.countOr(".attention.sliding_window", otherwise, 0, 1 << 30);
  const key = ".attention.sliding_window_pattern";
  h.pattern = b.isList(key) ? 0 : b.countOr(key, pattern, 0, LAYER_LIMIT);
}

/** Layers with a window turn by a base of their own, `otherwise` where the file has none, and without scaling. */
export function readLocalRope(b: Builder, h: HyperParameters, otherwise: f32): void {
  h.localRope = localRope(b, h.ropeSize, otherwise);
}

/** The window of layer `l`, 0: it sees all. */
export function windowOf(b: Builder, h: HyperParameters, l: u32): u32 {
  if (b.isList(".attention.sliding_window_pattern")) {
    return b.flagIn(".attention.sliding_window_pattern", l, false) ? h.window : 0;
  }
  return h.pattern == 0 || l % h.pattern < h.pattern - 1 ? h.window : 0;
}

/** As `windowOf`, where the first of every `pattern` layers sees all, and not the last. */
export function windowBehindFirst(b: Builder, h: HyperParameters, l: u32): u32 {
  return h.pattern == 0 ? windowOf(b, h, l) : l % h.pattern == 0 ? 0 : h.window;
}

/** What every model has: layers, the context, the width of the residual stream, ε of RMSNorm. */
export function readStream(b: Builder): HyperParameters {
  b.layers = b.count(".block_count", 1, LAYER_LIMIT);
  b.contextLength = b.count(".context_length", 1, 1 << 30);
  b.hidden = b.count(".embedding_length", 1, WIDTH_LIMIT);
  b.epsilon = b.float(".attention.layer_norm_rms_epsilon", 0);
  if (!(b.epsilon >= 0 && b.epsilon < 1)) {
    b.broken("attention.layer_norm_rms_epsilon must lie between 0 and 1; convert the model anew");
  }
  const h = changetype<HyperParameters>(b.numbers);
  // A file that is refused is read to its end, and may have experts of which it says nothing: this divides widths.
  h.used = 1;
  return h;
}

/** What every decoder has beside it: heads, RoPE, the scale of scores. */
function readAttention(b: Builder, l: u32 = 0): HyperParameters {
  const h = readStream(b);
  b.need(".attention.head_count");
  const heads = b.countIn(".attention.head_count", l, 0, 1, HEAD_LIMIT);
  h.keySize = b.countOr(".attention.key_length", b.hidden / heads, 1, HEAD_SIZE_LIMIT);
  h.valueSize = b.countOr(".attention.value_length", h.keySize, 1, HEAD_SIZE_LIMIT);
  readHeads(b, h, l);
  h.ropeSize = b.countOr(".rope.dimension_count", h.keySize, 2, h.keySize);
  if (h.ropeSize & 1) {
    b.broken("rope.dimension_count is odd: RoPE turns pairs; convert the model anew");
  }
  h.rope = readRope(b, h.ropeSize);
  h.localRope = h.rope;
  h.turn = h.rope;
  if (HAS_DISTANCE_BIAS) h.bias = NOTHING;
  h.scale = b.float(".attention.scale", 0);
  if (h.scale == 0) h.scale = <f32>(1.0 / sqrt<f64>(<f64>h.keySize));
  b.fullKeys = h.keySize;
  b.fullValues = h.valueSize;
  return h;
}

/** What scores are multiplied with where the architecture says it: a file that says otherwise is of another one. */
export function setScale(b: Builder, h: HyperParameters, scale: f32): void {
  const given = b.float(".attention.scale", 0);
  if (given != 0 && abs(given - scale) > f32.EPSILON * scale) {
    b.unsupported("attention.scale is another than the architecture's own, and limpet knows no other for it");
  }
  h.scale = scale;
}

/** Keys and values have so many heads, and values are as wide as keys. */
export function requireHeads(b: Builder, h: HyperParameters, kvHeads: u32): void {
  if (h.kvHeads != kvHeads || h.valueSize != h.keySize) {
    b.unsupported("attention.head_count_kv or attention.value_length: limpet knows no such heads of this architecture");
  }
}

/** What multi-head latent attention adds: the rank. */
export function readLatent(b: Builder, h: HyperParameters): void {
  h.rank = b.count(".attention.kv_lora_rank", 1, HEAD_SIZE_LIMIT);
  if (h.ropeSize >= h.keySize) {
    b.broken("attention.key_length must be above rope.dimension_count; convert the model anew");
  }
}

/** What scales the embeddings, each branch of a layer, and the logits, which are divided; 0: it does not. */
export function readScales(b: Builder, h: HyperParameters, embedding: f32, branch: f32, logits: f32): void {
  h.embeddingScale = oneForNone(b.float(".embedding_scale", embedding));
  h.branchScale = oneForNone(b.float(".residual_scale", branch));
  h.logitDivisor = b.float(".logit_scale", logits);
  if (!(h.logitDivisor > 0)) b.broken("logit_scale must be above 0: logits are divided by it; convert the model anew");
}

@inline
function oneForNone(scale: f32): f32 {
  return scale == 0 ? 1 : scale;
}

/** The ε of LayerNorm. */
export function readLayerEpsilon(b: Builder): void {
  b.layerEpsilon = b.float(".attention.layer_norm_epsilon", 1e-5);
  if (!(b.layerEpsilon >= 0 && b.layerEpsilon < 1)) {
    b.broken("attention.layer_norm_epsilon must lie between 0 and 1; convert the model anew");
  }
}

/** What logits are multiplied with. */
export function readLogitScale(b: Builder): f32 {
  const scale = b.float(".logit_scale", 1);
  return scale == 0 ? 1 : scale;
}

/**
 * What a decoder of memory layers has instead of a feed-forward width: chunks and the bits of their codes. All chunks
 * together are a row of the residual stream, or one between the two tables of the feed-forward network.
 */
export function readMemory(b: Builder): HyperParameters {
  const h = readAttention(b);
  h.chunks = b.count(".memory.table_count", 1, CHUNK_LIMIT);
  h.codeBits = b.count(".memory.code_length", 1, CODE_LIMIT);
  h.ffnCodeBits = b.countOr(".memory.ffn_code_length", h.codeBits + 2, 1, CODE_LIMIT);
  h.temperature = b.float(".memory.temperature", 1);
  h.zeroIsOne = b.flag(".memory.zero_sign", true);
  b.epsilonOutside = b.flag(".attention.rms_epsilon_outside", true) ? 1 : 0;
  const shared = b.flag(".memory.shared_hash", true);
  readLayerEpsilon(b);
  h.weightRule = b.choice(".memory.weight_rule", "score", "prob");
  if (h.chunks * h.codeBits != b.hidden) {
    b.broken(
      "memory.table_count {} times memory.code_length {} must be embedding_length, which is {}; convert the model anew",
      h.chunks, h.codeBits, b.hidden,
    );
  }
  if (h.heads * h.valueSize != b.hidden) {
    b.broken("the heads' values together must be embedding_length wide: nothing projects them; convert the model anew");
  }
  if (!shared) {
    b.unsupported("memory.shared_hash is false: limpet runs models whose q, k and v share one hash");
  }
  if (!(h.temperature > 0)) {
    b.broken("memory.temperature must be above 0; convert the model anew");
  }
  h.ffn = h.chunks * h.ffnCodeBits;
  return h;
}

/** Positions are distances (`b.alibi`): slopes fall to 2^−most, and nothing turns. 0: scores have no bias either. */
export function replaceRopeByAlibi(b: Builder, h: HyperParameters, most: f32): void {
  h.rope = NOTHING;
  if (most > 0) h.bias = b.alibi(h.heads, most);
}

/** What q, k and v are clamped to. */
export function readClamp(b: Builder, h: HyperParameters): void {
  h.clamp = b.float(".attention.clamp_kqv", 0);
  if (!(h.clamp >= 0)) b.broken("attention.clamp_kqv must be 0 or above; convert the model anew");
}
