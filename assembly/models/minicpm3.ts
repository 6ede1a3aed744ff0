/**
 * minicpm3: MiniCPM3-4B (Hu et al. 2024, arXiv:2404.06395, with MLA as in arXiv:2405.04434). Latent attention with a
 * query made of a latent; what enters the stream, each branch and the head are scaled by constants of the code.
 *
 *     x = 12 · E[token]
 *     a = RMSNorm(x)      x += 1.4/√layers · Wo · MLA(q, rows)            RoPE on the halves of q.rope and k
 *     m = RMSNorm(x)      x += 1.4/√layers · Wdown · (silu(Wgate m) ⊙ Wup m)
 *     logits = 256/hidden · Whead RMSNorm(x)
 */
import { swiglu } from "./blocks";
import { readDecoder } from "./hyper_parameters";
import { beginLatentLayer, latentAttention, readLatentHeads } from "./latent";
import { Builder, Pairs } from "../program/builder";

const EMBEDDING_SCALE: f32 = 12;
const DEPTH_SCALE: f64 = 1.4;
const BASE_WIDTH: f64 = 256;

export function minicpm3(b: Builder): void {
  const h = readDecoder(b);
  // Converters write the keys' size alone.
  if (!b.has(".attention.value_length")) h.valueSize = b.hidden / h.heads;
  readLatentHeads(b, h);
  const branch = <f32>(DEPTH_SCALE / sqrt<f64>(b.layers));
  let x = b.embedding("token_embd", EMBEDDING_SCALE);
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLatentLayer(b, h, l);
    x = b.add(x, b.scale(latentAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.HALVES), branch));
    x = b.add(x, b.scale(swiglu(b, h, b.rmsNorm(x, "ffn_norm")), branch));
  }
  b.output();
  b.head(b.scale(b.rmsNorm(x, "output_norm"), <f32>(BASE_WIDTH / <f64>b.hidden)), "output", "token_embd");
}
