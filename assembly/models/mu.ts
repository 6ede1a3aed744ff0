/**
 * mu: the encoder-decoder of Microsoft's Mu and its open form (github.com/microsoft/encoder-decoder-slm): t5's two
 * stacks with RoPE, heads in groups, biases everywhere, and GELU without a gate. What is across turns nothing.
 *
 *     encoder   x += Wo Attention(RMSNorm(x))
 *     decoder   y += Wo Attention(RMSNorm(y))      y += Wo Attention(RMSNorm(y), RMSNorm(x))
 *     both      x += Wdown gelu(Wup m + bup) + bdown, m = RMSNorm(x)
 */
import { HyperParameters, readDecoder, requireHeads } from "./hyper_parameters";
import { Bias, Builder, NOTHING, Pairs, StateKind } from "../program/builder";

export function mu(b: Builder): void {
  const h = readDecoder(b);
  const blocks = b.layers;
  requireHeads(b, h, h.kvHeads);
  const keys = h.kvHeads * h.keySize;
  b.layers = blocks + 2 * b.decoderBlocks;
  const tokens = b.embedding("token_embd");
  let x = tokens;
  for (let l: u32 = 0; l < blocks; l++) {
    b.layer(l, StateKind.NONE);
    b.stackOf("enc.blk.", l);
    const a = b.rmsNorm(x, "attn_norm");
    const q = b.rope(linear(b, a, "attn_q", h.heads * h.keySize), h.heads, 0, h.rope, Pairs.HALVES);
    const k = b.rope(linear(b, a, "attn_k", keys), h.kvHeads, 0, h.rope, Pairs.HALVES);
    const mixed = b.attentionWithin(q, k, linear(b, a, "attn_v", keys), h.heads, h.kvHeads, h.scale, 0, NOTHING);
    x = b.add(x, linear(b, mixed, "attn_o", b.hidden));
    x = b.add(x, feedForward(b, h, x));
  }
  if (b.decoderBlocks == 0) return b.broken("the file has no decoder: its tensors begin with dec.blk; convert it anew");
  // The last norm of the encoder is its last layer's, so that the decoder's layers find its rows.
  b.stackOf("", NOTHING);
  const source = b.rmsNorm(x, "enc.output_norm");

  b.startToken = b.countOr(".decoder_start_token_id", 1, 0, b.vocabulary - 1);
  b.decoderLayer = blocks;
  let y = tokens;
  for (let l: u32 = 0; l < b.decoderBlocks; l++) {
    b.layer(blocks + 2 * l, StateKind.KEY_VALUE, h.kvHeads, h.keySize, h.keySize);
    b.stackOf("dec.blk.", l);
    const a = b.rmsNorm(y, "attn_norm");
    const q = b.rope(linear(b, a, "attn_q", h.heads * h.keySize), h.heads, 0, h.rope, Pairs.HALVES);
    const k = b.rope(linear(b, a, "attn_k", keys), h.kvHeads, 0, h.rope, Pairs.HALVES);
    const mixed = b.attention(q, k, linear(b, a, "attn_v", keys), h.heads, h.scale);
    y = b.add(y, linear(b, mixed, "attn_o", b.hidden));

    b.layer(blocks + 2 * l + 1, StateKind.CROSS, h.kvHeads, h.keySize, h.keySize);
    b.stackOf("dec.blk.", l);
    b.keepSource(source, "cross_attn_k", "cross_attn_v", keys);
    const c = linear(b, b.rmsNorm(y, "cross_attn_norm"), "cross_attn_q", h.heads * h.keySize);
    y = b.add(y, linear(b, b.attentionOver(c, h.heads, h.scale), "cross_attn_o", b.hidden));
    y = b.add(y, feedForward(b, h, y));
  }
  b.output();
  b.head(b.rmsNorm(y, "dec.output_norm"), "output", "token_embd");
}

function linear(b: Builder, x: u32, name: string, width: u32): u32 {
  return b.linear(x, name, width, Bias.REQUIRED);
}

function feedForward(b: Builder, h: HyperParameters, x: u32): u32 {
  const up = b.gelu(linear(b, b.rmsNorm(x, "ffn_norm"), "ffn_up", h.ffn));
  return linear(b, up, "ffn_down", b.hidden);
}
