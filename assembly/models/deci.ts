/**
 * deci: DeciLM-7B and Llama-Nemotron 51B, 49B, 253B (Bercovich et al. 2024, arXiv:2411.19146): llama, of whose layers a
 * search has left some out or made them smaller. Heads, heads of keys and feed-forward widths are lists by layer.
 *
 *     a = RMSNorm(x)      x += Attention(a); without heads nothing; with heads, but none of keys, x += Wo a
 *     m = RMSNorm(x)      x += SwiGLU(m); of width 0 nothing
 */
import { groupedAttention, swiglu } from "./blocks";
import { beginAttention, headsOf, keyHeadsOf, readDecoderAt, widthOf } from "./hyper_parameters";
import { firstAttention } from "./recurrent";
import { Builder, LAYER_LIMIT, Pairs, StateKind } from "../program/builder";

export function deci(b: Builder): void {
  b.layers = b.count(".block_count", 1, LAYER_LIMIT);
  const h = readDecoderAt(b, firstAttention(b));
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    h.ffn = widthOf(b, l);
    if (keyHeadsOf(b, l) > 0) {
      beginAttention(b, h, l);
      x = b.add(x, groupedAttention(b, h, b.rmsNorm(x, "attn_norm"), Pairs.NEIGHBOURS, 0));
    } else {
      b.layer(l, StateKind.NONE);
      if (headsOf(b, l) > 0) x = b.add(x, b.linear(b.rmsNorm(x, "attn_norm"), "attn_output", b.hidden));
    }
    if (h.ffn > 0) x = b.add(x, swiglu(b, h, b.rmsNorm(x, "ffn_norm")));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
