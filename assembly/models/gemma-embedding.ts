/**
 * gemma-embedding: EmbeddingGemma (Vera et al. 2025, arXiv:2509.20354): gemma3's layer over whole texts, windows to
 * both sides, and two linear maps behind the mean of the rows.
 *
 *     a = RMSNorm(x)      x += RMSNorm(Attention(a)), with RMSNorm(q), RMSNorm(k) head by head
 *     m = RMSNorm(x)      x += RMSNorm(Wdown · (gelu(Wgate m) ⊙ Wup m))
 */
import { gatedFeedForward, keys, queries, values } from "./blocks";
import { attendText, beginEncoder, readRmsEncoder, textVectors } from "./encoders";
import { readLocalRope, readWindows, windowOf } from "./hyper_parameters";
import { Activation, Bias, Builder, NOTHING, Pooling } from "../program/builder";

export function gemmaEmbedding(b: Builder): void {
  const h = readRmsEncoder(b);
  b.need(".attention.sliding_window");
  readWindows(b, h, 6, 0);
  readLocalRope(b, h, 10000);
  let x = b.embedding("token_embd", <f32>sqrt<f64>(b.hidden));
  for (let l: u32 = 0; l < b.layers; l++) {
    beginEncoder(b, h, l);
    const window = windowOf(b, h, l);
    h.turn = window ? h.localRope : h.rope;
    const a = b.rmsNorm(x, "attn_norm");
    const q = b.rmsNorm(queries(b, h, a, Bias.OPTIONAL), "attn_q_norm", h.heads);
    const k = b.rmsNorm(keys(b, h, a, Bias.OPTIONAL), "attn_k_norm", h.kvHeads);
    const mixed = attendText(b, h, q, k, values(b, h, a, Bias.OPTIONAL), window >> 1, NOTHING);
    x = b.add(x, b.rmsNorm(mixed, "post_attention_norm"));
    const up = gatedFeedForward(b, h, b.rmsNorm(x, "ffn_norm"), Activation.GELU);
    x = b.add(x, b.rmsNorm(up, "post_ffw_norm"));
  }
  b.output();
  textVectors(b, b.rmsNorm(x, "output_norm"), Pooling.MEAN, Pooling.CLS);
}
