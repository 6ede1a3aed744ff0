/**
 * minicpm: MiniCPM 1, 2 and 4 (Hu et al. 2024, arXiv:2404.06395). As granite: embeddings are multiplied by 12, branches
 * by 1.4 / √layers, and logits are divided by hidden / 256, where a file says nothing else.
 *
 *     a = RMSNorm(x)      x += r · Attention(a)
 *     m = RMSNorm(x)      x += r · Wdown · (silu(Wgate m) ⊙ Wup m)
 */
import { groupedAttention, swiglu } from "./blocks";
import { beginLayer, readDecoder, readScales } from "./hyper_parameters";
import { Builder, Pairs } from "../program/builder";

export function minicpm(b: Builder): void {
  const h = readDecoder(b);
  readScales(b, h, 12, <f32>(1.4 / sqrt<f64>(b.layers)), <f32>b.hidden / 256);
  let x = b.embedding("token_embd", h.embeddingScale);
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    const mixed = groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.NEIGHBOURS, 0);
    x = b.add(x, b.scale(mixed, h.branchScale));
    x = b.add(x, b.scale(swiglu(b, h, b.rmsNorm(x, "ffn_norm")), h.branchScale));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd", <f32>1.0 / h.logitDivisor);
}
