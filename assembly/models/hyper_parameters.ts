/**
 * Hyper-parameters that architectures share: what is read from the metadata, and within which bounds it makes sense.
 * The bounds keep every product of sizes within 64 bits, and hostile files from asking for the moon.
 */
import { Builder, LAYER_LIMIT, WIDTH_LIMIT } from "../program/builder";

const HEAD_LIMIT: u32 = 4096;
const HEAD_SIZE_LIMIT: u32 = 65536;
const CHUNK_LIMIT: u32 = 1 << 15;
/** Bits of a code: with the chunks above, the rows of a table stay below 2³². */
const CODE_LIMIT: u32 = 16;

/** What decoders have: they lie in the Builder's own memory. */
@unmanaged
export class HyperParameters {
  heads: u32;
  kvHeads: u32;
  /** Elements of a head's query and key, and of its value. */
  keySize: u32;
  valueSize: u32;
  /** Dimensions of a head that RoPE turns. */
  ropeSize: u32;
  /** Width of the feed-forward network. */
  ffn: u32;
  /** What scores are multiplied with. */
  scale: f32;
  /** MLA: width of the latent. */
  rank: u32;
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

/** What decoders with a dense feed-forward network have. */
export function readDecoder(b: Builder): HyperParameters {
  const ffn = b.number(".feed_forward_length");
  const h = readAttention(b);
  h.ffn = b.within(".feed_forward_length", ffn, 1, WIDTH_LIMIT);
  return h;
}

/** What every decoder has: layers, widths, heads, RoPE, ε. */
function readAttention(b: Builder): HyperParameters {
  const h = changetype<HyperParameters>(b.numbers);
  b.layers = b.count(".block_count", 1, LAYER_LIMIT);
  b.contextLength = b.count(".context_length", 1, 1 << 30);
  b.hidden = b.count(".embedding_length", 1, WIDTH_LIMIT);
  h.heads = b.count(".attention.head_count", 1, HEAD_LIMIT);
  h.kvHeads = b.countOr(".attention.head_count_kv", h.heads, 1, h.heads);
  if (h.heads % h.kvHeads != 0) {
    b.broken("attention.head_count is no multiple of attention.head_count_kv; convert the model anew");
  }
  h.keySize = b.countOr(".attention.key_length", b.hidden / h.heads, 1, HEAD_SIZE_LIMIT);
  h.valueSize = b.countOr(".attention.value_length", h.keySize, 1, HEAD_SIZE_LIMIT);
  h.ropeSize = b.countOr(".rope.dimension_count", h.keySize, 2, h.keySize);
  b.epsilon = b.float(".attention.layer_norm_rms_epsilon", 0);
  b.ropeBase = b.float(".rope.freq_base", 10000);
  // Each is at most 2²⁸ so far: their products with the heads are matrices' sides too.
  b.within(".attention.key_length times the heads", h.heads * h.keySize, 1, WIDTH_LIMIT);
  b.within(".attention.value_length times the heads", h.heads * h.valueSize, 1, WIDTH_LIMIT);
  if (h.ropeSize & 1) {
    b.broken("rope.dimension_count is odd: RoPE turns pairs; convert the model anew");
  }
  if (!(b.ropeBase > 0)) b.broken("rope.freq_base must be above 0; convert the model anew");
  if (!(b.epsilon >= 0 && b.epsilon < 1)) {
    b.broken("attention.layer_norm_rms_epsilon must lie between 0 and 1; convert the model anew");
  }
  refuseScaling(b);
  h.scale = b.float(".attention.scale", 0);
  if (h.scale == 0) h.scale = <f32>(1.0 / sqrt<f64>(<f64>h.keySize));
  b.fullHeads = h.heads;
  b.fullKeys = h.keySize;
  b.fullValues = h.valueSize;
  return h;
}

/** What multi-head latent attention adds: the rank. */
export function readLatent(b: Builder, h: HyperParameters): void {
  h.rank = b.count(".attention.kv_lora_rank", 1, HEAD_SIZE_LIMIT);
  if (h.ropeSize >= h.keySize) {
    b.broken("attention.key_length must be above rope.dimension_count; convert the model anew");
  }
}

/** The ε of LayerNorm. */
export function readLayerEpsilon(b: Builder): void {
  b.layerEpsilon = b.float(".attention.layer_norm_epsilon", 1e-5);
  if (!(b.layerEpsilon >= 0 && b.layerEpsilon < 1)) {
    b.broken("attention.layer_norm_epsilon must lie between 0 and 1; convert the model anew");
  }
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

/** RoPE scaling by metadata (linear, YaRN) would give wrong answers unnoticed: it is refused by name. */
function refuseScaling(b: Builder): void {
  if (!b.has(".rope.scaling.factor")) return;
  const value = b.float(".rope.scaling.factor", 1);
  if (value == 1 || value == 0) return;
  b.unsupported(
    "the model scales RoPE by rope.scaling.factor, which limpet does not do yet (rope_freqs tensors it does)",
  );
}
