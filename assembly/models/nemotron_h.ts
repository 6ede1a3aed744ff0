/**
 * nemotron_h: Nemotron-H 4B and 8B, Nemotron Nano 2 9B, Nemotron 3 Nano 4B (NVIDIA 2025, arXiv:2504.03624,
 * arXiv:2508.14444). A layer is one of three things: Mamba-2, attention without positions, or a feed-forward network.
 *
 *     y = RMSNorm(x)      x += Mamba-2(y), or Attention(y), or Wdown · relu(Wup y)²
 */
import { groupedAttention, reluSquaredFeedForward } from "./blocks";
import { beginAttention, keyHeadsOf, readDecoderAt, widthOf } from "./hyper_parameters";
import { dualMixer, firstAttention, readDualHeads } from "./recurrent";
import { Builder, LAYER_LIMIT, NOTHING, Pairs, StateKind } from "../program/builder";

export function nemotronH(b: Builder): void {
  b.layers = b.count(".block_count", 1, LAYER_LIMIT);
  const h = readDecoderAt(b, firstAttention(b));
  h.rope = NOTHING;
  readDualHeads(b, h);
  // llama.cpp asks for it, too, and norms by the other one.
  b.leaveOutKey(".attention.layer_norm_epsilon");
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    const attends = keyHeadsOf(b, l) > 0;
    h.ffn = widthOf(b, l);
    if (attends && h.ffn == 0) beginAttention(b, h, l);
    else b.layer(l, h.ffn == 0 ? StateKind.RECURRENT : StateKind.NONE);
    const y = b.rmsNorm(x, "attn_norm");
    if (h.ffn > 0) x = b.add(x, reluSquaredFeedForward(b, h, y));
    else x = b.add(x, attends ? groupedAttention(b, h, y, Pairs.HALVES, 0) : dualMixer(b, h, y));
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd");
}
