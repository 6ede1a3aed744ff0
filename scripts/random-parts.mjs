/**
 * What papers share, as tensors of random weights: the halves of a decoder's block.
 *
 * Standard deviations are chosen so that the numbers inside behave as in a trained model: matrices keep a unit-RMS input
 * at unit RMS, queries are twice as large (attention is not flat), each layer's contribution is larger than the
 * embedding (so that a tied head does not merely repeat its input), and the logits have a deviation near 1.
 */

/** @typedef {import("./random-models.mjs").Weights} Weights */

/**
 * Queries, keys and values of heads in groups (llama). With `norms` each head of q and k is normed, by weights around
 * `mean`, with `rowNorms` the whole row of each; without `norm` none stands before. @param {Weights} w
 * @param {{ biases?: boolean, norms?: boolean, rowNorms?: boolean, norm?: boolean, mean?: number }} [more]
 */
export function groupedAttention(w, more = {}) {
  const { biases = false, norms = false, rowNorms = false, norm = true, mean = 1 } = more;
  const { hidden, heads } = w.shape;
  const { headSize, kvHeads } = w;
  const bias = (/** @type {string} */ name, /** @type {number} */ size) => {
    if (biases) w.add(`${name}.bias`, [size], "F32", 0.5);
  };
  if (norm) w.norm("attn_norm.weight", hidden);
  w.matrix("attn_q.weight", hidden, heads * headSize, 2 * w.unit);
  bias("attn_q", heads * headSize);
  w.matrix("attn_k.weight", hidden, kvHeads * headSize, w.unit);
  bias("attn_k", kvHeads * headSize);
  w.matrix("attn_v.weight", hidden, kvHeads * headSize, w.unit, w.sensitive);
  bias("attn_v", kvHeads * headSize);
  if (norms || rowNorms) {
    w.add("attn_q_norm.weight", [rowNorms ? heads * headSize : headSize], "F32", 0.1, mean);
    w.add("attn_k_norm.weight", [rowNorms ? kvHeads * headSize : headSize], "F32", 0.1, mean);
  }
  w.matrix("attn_output.weight", heads * headSize, hidden, (2 * w.added) / Math.sqrt(heads * headSize));
}

/**
 * As `groupedAttention`, with queries, keys and values in one matrix (phi3). @param {Weights} w
 * @param {{ biases?: boolean, norm?: boolean }} [more]
 */
export function fusedAttention(w, { biases = false, norm = true } = {}) {
  const { hidden, heads } = w.shape;
  const { headSize, kvHeads } = w;
  const rows = (heads + 2 * kvHeads) * headSize;
  if (norm) w.norm("attn_norm.weight", hidden);
  w.matrix("attn_qkv.weight", hidden, rows, 1.4 * w.unit);
  if (biases) w.add("attn_qkv.bias", [rows], "F32", 0.5);
  w.matrix("attn_output.weight", heads * headSize, hidden, (2 * w.added) / Math.sqrt(heads * headSize));
}

/** Queries, keys and values in one matrix, behind a LayerNorm, with biases everywhere (gpt2). @param {Weights} w */
export function biasedAttention(w) {
  const { hidden, heads } = w.shape;
  const rows = (heads + 2 * w.kvHeads) * w.headSize;
  layerNorm(w, "attn_norm");
  w.matrix("attn_qkv.weight", hidden, rows, 1.5 * w.unit, w.sensitive);
  w.add("attn_qkv.bias", [rows], "F32", 0.5);
  w.matrix("attn_output.weight", heads * w.headSize, hidden, (2 * w.added) / Math.sqrt(heads * w.headSize));
  w.add("attn_output.bias", [hidden], "F32", w.added);
}

/** A LayerNorm with its bias. @param {Weights} w @param {string} name */
export function layerNorm(w, name) {
  w.norm(`${name}.weight`, w.shape.hidden);
  w.add(`${name}.bias`, [w.shape.hidden], "F32", 0.5);
}

/**
 * Multi-head latent attention with a query of full rank (plm), or of `queryRank`; `split`: keys and values of each head
 * are made by matrices of their own (deepseek2). @param {Weights} w @param {{ split?: boolean }} [more]
 */
export function latentAttention(w, { split = false } = {}) {
  const { hidden, heads, nope = 0, rope = 0, value = 0, rank = 0, queryRank = 0 } = w.shape;
  w.norm("attn_norm.weight", hidden);
  if (queryRank) {
    w.matrix("attn_q_a.weight", hidden, queryRank, w.unit);
    w.norm("attn_q_a_norm.weight", queryRank);
    w.matrix("attn_q_b.weight", queryRank, heads * (nope + rope), 2 / Math.sqrt(queryRank));
  } else w.matrix("attn_q.weight", hidden, heads * (nope + rope), 2 * w.unit);
  w.matrix("attn_kv_a_mqa.weight", hidden, rank + rope, w.unit);
  w.norm("attn_kv_a_norm.weight", rank);
  if (split) {
    w.slabs("attn_k_b.weight", nope, rank, heads, 1 / Math.sqrt(rank));
    w.slabs("attn_v_b.weight", rank, value, heads, 1 / Math.sqrt(rank));
  } else w.matrix("attn_kv_b.weight", rank, heads * (nope + value), 1 / Math.sqrt(rank));
  w.matrix("attn_output.weight", heads * value, hidden, (2 * w.added) / Math.sqrt(heads * value));
  w.keepConstant();
}

/** silu(gate) · up (llama). @param {Weights} w @param {{ norm?: boolean }} [more] */
export function gatedFeedForward(w, { norm = true } = {}) {
  const { hidden, ffn } = w.shape;
  if (norm) w.norm("ffn_norm.weight", hidden);
  w.matrix("ffn_gate.weight", hidden, ffn, w.unit);
  w.matrix("ffn_up.weight", hidden, ffn, w.unit);
  w.matrix("ffn_down.weight", ffn, hidden, w.added / (0.6 * Math.sqrt(ffn)), w.sensitive); // RMS of silu(x)·y
}

/** As `gatedFeedForward`, with gate and up in one matrix (phi3). @param {Weights} w */
export function fusedFeedForward(w) {
  const { hidden, ffn } = w.shape;
  w.norm("ffn_norm.weight", hidden);
  w.matrix("ffn_up.weight", hidden, 2 * ffn, w.unit);
  w.matrix("ffn_down.weight", ffn, hidden, w.added / (0.6 * Math.sqrt(ffn)), w.sensitive);
}

/** xIELU(up) (apertus). @param {Weights} w */
export function xieluFeedForward(w) {
  const { hidden, ffn } = w.shape;
  w.norm("ffn_norm.weight", hidden);
  w.matrix("ffn_up.weight", hidden, ffn, w.unit);
  w.matrix("ffn_down.weight", ffn, hidden, w.added / (2 * Math.sqrt(ffn)), w.sensitive); // RMS of xIELU(x)
}

/** Norms behind both halves of a block (gemma2). @param {Weights} w */
export function normsBehind(w) {
  w.norm("post_attention_norm.weight", w.shape.hidden);
  w.norm("post_ffw_norm.weight", w.shape.hidden);
}

/** A shared expert of silu(gate) · up (qwen2moe, granitemoe, deepseek2). @param {Weights} w */
export function sharedExpert(w) {
  const { hidden, sharedWidth = 0 } = w.shape;
  w.matrix("ffn_gate_shexp.weight", hidden, sharedWidth, w.unit);
  w.matrix("ffn_up_shexp.weight", hidden, sharedWidth, w.unit);
  w.matrix("ffn_down_shexp.weight", sharedWidth, hidden, w.added / (0.6 * Math.sqrt(sharedWidth)), w.sensitive);
}

/** Experts of silu(gate) · up (qwen3moe). @param {Weights} w @param {{ norm?: boolean, router?: boolean }} [more] */
export function gatedExperts(w, { norm = true, router = true } = {}) {
  const { hidden, expertWidth = 0, experts = 0 } = w.shape;
  if (norm) w.norm("ffn_norm.weight", hidden);
  if (router) w.add("ffn_gate_inp.weight", [hidden, experts], "F32", 2 * w.unit);
  w.experts("ffn_gate_exps.weight", hidden, expertWidth, w.unit);
  w.experts("ffn_up_exps.weight", hidden, expertWidth, w.unit);
  w.experts("ffn_down_exps.weight", expertWidth, hidden, w.added / (0.6 * Math.sqrt(expertWidth)), w.sensitive);
}

/** relu(up)² (plm). @param {Weights} w */
export function reluSquaredFeedForward(w) {
  const { hidden, ffn } = w.shape;
  w.norm("ffn_norm.weight", hidden);
  w.matrix("ffn_up.weight", hidden, ffn, w.unit);
  w.meetConstant();
  w.matrix("ffn_down.weight", ffn, hidden, w.added / (w.reluSquareRms * Math.sqrt(ffn)), w.sensitive);
  w.keepConstant();
}

/** gelu(up), with biases and without a norm of its own (phi2). @param {Weights} w @param {{ biases?: boolean }} [more] */
export function geluFeedForward(w, { biases = true } = {}) {
  const { hidden, ffn } = w.shape;
  w.matrix("ffn_up.weight", hidden, ffn, w.unit);
  if (biases) w.add("ffn_up.bias", [ffn], "F32", 0.5);
  w.matrix("ffn_down.weight", ffn, hidden, w.added / (0.7 * Math.sqrt(ffn)), w.sensitive); // RMS of gelu(x)
  if (biases) w.add("ffn_down.bias", [hidden], "F32", w.added);
}

/** What models of LayerNorms have behind their layers beside the norm's weight. @param {Weights} w */
export function outputNormBias(w) {
  w.add("output_norm.bias", [w.shape.hidden], "F32", 0.5);
}
