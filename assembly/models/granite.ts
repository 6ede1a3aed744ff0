/**
 * granite: Granite 3 and 4 dense (IBM Granite Team 2024; the scales are those of µP, Yang et al. 2022,
 * arXiv:2203.03466). As llama, with four numbers: embeddings are multiplied by e, branches by r, scores by
 * `attention.scale`, and logits are divided by s. With `rope.scaling.finetuned` false nothing turns.
 *
 *     a = RMSNorm(x)      x += r · Attention(a)
 *     m = RMSNorm(x)      x += r · Wdown · (silu(Wgate m) ⊙ Wup m)
 */
import { groupedAttention, swiglu } from "./blocks";
import { HyperParameters, beginLayer, readDecoder, readScales } from "./hyper_parameters";
import { Builder, NOTHING, Pairs } from "../program/builder";

/** What granite and granitemoe say of themselves. */
export function readGranite(b: Builder): HyperParameters {
  const h = readDecoder(b);
  readGraniteScales(b, h);
  return h;
}

/** The four scales, and whether anything turns. */
export function readGraniteScales(b: Builder, h: HyperParameters): void {
  b.need(".logit_scale");
  readScales(b, h, 1, 1, 0);
  if (!b.flag(".rope.scaling.finetuned", true)) h.rope = NOTHING;
}

export function granite(b: Builder): void {
  const h = readGranite(b);
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
