/**
 * mellum: Mellum 2 (JetBrains 2026). As qwen3moe; three layers with a window stand before one that sees all, and only
 * that one turns by YaRN.
 *
 *     a = RMSNorm(x)      x += Attention(a), with RMSNorm(q), RMSNorm(k) head by head
 *     m = RMSNorm(x)      x += Experts(m)
 */
import { HEAD_NORMS, groupedAttention } from "./blocks";
import { NORMALISED, SHARES_WIDTH, experts, readExperts } from "./experts";
import { beginLayer, readDecoder, readLocalRope, readWindows, windowOf } from "./hyper_parameters";
import { Activation, Builder, Gating, Pairs } from "../program/builder";

export function mellum(b: Builder): void {
  const h = readDecoder(b);
  readWindows(b, h, 4, 0);
  readLocalRope(b, h, b.float(".rope.freq_base", 10000));
  readExperts(b, h, Gating.SOFTMAX, NORMALISED | SHARES_WIDTH);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l, windowOf(b, h, l));
    x = b.add(x, groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.HALVES, HEAD_NORMS));
    x = b.add(x, experts(b, h, b.rmsNorm(x, "ffn_norm"), Activation.SILU));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
