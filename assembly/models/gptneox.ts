/**
 * gptneox: GPT-NeoX and Pythia (Black et al. 2022, arXiv:2204.06745; Biderman et al. 2023, arXiv:2304.01373), Dolly,
 * RedPajama-INCITE. Attention and the feed-forward network, each behind a LayerNorm of its own, are added to the
 * stream together, or one after the other where `use_parallel_residual` says so; the first dimensions of a head turn.
 * GELU is by erf, as in the training of these models; llama.cpp takes the one by tanh.
 *
 *     x += Attention(LayerNorm(x)) + (Wdown · gelu(Wup · LayerNorm(x) + bup) + bdown)
 */
import { BIASES, groupedAttention, plainFeedForward } from "./blocks";
import { beginLayer, HyperParameters, readLayerNormDecoder } from "./hyper_parameters";
import { Activation, Bias, Builder, Pairs } from "../program/builder";

export function gptneox(b: Builder): void {
  const h = readLayerNormDecoder(b);
  b.need(".use_parallel_residual");
  const isParallel = b.flag(".use_parallel_residual", true);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    beginLayer(b, h, l);
    const mixed = groupedAttention(b, h, b.layerNorm(x, "attn_norm"), Pairs.HALVES, BIASES);
    if (isParallel) x = b.add(b.add(x, feedForward(b, h, x)), mixed);
    else {
      x = b.add(x, mixed);
      x = b.add(x, feedForward(b, h, x));
    }
  }
  b.output();
  b.head(b.layerNorm(x, "output_norm"), "output", "token_embd");
}

function feedForward(b: Builder, h: HyperParameters, x: u32): u32 {
  return plainFeedForward(b, h, b.layerNorm(x, "ffn_norm"), Activation.GELU_ERF, Bias.REQUIRED);
}
