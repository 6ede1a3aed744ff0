/**
 * What encoders share: their input, attention of a text's tokens to each other, and what becomes of the last layer's
 * rows: vectors of texts, or the scores of a classifier.
 */
import { keys, queries, turned, values } from "./blocks";
import { HyperParameters, readDecoder, readHeads, readLayerNormDecoder, readWidths } from "./hyper_parameters";
import { Bias, Builder, NOTHING, Pooling, StateKind, WIDTH_LIMIT } from "../program/builder";

/** What encoders with LayerNorms have. */
export function readEncoder(b: Builder): HyperParameters {
  seesAll(b);
  return readLayerNormDecoder(b);
}

/** The same with RMSNorms. */
export function readRmsEncoder(b: Builder): HyperParameters {
  seesAll(b);
  return readDecoder(b);
}

/** A token of an encoder sees all of its text. */
function seesAll(b: Builder): void {
  if (b.flag(".attention.causal", false)) b.unsupported("attention.causal is true: an encoder's tokens see all");
}

/** Layer `l` begins, which keeps nothing. */
export function beginEncoder(b: Builder, h: HyperParameters, l: u32): void {
  readHeads(b, h, l);
  readWidths(b, h, l);
  b.layer(l, StateKind.NONE);
}

/** The rows of tokens, and of the part of a pair that they stand in, where the file tells parts apart. */
export function tokensAndParts(b: Builder): u32 {
  const x = b.rowsOf("token_embd", b.hidden);
  return b.hasWeight("token_types") ? b.add(x, b.parts("token_types", b.hidden)) : x;
}

/** LayerNorm of what stands before the layers: the stream begins. */
export function beginNormed(b: Builder, x: u32): u32 {
  return b.begin(b.layerNorm(x, "token_embd_norm", Bias.OPTIONAL));
}

/**
 * Wo · softmax(q kᵀ · scale + bias) v over a text, of which a token sees what is at most `reach` away, 0: all.
 * Positions turn q and k as the layer at work has it, and a bias may say the distance (`b.alibi`).
 */
export function textAttention(b: Builder, h: HyperParameters, x: u32, reach: u32 = 0, bias: u32 = 0xffff_ffff): u32 {
  const q = normedRow(b, queries(b, h, x, Bias.OPTIONAL), "attn_q_norm");
  const k = normedRow(b, keys(b, h, x, Bias.OPTIONAL), "attn_k_norm");
  return attendText(b, h, q, k, values(b, h, x, Bias.OPTIONAL), reach, bias);
}

/** The same of q, k and v. */
export function attendText(b: Builder, h: HyperParameters, q: u32, k: u32, v: u32, reach: u32, bias: u32): u32 {
  const turnedQ = turned(b, h, q, h.heads, 0);
  const turnedK = turned(b, h, k, h.kvHeads, 0);
  const mixed = b.attentionWithin(turnedQ, turnedK, v, h.heads, h.kvHeads, h.scale, reach, bias);
  return b.linear(mixed, "attn_output", b.hidden);
}

/** LayerNorm of whole rows, where the file has it. */
function normedRow(b: Builder, x: u32, name: string): u32 {
  return b.hasWeight(name) ? b.layerNorm(x, name) : x;
}

/** Wdown · f(Wup x + bup) + bdown, or with a gate Wdown · (f(Wgate x) ⊙ Wup x). */
export function encoderFeedForward(b: Builder, h: HyperParameters, x: u32, activation: u32): u32 {
  const up = b.linear(x, "ffn_up", h.ffn);
  const made = b.hasWeight("ffn_gate")
    ? b.activation(activation, b.linear(x, "ffn_gate", h.ffn), up)
    : b.activation(activation, up);
  return b.linear(made, "ffn_down", b.hidden);
}

/** The same, Wgate and Wup lying in one matrix, `ffn_up`: Wgate first. */
export function fusedFeedForward(b: Builder, h: HyperParameters, x: u32, activation: u32): u32 {
  const gate = b.linearRows(x, "ffn_up", 0, h.ffn, 2 * h.ffn);
  const up = b.linearRows(x, "ffn_up", h.ffn, h.ffn, 2 * h.ffn);
  return b.linear(b.activation(activation, gate, up), "ffn_down", b.hidden);
}

/**
 * The vectors of texts out of the last rows: pooled as the file says, or by `otherwise`, then linear maps where the
 * file has them (EmbeddingGemma's two). A file that ranks pools by `ranked`, and a classifier gives scores.
 */
export function textVectors(b: Builder, x: u32, otherwise: u32, ranked: u32, activation: u32 = 0xffff_ffff): void {
  const pooling = b.countOr(".pooling_type", otherwise, 0, Pooling.COUNT - 1);
  let v = b.pool(x, pooling, ranked);
  if (pooling == Pooling.RANK) v = scores(b, v, activation);
  else if (b.hasWeight("dense_2")) {
    v = b.linear(v, "dense_2", b.countOr(".dense_2_feat_out", b.hidden, 1, WIDTH_LIMIT));
    if (b.hasWeight("dense_3")) v = b.linear(v, "dense_3", b.countOr(".dense_3_feat_out", b.hidden, 1, WIDTH_LIMIT));
  }
  b.vectors = v;
}

/**
 * The classifier of a model that ranks: tanh(Wcls v), a norm and the scores, each where the file has it; ModernBERT has
 * gelu for tanh.
 */
export function scores(b: Builder, x: u32, activation: u32 = 0xffff_ffff): u32 {
  const labels = b.rowsIn("cls.output", 1);
  let v = x;
  if (b.hasWeight("cls")) {
    // Without an output of its own the one row of this is the score (jina-reranker-v1).
    const made = b.linear(x, "cls", b.hasWeight("cls.output") ? b.hidden : 1);
    v = activation == NOTHING ? b.softcap(made, 1) : b.activation(activation, made);
  }
  if (b.hasWeight("cls.norm")) v = b.layerNorm(v, "cls.norm", Bias.OPTIONAL);
  return b.hasWeight("cls.output") ? b.linear(v, "cls.output", labels) : v;
}
