/**
 * nomic-bert-moe: Nomic Embed v2 (Nussbaum and Duderstadt 2025, arXiv:2502.07972). As bert with RoPE; every so many
 * layers experts without a gate stand for the feed-forward network.
 *
 *     m = LayerNorm(Attention(x) + x)      x = LayerNorm(Wdown · gelu(Wup m + bup) + bdown + m)
 *                                     or   x = LayerNorm(Σ over e in S of w_e · Wdown_e · gelu(Wup_e m) + m)
 */
import {
  beginEncoder, beginNormed, encoderFeedForward, readEncoder, textAttention, textVectors, tokensAndParts,
} from "./encoders";
import { plainExperts, readExperts } from "./experts";
import { Activation, Builder, Gating, LAYER_LIMIT, Pooling } from "../program/builder";

export function nomicBertMoe(b: Builder): void {
  const h = readEncoder(b);
  readExperts(b, h, Gating.SOFTMAX, 0);
  const every = b.count(".moe_every_n_layers", 1, LAYER_LIMIT);
  let x = beginNormed(b, tokensAndParts(b));
  for (let l: u32 = 0; l < b.layers; l++) {
    beginEncoder(b, h, l);
    const m = b.layerNorm(b.add(textAttention(b, h, x), x), "attn_output_norm");
    const up =
      l % every == 1 % every
        ? plainExperts(b, h, m, Activation.GELU_ERF)
        : encoderFeedForward(b, h, m, Activation.GELU_ERF);
    x = b.layerNorm(b.add(up, m), "layer_output_norm");
  }
  b.output();
  textVectors(b, x, Pooling.MEAN, Pooling.CLS);
}
