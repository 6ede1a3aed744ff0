/**
 * cohere2moe: Command A with experts (Cohere 2026). As cohere2, with the layer that sees all before three with a
 * window, which alone turn beside the first, dense ones; experts and shared ones behind those count half each.
 *
 *     a = LayerNorm(x), or RMSNorm(x)
 *     x += Attention(a) + SwiGLU(a), or Attention(a) + (Experts(a) + SwiGLU(a)) / 2
 */
import { groupedAttention, swiglu } from "./blocks";
import { experts, readExperts, sharedExpert } from "./experts";
import {
  HyperParameters, beginLayer, readDecoderOf, readLogitScale, readWindows, windowBehindFirst,
} from "./hyper_parameters";
import { Activation, Bias, Builder, Gating, LAYER_LIMIT, NOTHING, Pairs, WIDTH_LIMIT } from "../program/builder";

export function cohere2moe(b: Builder): void {
  const isRoot = b.has(".attention.layer_norm_rms_epsilon");
  const h = readDecoderOf(b, isRoot);
  readWindows(b, h, 4, b.count(".attention.sliding_window", 1, 1 << 30));
  b.need(".logit_scale");
  const scale = readLogitScale(b);
  readExperts(b, h, Gating.SIGMOID, 0);
  const shared = readShared(b, h);
  const dense = b.countOr(".leading_dense_block_count", 0, 0, LAYER_LIMIT);
  let x = b.embedding("token_embd");
  for (let l: u32 = 0; l < b.layers; l++) {
    const window = windowBehindFirst(b, h, l);
    beginLayer(b, h, l, window);
    if (window == 0 && l >= dense) h.turn = NOTHING;
    const a = norm(b, x, "attn_norm", isRoot);
    const mixed = groupedAttention(b, h, a, Pairs.NEIGHBOURS, 0);
    x = b.add(b.add(x, l < dense ? swiglu(b, h, a) : halves(b, h, a, shared)), mixed);
  }
  b.output();
  b.head(norm(b, x, "output_norm", isRoot), "output", "token_embd", scale);
}

function norm(b: Builder, x: u32, name: string, isRoot: bool): u32 {
  return isRoot ? b.rmsNorm(x, name) : b.layerNorm(x, name, Bias.OPTIONAL);
}

function halves(b: Builder, h: HyperParameters, a: u32, shared: u32): u32 {
  const routed = experts(b, h, a, Activation.SILU);
  return shared ? b.scale(b.add(routed, sharedExpert(b, a, shared)), 0.5) : routed;
}

/** The shared experts' width together, which the file may say in one number. */
function readShared(b: Builder, h: HyperParameters): u32 {
  const count = b.countOr(".expert_shared_count", 0, 0, WIDTH_LIMIT / h.expertWidth);
  return count ? b.countOr(".expert_shared_feed_forward_length", count * h.expertWidth, 1, WIDTH_LIMIT) : 0;
}
