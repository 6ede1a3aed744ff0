/**
 * Mixers that keep a recurrent state, as tensors of random weights, and the keys that say how large they are. Decays are
 * slow enough that a prompt of some tens of tokens matters to its end.
 */

/** @typedef {import("./random-models.mjs").Weights} Weights */
/** @typedef {import("./architectures.mjs").Shape} Shape */
/** @typedef {import("./vocabulary.mjs").Entry} Entry */
/** @typedef {import("./architectures.mjs").Checkpoint} Checkpoint */

/** A convolution over some tokens, and its bias. @param {Weights} w @param {number} width */
function convolution(w, width, bias = true) {
  w.add("ssm_conv1d.weight", [w.shape.taps ?? 0, width], "F32", 0.5);
  if (bias) w.add("ssm_conv1d.bias", [width], "F32", 0.3);
}

/** Mamba (mamba, jamba); with `norms` Δ, B and C have some. @param {Weights} w @param {{ norms?: boolean }} [more] */
export function mambaMixer(w, { norms = false } = {}) {
  const { hidden, inner = 0, stateSize = 0, timeRank = 0 } = w.shape;
  w.norm("attn_norm.weight", hidden);
  w.matrix("ssm_in.weight", hidden, 2 * inner, 2 * w.unit);
  convolution(w, inner);
  w.matrix("ssm_x.weight", inner, timeRank + 2 * stateSize, 2 / Math.sqrt(inner));
  w.matrix("ssm_dt.weight", timeRank, inner, 1 / Math.sqrt(timeRank));
  w.add("ssm_dt.bias", [inner], "F32", 0.5, -2);
  if (norms) {
    w.norm("ssm_dt_norm.weight", timeRank);
    w.norm("ssm_b_norm.weight", stateSize);
    w.norm("ssm_c_norm.weight", stateSize);
  }
  w.add("ssm_a", [stateSize, inner], "F32", 0.2, -1);
  w.add("ssm_d", [inner], "F32", 0.1, 1);
  w.matrix("ssm_out.weight", inner, hidden, (2 * w.added) / Math.sqrt(inner));
}

/** Mamba-2 (mamba2, falcon-h1, granitehybrid, nemotron_h). @param {Weights} w @param {{ norm?: boolean }} [more] */
export function dualMixer(w, { norm = true } = {}) {
  const { hidden, inner = 0, stateSize = 0, timeRank = 0, groups = 1 } = w.shape;
  const width = inner + 2 * groups * stateSize;
  if (norm) w.norm("attn_norm.weight", hidden);
  w.matrix("ssm_in.weight", hidden, inner + width + timeRank, w.unit);
  convolution(w, width);
  w.add("ssm_dt.bias", [timeRank], "F32", 0.5, -2);
  w.add("ssm_a", [1, timeRank], "F32", 0.2, -1);
  w.add("ssm_d", [1, timeRank], "F32", 0.1, 1);
  w.norm("ssm_norm.weight", inner / groups);
  w.tensors[w.tensors.length - 1].shape.push(groups);
  w.matrix("ssm_out.weight", inner, hidden, w.added / Math.sqrt(inner));
}

/** A gated delta net (qwen35), with `grouped` β and α in one matrix (qwen3next). @param {Weights} w @param {{ grouped?: boolean }} [more] */
export function deltaNet(w, { grouped = false } = {}) {
  const { hidden, stateSize = 0, timeRank = 0, groups = 1 } = w.shape;
  const width = (2 * groups + timeRank) * stateSize;
  w.norm("attn_norm.weight", hidden);
  w.matrix("attn_qkv.weight", hidden, width, w.unit);
  w.matrix("attn_gate.weight", hidden, timeRank * stateSize, w.unit);
  convolution(w, width, false);
  w.add("ssm_dt.bias", [timeRank], "F32", 0.5, -2);
  w.add("ssm_a", [timeRank], "F32", 0.2, -1);
  if (grouped) w.matrix("ssm_ba.weight", hidden, 2 * timeRank, w.unit);
  else {
    w.matrix("ssm_beta.weight", hidden, timeRank, w.unit);
    w.matrix("ssm_alpha.weight", hidden, timeRank, w.unit);
  }
  w.norm("ssm_norm.weight", stateSize);
  w.matrix("ssm_out.weight", timeRank * stateSize, hidden, (2 * w.added) / Math.sqrt(timeRank * stateSize));
}

/** Attention whose queries have gates beside them, head by head (qwen35). @param {Weights} w */
export function gatedAttention(w) {
  const { hidden, heads } = w.shape;
  const { headSize, kvHeads } = w;
  w.norm("attn_norm.weight", hidden);
  w.matrix("attn_q.weight", hidden, 2 * heads * headSize, 2 * w.unit);
  w.matrix("attn_k.weight", hidden, kvHeads * headSize, w.unit);
  w.matrix("attn_v.weight", hidden, kvHeads * headSize, w.unit, w.sensitive);
  w.norm("attn_q_norm.weight", headSize);
  w.norm("attn_k_norm.weight", headSize);
  w.matrix("attn_output.weight", heads * headSize, hidden, (4 * w.added) / Math.sqrt(heads * headSize));
}

/** LFM2's convolution. @param {Weights} w */
export function shortConvolution(w) {
  const { hidden, taps = 0 } = w.shape;
  w.norm("attn_norm.weight", hidden);
  w.matrix("shortconv.in_proj.weight", hidden, 3 * hidden, w.unit);
  w.add("shortconv.conv.weight", [taps, hidden], "F32", 0.6);
  w.matrix("shortconv.out_proj.weight", hidden, hidden, w.added * w.unit);
}

/** Keys of state space models, and of delta nets. @param {Shape} shape @returns {Entry[]} */
export function stateKeys({ taps = 0, inner = 0, stateSize = 0, timeRank = 0, groups }) {
  return [
    ["ssm.conv_kernel", "u32", taps],
    ["ssm.inner_size", "u32", inner],
    ["ssm.state_size", "u32", stateSize],
    ["ssm.time_step_rank", "u32", timeRank],
    ...(groups === undefined ? [] : /** @type {Entry[]} */ ([["ssm.group_count", "u32", groups]])),
  ];
}

/** Keys of a model without attention: there are no heads, and no feed-forward network. @param {Shape} shape @returns {Entry[]} */
export function streamKeys({ epsilon, vocabulary }) {
  return [
    ["feed_forward_length", "u32", 0],
    ["attention.head_count", "u32", 0],
    ["attention.layer_norm_rms_epsilon", "f32", epsilon],
    ["vocab_size", "u32", vocabulary],
  ];
}

/** The keys of a decoder, with heads of keys layer by layer. @param {Entry[]} keys @param {Shape} shape @returns {Entry[]} */
export const byLayer = (keys, { kvHeadsOf = [] }) =>
  keys.map(([name, type, value]) =>
    name === "attention.head_count_kv" ? [name, "i32[]", kvHeadsOf] : [name, type, value],
  );

/** The layer at work as parts see it that ask for heads of keys. @param {Weights} w */
export const layerOf = (w) => w.of({ kvHeads: w.shape.kvHeadsOf?.[w.layer] ?? 0 });

/** What a model of random weights calls its last norm. @param {Weights} w @param {string} name */
export function renameLastNorm(w, name) {
  const norm = w.tensors.find((tensor) => tensor.name === "output_norm.weight");
  if (norm) norm.name = name;
}

/**
 * How the tensors of state space models lie in checkpoints: a convolution's weights have a dimension of one in the middle,
 * and what stands in files by heads and groups lies flat. @type {NonNullable<Checkpoint["layout"]>}
 */
export function mixerLayout(name, key) {
  const placeOf = (/** @type {number} */ value) => value;
  const [inner, heads] = ["ssm.inner_size", "ssm.time_step_rank"].map(key);
  const groups = key("ssm.group_count");
  const width = inner + 2 * (groups ?? 0) * key("ssm.state_size");
  if (/ssm_conv1d\.weight/.test(name)) return { shape: [width, 1, key("ssm.conv_kernel")], placeOf };
  if (groups === undefined) return undefined;
  if (/ssm_[ad]$/.test(name)) return { shape: [heads], placeOf };
  return /ssm_norm/.test(name) ? { shape: [inner], placeOf } : undefined;
}

/** What checkpoints call the tensors of state space models, whose mixer is `from`. @param {string} from @param {string} layers */
export const mixerNames = (from, layers) =>
  /** @type {[RegExp, string][]} */ ([
    [/^blk\.(\d+)\.ssm_in/, `${layers}.$1.${from}.in_proj`],
    [/^blk\.(\d+)\.ssm_conv1d/, `${layers}.$1.${from}.conv1d`],
    [/^blk\.(\d+)\.ssm_x/, `${layers}.$1.${from}.x_proj`],
    [/^blk\.(\d+)\.ssm_a$/, `${layers}.$1.${from}.A_log`],
    [/^blk\.(\d+)\.ssm_d$/, `${layers}.$1.${from}.D`],
    [/^blk\.(\d+)\.ssm_(dt|b|c)_norm/, `${layers}.$1.${from}.$2_layernorm`],
    [/^blk\.(\d+)\.ssm_norm/, `${layers}.$1.${from}.norm`],
    [/^blk\.(\d+)\.ssm_out/, `${layers}.$1.${from}.out_proj`],
  ]);

/** What Mamba-2's own Δ is called, and Mamba's. */
export const dualStep = (/** @type {string} */ from, /** @type {string} */ layers) =>
  /** @type {[RegExp, string]} */ ([/^blk\.(\d+)\.ssm_dt\.bias/, `${layers}.$1.${from}.dt_bias`]);
export const plainStep = (/** @type {string} */ from, /** @type {string} */ layers) =>
  /** @type {[RegExp, string]} */ ([/^blk\.(\d+)\.ssm_dt/, `${layers}.$1.${from}.dt_proj`]);

/** Mamba-2's sizes in a hybrid's config. @type {Checkpoint["config"]} */
export const dualConfig = (key) => ({
  mamba_d_ssm: key("ssm.inner_size"),
  mamba_expand: key("ssm.inner_size") / key("embedding_length"),
  mamba_n_heads: key("ssm.time_step_rank"),
  mamba_d_head: key("ssm.inner_size") / key("ssm.time_step_rank"),
  mamba_d_state: key("ssm.state_size"),
  mamba_d_conv: key("ssm.conv_kernel"),
  mamba_n_groups: key("ssm.group_count"),
  mamba_conv_bias: true,
  mamba_proj_bias: false,
});

/** Of each layer whether it attends. @param {(name: string) => any} key @param {string} attends @param {string} other */
export const layerWords = (key, attends, other) =>
  key("attention.head_count_kv").map((/** @type {number} */ count) => (count > 0 ? attends : other));

/** The heads of keys of the layers that attend. @param {(name: string) => any} key @returns {number} */
export const keyHeads = (key) => Math.max(...key("attention.head_count_kv"));
