/**
 * t5: T5 (Raffel et al. 2019, arXiv:1910.10683), Flan-T5, mT5, UMT5; t5encoder: the encoder alone, which makes vectors.
 * The encoder reads a source; the decoder attends to its own tokens and to the encoder's rows. Scores are not scaled,
 * and have a bias by distance in place of positions.
 *
 *     encoder   x += Wo Attention(RMSNorm(x))
 *     decoder   y += Wo Attention(RMSNorm(y))      y += Wo Attention(RMSNorm(y), RMSNorm(x))
 *     both      x += Wdown relu(Wup m), or Wdown (gelu(Wgate m) ⊙ Wup m), m = RMSNorm(x)
 */
import { textVectors } from "./encoders";
import { HyperParameters, readDecoder, requireHeads, setScale } from "./hyper_parameters";
import { Activation, Builder, NOTHING, Pooling, StateKind } from "../program/builder";

export function t5(b: Builder): void {
  const h = readDecoder(b);
  const blocks = b.layers;
  setScale(b, h, 1);
  requireHeads(b, h, h.heads);
  const buckets = b.countOr(".attention.relative_buckets_count", 32, 4, 4096);
  if (buckets & 3) b.unsupported("attention.relative_buckets_count is no multiple of 4: limpet knows no such");
  const width = h.heads * h.keySize;
  b.layers = blocks + 2 * b.decoderBlocks;
  const tokens = b.embedding("token_embd");
  let x = tokens;
  let bias: u32 = NOTHING;
  let isGated = false;
  for (let l: u32 = 0; l < blocks; l++) {
    b.layer(l, StateKind.NONE);
    b.stackOf("enc.blk.", l);
    if (l == 0 || b.hasWeight("attn_rel_b")) bias = b.distanceBuckets("attn_rel_b", h.heads, buckets, true);
    const a = b.rmsNorm(x, "attn_norm");
    const q = b.linear(a, "attn_q", width);
    const k = b.linear(a, "attn_k", width);
    const v = b.linear(a, "attn_v", width);
    x = b.add(x, b.linear(b.attentionWithin(q, k, v, h.heads, h.heads, 1, 0, bias), "attn_o", b.hidden));
    isGated = b.hasWeight("ffn_gate");
    x = b.add(x, feedForward(b, h, x));
  }
  // The last norm of the encoder is its last layer's, so that the decoder's layers find its rows.
  if (b.decoderBlocks == 0) b.output();
  b.stackOf("", NOTHING);
  const source = b.rmsNorm(x, "enc.output_norm");
  if (b.decoderBlocks == 0) return textVectors(b, source, Pooling.MEAN, Pooling.CLS);

  b.startToken = b.countOr(".decoder_start_token_id", 0, 0, b.vocabulary - 1);
  b.decoderLayer = blocks;
  let y = tokens;
  for (let l: u32 = 0; l < b.decoderBlocks; l++) {
    b.layer(blocks + 2 * l, StateKind.KEY_VALUE, h.heads, h.keySize, h.keySize);
    b.stackOf("dec.blk.", l);
    if (l == 0 || b.hasWeight("attn_rel_b")) bias = b.distanceBuckets("attn_rel_b", h.heads, buckets, false);
    const a = b.rmsNorm(y, "attn_norm");
    const q = b.linear(a, "attn_q", width);
    const k = b.linear(a, "attn_k", width);
    const mixed = b.attention(q, k, b.linear(a, "attn_v", width), h.heads, 1);
    b.biasScores(bias);
    y = b.add(y, b.linear(mixed, "attn_o", b.hidden));

    b.layer(blocks + 2 * l + 1, StateKind.CROSS, h.heads, h.keySize, h.keySize);
    b.stackOf("dec.blk.", l);
    b.leaveOut("cross_attn_rel_b", ".weight");
    b.keepSource(source, "cross_attn_k", "cross_attn_v", width);
    const c = b.linear(b.rmsNorm(y, "cross_attn_norm"), "cross_attn_q", width);
    y = b.add(y, b.linear(b.attentionOver(c, h.heads, 1), "cross_attn_o", b.hidden));
    y = b.add(y, feedForward(b, h, y));
  }
  b.output();
  // The first models, whose head is the embedding, scale what meets it.
  const scale: f32 = b.hasWeight("output") || isGated ? 1 : <f32>(1.0 / sqrt<f64>(b.hidden));
  b.head(b.rmsNorm(y, "dec.output_norm"), "output", "token_embd", scale);
}

function feedForward(b: Builder, h: HyperParameters, x: u32): u32 {
  const m = b.rmsNorm(x, "ffn_norm");
  const up = b.linear(m, "ffn_up", h.ffn);
  const isGated = b.hasWeight("ffn_gate");
  const made = isGated
    ? b.activation(Activation.GELU, b.linear(m, "ffn_gate", h.ffn), up)
    : b.activation(Activation.RELU, up);
  return b.linear(made, "ffn_down", b.hidden);
}
