/**
 * bitnet: BitNet b1.58 (Ma et al. 2024, arXiv:2402.17764), 1bitLLM's 0.7B to 3B and Falcon-E. As llama, with a norm
 * before the last matrix of attention and of the feed-forward network; matrices of signs and zeros may have a scale
 * each. bitnet-b1.58: Microsoft's 2B-4T (arXiv:2504.12285), whose gate is a squared ReLU.
 *
 *     a = RMSNorm(x)      x += Wo · RMSNorm(softmax(q kᵀ / √d) v)
 *     m = RMSNorm(x)      x += Wdown · RMSNorm(f(Wgate m) ⊙ Wup m)      f = silu, or relu²
 */
import { keys, queries, turned, values } from "./blocks";
import { HyperParameters, beginLayer, readDecoder } from "./hyper_parameters";
import { Bias, Builder, Pairs } from "../program/builder";

export function bitnet(b: Builder): void {
  layers(b, false);
}

export function bitnetB158(b: Builder): void {
  layers(b, true);
}

function layers(b: Builder, isSquared: bool): void {
  const h = readDecoder(b);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, attention(b, h, b.rmsNorm(x, "attn_norm")));
    const m = b.rmsNorm(x, "ffn_norm");
    const gate = b.linear(m, "ffn_gate", h.ffn);
    const up = b.linear(m, "ffn_up", h.ffn);
    const made = isSquared ? b.times(b.squaredRelu(gate), up) : b.swiglu(gate, up);
    x = b.add(x, b.linear(b.rmsNorm(made, "ffn_sub_norm"), "ffn_down", b.hidden));
  }
  b.output();
  b.tiedHead(b.rmsNorm(x, "output_norm"), "token_embd");
}

function attention(b: Builder, h: HyperParameters, a: u32): u32 {
  const q = turned(b, h, queries(b, h, a, Bias.OPTIONAL), h.heads, Pairs.HALVES);
  const k = turned(b, h, keys(b, h, a, Bias.OPTIONAL), h.kvHeads, Pairs.HALVES);
  const mixed = b.attention(q, k, values(b, h, a, Bias.OPTIONAL), h.heads, h.scale);
  return b.linear(b.rmsNorm(mixed, "attn_sub_norm"), "attn_output", b.hidden);
}
