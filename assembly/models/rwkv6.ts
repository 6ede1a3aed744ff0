/**
 * rwkv6: RWKV-6 Finch 1.6B, 3B (Peng et al. 2024, arXiv:2404.05892). What a token is mixed with depends on the token.
 *
 *     a = LayerNorm(x)      s = a of the token before − a
 *     M_i = W2_i tanh(W1 (a + μ ⊙ s))      x_* = a + (μ_* + M_*) ⊙ s
 *     r, k, v, g = R x_r, K x_k, V x_v, silu(G x_g)      w by low rank      x += O · (norm of heads(o) ⊙ g)
 *     m = LayerNorm(x)      x += sigmoid(Wr x_r) ⊙ Wv · relu(Wk x_k)²
 */
import { readWidths } from "./hyper_parameters";
import { HEAD_EPSILON, mixWithShift, normedEmbedding, readRwkv } from "./rwkv";
import { Activation, Builder, LAYER_LIMIT, StateKind, WIDTH_LIMIT } from "../program/builder";

export function rwkv6(b: Builder): void {
  const h = readRwkv(b);
  const n = b.hidden;
  const extra = b.count(".time_mix_extra_dim", 1, WIDTH_LIMIT / 5);
  const rank = b.count(".time_decay_extra_dim", 1, WIDTH_LIMIT);
  const rescale = b.countOr(".rescale_every_n_layers", 0, 0, LAYER_LIMIT);
  let x = normedEmbedding(b);
  for (let l: u32 = 0; l < b.layers; l++) {
    b.layer(l, StateKind.RECURRENT);
    readWidths(b, h, l);
    const a = b.layerNorm(x, "attn_norm");
    const s = b.tokenShift(a);
    const low = b.activation(
      Activation.TANH, b.linear(mixWithShift(b, a, s, "time_mix_lerp_x"), "time_mix_w1", 5 * extra),
    );
    const fade = b.activation(Activation.TANH, b.linear(mixed(b, a, s, low, 0), "time_mix_decay_w1", rank));
    const w = b.linear(fade, "time_mix_decay_w2", n);
    b.shiftedBy("time_mix_decay");
    const k = b.linear(mixed(b, a, s, low, 1), "time_mix_key", n);
    const v = b.linear(mixed(b, a, s, low, 2), "time_mix_value", n);
    const r = b.linear(mixed(b, a, s, low, 3), "time_mix_receptance", n);
    const g = b.linear(mixed(b, a, s, low, 4), "time_mix_gate", n);
    const o = b.wkv6(b.join(b.join(r, k), b.join(v, w)), "time_mix_first", h.keySize);
    const normed = b.groupNorm(o, "time_mix_ln", n / h.keySize, HEAD_EPSILON);
    x = b.add(x, b.linear(b.swiglu(g, normed), "time_mix_output", n));
    const m = b.layerNorm(x, "attn_norm_2");
    const t = b.tokenShift(m);
    const key = b.linear(mixWithShift(b, m, t, "channel_mix_lerp_k"), "channel_mix_key", h.ffn);
    const open = b.linear(mixWithShift(b, m, t, "channel_mix_lerp_r"), "channel_mix_receptance", n);
    x = b.add(x, b.gate(b.linear(b.squaredRelu(key), "channel_mix_value", n), open));
    if (rescale != 0 && (l + 1) % rescale == 0) x = b.scale(x, 0.5);
  }
  b.output();
  b.head(b.layerNorm(x, "output_norm"), "output", "token_embd");
}

/** a + (μ + M) ⊙ s, by the vector and the matrix `which` of the five that stand together. */
function mixed(b: Builder, a: u32, s: u32, low: u32, which: u32): u32 {
  const n = b.hidden;
  const extra = b.width(low) / 5;
  const m = b.linearRows(b.part(low, which * extra, extra), "time_mix_w2", which * n, n, 5 * n);
  b.shiftedBy("time_mix_lerp_fused", which * n, 5 * n);
  return b.add(a, b.times(s, m));
}
