/**
 * rwkv7: RWKV-7 Goose 0.1B to 2.9B (Peng et al. 2025, arXiv:2503.14456).
 *
 *     a = LayerNorm(x)      s = a of the token before − a      x_* = a + μ_* ⊙ s
 *     r, k, v = R x_r, K x_k, V x_v      w, a, g by low ranks      x += O · ((norm of heads(o) + bonus) ⊙ g)
 *     m = LayerNorm(x)      x += Wv · relu(Wk (m + μ ⊙ s))²
 *
 * Behind the first layer v goes some way to that of the first: v += (v₁ − v) ⊙ sigmoid(v₀ + V₂ V₁ x_v).
 */
import { readWidths } from "./hyper_parameters";
import { HEAD_EPSILON, mixWithShift, normedEmbedding, readRwkv } from "./rwkv";
import { Activation, Builder, NOTHING, StateKind, WIDTH_LIMIT } from "../program/builder";

export function rwkv7(b: Builder): void {
  const h = readRwkv(b);
  const n = b.hidden;
  const ranks = b.countOr(".attention.value_residual_mix_lora_rank", 0, 0, WIDTH_LIMIT);
  let first = NOTHING;
  let x = normedEmbedding(b);
  for (let l: u32 = 0; l < b.layers; l++) {
    b.layer(l, StateKind.RECURRENT);
    readWidths(b, h, l);
    const a = b.layerNorm(x, "attn_norm");
    const s = b.tokenShift(a);
    const r = b.linear(mixed(b, a, s, 0), "time_mix_receptance", n);
    const low = b.linear(mixed(b, a, s, 1), "time_mix_w1", b.count(".attention.decay_lora_rank", 1, WIDTH_LIMIT));
    const w = b.linear(b.activation(Activation.TANH, low), "time_mix_w2", n);
    b.shiftedBy("time_mix_w0");
    const k = b.linear(mixed(b, a, s, 2), "time_mix_key", n);
    const xv = mixed(b, a, s, 3);
    let v = b.linear(xv, "time_mix_value", n);
    if (first == NOTHING) {
      first = v;
      b.leaveOut("time_mix_v0", ".weight");
      b.leaveOut("time_mix_v1", ".weight");
      b.leaveOut("time_mix_v2", ".weight");
    } else {
      const gate = b.linear(b.linear(xv, "time_mix_v1", ranks), "time_mix_v2", n);
      b.shiftedBy("time_mix_v0");
      v = b.add(v, b.gate(b.add(first, b.scale(v, -1)), gate));
    }
    const xa = mixed(b, a, s, 4);
    const rate = b.linear(
      b.linear(xa, "time_mix_a1", b.count(".attention.iclr_lora_rank", 1, WIDTH_LIMIT)), "time_mix_a2", n,
    );
    b.shiftedBy("time_mix_a0");
    const xg = mixed(b, a, s, 5);
    const open = b.linear(xg, "time_mix_g1", b.count(".attention.gate_lora_rank", 1, WIDTH_LIMIT));
    const g = b.linear(b.activation(Activation.SIGMOID, open), "time_mix_g2", n);
    const o = b.wkv7(b.join(b.join(b.join(r, k), b.join(v, w)), rate), h.keySize);
    const normed = b.add(b.groupNorm(o, "time_mix_ln", n / h.keySize, HEAD_EPSILON), o + 1);
    x = b.add(x, b.linear(b.times(normed, g), "time_mix_output", n));
    const m = b.layerNorm(x, "attn_norm_2");
    const key = b.linear(mixWithShift(b, m, b.tokenShift(m), "channel_mix_lerp_k"), "channel_mix_key", h.ffn);
    x = b.add(x, b.linear(b.squaredRelu(key), "channel_mix_value", n));
  }
  b.output();
  b.head(b.layerNorm(x, "output_norm"), "output", "token_embd");
}

/** a + μ ⊙ s, by the vector `which` of the six that stand together. */
function mixed(b: Builder, a: u32, s: u32, which: u32): u32 {
  return mixWithShift(b, a, s, "time_mix_lerp_fused", which * b.hidden, 6 * b.hidden);
}
