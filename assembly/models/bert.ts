/**
 * bert: BERT (Devlin et al. 2018, arXiv:1810.04805) and what became of it: MiniLM, BGE, E5, GTE, DistilBERT, RoBERTa,
 * XLM-R. Positions are learned; a pair of texts has parts; norms stand behind the sums.
 *
 *     x = LayerNorm(token + part + position)
 *     m = LayerNorm(Attention(x) + x)      x = LayerNorm(Wdown · gelu(Wup m + bup) + bdown + m)
 *
 * GELU is that by erf, with which these models were trained.
 */
import {
  beginEncoder, beginNormed, encoderFeedForward, readEncoder, textAttention, textVectors, tokensAndParts,
} from "./encoders";
import { Activation, Builder, NOTHING, Pooling } from "../program/builder";

export function bert(b: Builder): void {
  const h = readEncoder(b);
  h.turn = NOTHING;
  let x = beginNormed(b, b.add(tokensAndParts(b), b.positions("position_embd", b.hidden)));
  for (let l: u32 = 0; l < b.layers; l++) {
    beginEncoder(b, h, l);
    const m = b.layerNorm(b.add(textAttention(b, h, x), x), "attn_output_norm");
    x = b.layerNorm(b.add(encoderFeedForward(b, h, m, Activation.GELU_ERF), m), "layer_output_norm");
  }
  b.output();
  textVectors(b, x, Pooling.MEAN, Pooling.CLS);
}
