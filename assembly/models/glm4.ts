/**
 * glm4: GLM-4-0414 and GLM-Z1 (GLM Team 2024, arXiv:2406.12793). Norms before and behind attention and the feed-forward
 * network, RoPE on a part of each head, Wgate and Wup in one matrix. Files of models that see pictures have RoPE's
 * sections, and turn halves; in text all sections have the same position.
 *
 *     a = RMSNorm(x)      x += RMSNorm(Attention(a))
 *     m = RMSNorm(x)      x += RMSNorm(Wdown · (silu(Wgate m) ⊙ Wup m))
 */
import { fusedSwiglu, groupedAttention } from "./blocks";
import { beginLayer, readDecoder } from "./hyper_parameters";
import { Builder, Pairs } from "../program/builder";

export function glm4(b: Builder): void {
  const h = readDecoder(b);
  const pairs = b.isList(".rope.dimension_sections") ? Pairs.HALVES : Pairs.NEIGHBOURS;
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    const mixed = groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), pairs, 0);
    x = b.add(x, b.rmsNorm(mixed, "post_attention_norm"));
    x = b.add(x, b.rmsNorm(fusedSwiglu(b, h, b.rmsNorm(x, "ffn_norm")), "post_ffw_norm"));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
