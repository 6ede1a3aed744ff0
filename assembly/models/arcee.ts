/**
 * arcee: the Arcee Foundation Models (AFM-4.5B; Arcee AI 2025). As llama, with a squared ReLU without a gate (So et al.
 * 2021, arXiv:2109.08668).
 *
 *     a = RMSNorm(x)      x += Attention(a)
 *     m = RMSNorm(x)      x += Wdown · relu(Wup m)²
 */
import { groupedAttention, reluSquaredFeedForward } from "./blocks";
import { beginLayer, readDecoder } from "./hyper_parameters";
import { Builder, Pairs } from "../program/builder";

export function arcee(b: Builder): void {
  const h = readDecoder(b);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    x = b.add(x, groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.NEIGHBOURS, 0));
    x = b.add(x, reluSquaredFeedForward(b, h, b.rmsNorm(x, "ffn_norm")));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
