/**
 * Hyper-parameters and tensors that the architectures share: what is read from the metadata, and within which bounds it
 * makes sense. The bounds keep every product of sizes within 64 bits, and hostile files from asking for the moon.
 */
import { Core, ErrorCode, fail, say, sayBytes, sayNumber } from "../memory/core";
import { Global, Model, Want, declareGlobal } from "../engine/model";
import {
  Gguf, findKey, flagOr, floatOr, number, numberOr, sameWords, stringBytes, stringLength, textOr,
} from "../files/gguf";
import { WeightRule } from "../kernels/lookup/codes";

export const LAYER_LIMIT: u32 = 1024;
const WIDTH_LIMIT: u32 = 1 << 20;
const HEAD_LIMIT: u32 = 4096;
const CHUNK_LIMIT: u32 = 1 << 15;
/** Bits of a code: with the chunks above, the rows of a table stay below 2³². */
const CODE_LIMIT: u32 = 16;

/** Reads what decoders with a dense feed-forward network have. Status 0 or the error. */
export function readDecoder(m: Model): i32 {
  m.ffn = number(m.core, m.gguf, ".feed_forward_length");
  if (m.gguf.trouble) return m.gguf.trouble;
  const s = readAttention(m);
  return s ? s : within(m.core, ".feed_forward_length", m.ffn, 1, WIDTH_LIMIT);
}

/** Reads what every decoder has: layers, widths, heads, RoPE, ε. Status 0 or the error. */
function readAttention(m: Model): i32 {
  const core = m.core;
  const g = m.gguf;
  m.layers = number(core, g, ".block_count");
  m.contextLength = number(core, g, ".context_length");
  m.hidden = number(core, g, ".embedding_length");
  m.heads = number(core, g, ".attention.head_count");
  if (g.trouble) return g.trouble;
  m.kvHeads = numberOr(core, g, ".attention.head_count_kv", m.heads);
  let s = within(core, ".block_count", m.layers, 1, LAYER_LIMIT);
  if (!s) s = within(core, ".context_length", m.contextLength, 1, 1 << 30);
  if (!s) s = within(core, ".embedding_length", m.hidden, 1, WIDTH_LIMIT);
  if (!s) s = within(core, ".attention.head_count", m.heads, 1, HEAD_LIMIT);
  if (!s) s = within(core, ".attention.head_count_kv", m.kvHeads, 1, m.heads);
  if (s) return s;
  if (m.heads % m.kvHeads != 0) {
    return fail(
      core, ErrorCode.BAD_FILE,
      "attention.head_count is no multiple of attention.head_count_kv; convert the model anew",
    );
  }
  m.keySize = numberOr(core, g, ".attention.key_length", m.hidden / m.heads);
  m.valueSize = numberOr(core, g, ".attention.value_length", m.keySize);
  m.ropeSize = numberOr(core, g, ".rope.dimension_count", m.keySize);
  m.epsilon = floatOr(core, g, ".attention.layer_norm_rms_epsilon", 0);
  m.ropeBase = floatOr(core, g, ".rope.freq_base", 10000);
  if (g.trouble) return g.trouble;
  s = within(core, ".attention.key_length", m.keySize, 1, 65536);
  if (!s) s = within(core, ".attention.value_length", m.valueSize, 1, 65536);
  if (!s) s = within(core, ".rope.dimension_count", m.ropeSize, 2, m.keySize);
  // Each is at most 2²⁸ so far: their products with the heads are matrices' sides too.
  if (!s) s = within(core, ".attention.key_length times the heads", m.heads * m.keySize, 1, WIDTH_LIMIT);
  if (!s) s = within(core, ".attention.value_length times the heads", m.heads * m.valueSize, 1, WIDTH_LIMIT);
  if (s) return s;
  if (m.ropeSize & 1) {
    return fail(core, ErrorCode.BAD_FILE, "rope.dimension_count is odd: RoPE turns pairs; convert the model anew");
  }
  if (!(m.ropeBase > 0)) {
    return fail(core, ErrorCode.BAD_FILE, "rope.freq_base must be above 0; convert the model anew");
  }
  if (!(m.epsilon >= 0 && m.epsilon < 1)) {
    return fail(
      core, ErrorCode.BAD_FILE, "attention.layer_norm_rms_epsilon must lie between 0 and 1; convert the model anew",
    );
  }
  s = refuseScaling(core, g);
  m.attentionScale = floatOr(core, g, ".attention.scale", 0);
  if (m.attentionScale == 0) m.attentionScale = <f32>(1.0 / sqrt<f64>(<f64>m.keySize));
  m.rank = 0;
  m.rowValues = m.kvHeads * (m.keySize + m.valueSize);
  return s ? s : g.trouble;
}

/** Reads what multi-head latent attention adds: the rank, and rows of a latent and one rope key. */
export function readLatent(m: Model): i32 {
  const core = m.core;
  m.rank = number(core, m.gguf, ".attention.kv_lora_rank");
  if (m.gguf.trouble) return m.gguf.trouble;
  const s = within(core, ".attention.kv_lora_rank", m.rank, 1, 65536);
  if (s) return s;
  if (m.ropeSize >= m.keySize) {
    return fail(
      core, ErrorCode.BAD_FILE, "attention.key_length must be above rope.dimension_count; convert the model anew",
    );
  }
  m.rowValues = m.rank + m.ropeSize;
  return 0;
}

/**
 * Reads what a decoder of memory layers has instead of a feed-forward width: chunks and the bits of their codes. All
 * chunks together are a row of the residual stream, or one between the two tables of the feed-forward network.
 */
export function readMemory(m: Model): i32 {
  const core = m.core;
  const g = m.gguf;
  let s = readAttention(m);
  if (s) return s;
  m.chunks = number(core, g, ".memory.table_count");
  m.codeBits = number(core, g, ".memory.code_length");
  m.ffnCodeBits = numberOr(core, g, ".memory.ffn_code_length", m.codeBits + 2);
  m.temperature = floatOr(core, g, ".memory.temperature", 1);
  m.zeroIsOne = flagOr(core, g, ".memory.zero_sign", true) ? 1 : 0;
  m.epsilonOutside = flagOr(core, g, ".attention.rms_epsilon_outside", true) ? 1 : 0;
  const shared = flagOr(core, g, ".memory.shared_hash", true);
  m.layerEpsilon = floatOr(core, g, ".attention.layer_norm_epsilon", 1e-5);
  if (g.trouble) return g.trouble;
  s = within(core, ".memory.table_count", m.chunks, 1, CHUNK_LIMIT);
  if (!s) s = within(core, ".memory.code_length", m.codeBits, 1, CODE_LIMIT);
  if (!s) s = within(core, ".memory.ffn_code_length", m.ffnCodeBits, 1, CODE_LIMIT);
  if (!s) s = readRule(m);
  if (s) return s;
  if (m.chunks * m.codeBits != m.hidden) return badProduct(m);
  if (m.heads * m.valueSize != m.hidden) {
    return fail(
      core, ErrorCode.BAD_FILE,
      "the heads' values together must be embedding_length wide: nothing projects them; convert the model anew",
    );
  }
  if (!shared) {
    return fail(
      core, ErrorCode.UNSUPPORTED, "memory.shared_hash is false: limpet runs models whose q, k and v share one hash",
    );
  }
  if (!(m.temperature > 0)) {
    return fail(core, ErrorCode.BAD_FILE, "memory.temperature must be above 0; convert the model anew");
  }
  if (!(m.layerEpsilon >= 0 && m.layerEpsilon < 1)) {
    return fail(
      core, ErrorCode.BAD_FILE, "attention.layer_norm_epsilon must lie between 0 and 1; convert the model anew",
    );
  }
  m.ffn = m.chunks * m.ffnCodeBits;
  return 0;
}

/** memory.weight_rule: "score" where there is none. */
function readRule(m: Model): i32 {
  const core = m.core;
  const rule = textOr(core, m.gguf, ".memory.weight_rule");
  if (m.gguf.trouble) return m.gguf.trouble;
  m.weightRule = WeightRule.SCORE;
  if (rule == 0) return 0;
  const name = stringBytes(rule);
  const length = stringLength(rule);
  if (sameWords(name, length, "score")) return 0;
  m.weightRule = WeightRule.PROB;
  if (sameWords(name, length, "prob")) return 0;
  fail(core, ErrorCode.UNSUPPORTED, "memory.weight_rule is \"");
  sayBytes(core, name, length);
  say(core, "\"; limpet knows score and prob");
  return core.errorCode;
}

function badProduct(m: Model): i32 {
  const core = m.core;
  fail(core, ErrorCode.BAD_FILE, "memory.table_count ");
  sayNumber(core, m.chunks);
  say(core, " times memory.code_length ");
  sayNumber(core, m.codeBits);
  say(core, " must be embedding_length, which is ");
  sayNumber(core, m.hidden);
  say(core, "; convert the model anew");
  return core.errorCode;
}

/** Declares the tensors at both ends: embedding, last norm, head (tied when absent), RoPE's factors. */
export function declareEnds(m: Model): i32 {
  let s = declareGlobal(m, Global.EMBEDDING, "token_embd.weight", m.hidden, m.vocabulary, Want.MATRIX);
  if (!s) s = declareGlobal(m, Global.OUTPUT_NORM, "output_norm.weight", m.hidden, 1, Want.VECTOR);
  if (!s) s = declareGlobal(m, Global.OUTPUT, "output.weight", m.hidden, m.vocabulary, Want.MATRIX | Want.OPTIONAL);
  if (!s) {
    s = declareGlobal(m, Global.ROPE_FACTORS, "rope_freqs.weight", m.ropeSize >> 1, 1, Want.VECTOR | Want.OPTIONAL);
  }
  return s;
}

/** RoPE scaling by metadata (linear, YaRN) would give wrong answers unnoticed: it is refused by name. */
function refuseScaling(core: Core, g: Gguf): i32 {
  const factor = findKey(g, ".rope.scaling.factor");
  if (!factor) return 0;
  const value = floatOr(core, g, ".rope.scaling.factor", 1);
  if (g.trouble || value == 1 || value == 0) return g.trouble;
  return fail(
    core, ErrorCode.UNSUPPORTED,
    "the model scales RoPE by rope.scaling.factor, which limpet does not do yet (rope_freqs tensors it does)",
  );
}

/** An error unless low ≤ value ≤ high. */
function within(core: Core, key: string, value: u32, low: u32, high: u32): i32 {
  if (value >= low && value <= high) return 0;
  fail(core, ErrorCode.BAD_FILE, "the metadata's ");
  say(core, key);
  say(core, " is ");
  sayNumber(core, value);
  say(core, ", and must lie between ");
  sayNumber(core, low);
  say(core, " and ");
  sayNumber(core, high);
  say(core, "; convert the model anew");
  return core.errorCode;
}
