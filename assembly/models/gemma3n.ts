/**
 * gemma3n: Gemma 3n (E2B, E4B), the text part, after its released code. Four streams lie side by side in x (AltUp,
 * Baykal et al. 2023, arXiv:2301.13310): each layer predicts all, computes one, and corrects all by what it gave; a
 * low-rank branch (LAUREL, Menghani et al. 2024, arXiv:2411.07501) stands beside attention; the first gates keep their
 * largest values alone.
 *
 *     c(v) = tanh(Wrouter · RMSNorm(v) / n)      y = x + (Wpredict · c(x₀)) x      a = RMSNorm(y₀)
 *     z = ((RMSNorm(Attention(a)) + y₀) + (a + RMSNorm(Wr Wl a))) / √2
 *     f = RMSNorm(Wdown · (gelu(sparse(Wgate m)) ⊙ Wup m)) + z,  m = RMSNorm(z)
 *     x_j = y_j + (1 + Wcorrect · c(f))_j · (f − y₀)      x₁, x₂, x₃ += input(x₀ ⊙ s)
 */
import { HyperParameters, readDecoder, readLocalRope, readWindows, setScale } from "./hyper_parameters";
import { addedInput, beginSharing, layerInputs, readInputWidth, sharingAttention } from "./layer_inputs";
import { Activation, Builder } from "../program/builder";

const STREAMS: u32 = 4;
const LAUREL: u32 = 64;
/** The square of the shortest stream that is made as long as another. */
const LEAST: f32 = 1e-5;
/** Layers whose gates keep a twentieth, and how many deviations it lies above the mean, unless the file says it. */
const SPARSE: u32 = 10;
const MULTIPLE: f32 = 1.6448533535;

export function gemma3n(b: Builder): void {
  const h = readDecoder(b);
  readWindows(b, h, 5, 0);
  readLocalRope(b, h, 10000);
  setScale(b, h, 1);
  b.countOr(".altup.num_inputs", STREAMS, STREAMS, STREAMS);
  b.countOr(".altup.active_idx", 0, 0, 0);
  const kept = b.layers - b.countOr(".attention.shared_kv_layers", max<u32>(b.layers, 20) - 20, 0, b.layers - 1);
  const width = readInputWidth(b, 256);
  const n = b.hidden;
  const rows = b.rowsOf("token_embd", n);
  const inputs = layerInputs(b, rows, width);
  const first = b.scale(rows, <f32>sqrt<f64>(n));
  let x = first;
  for (let j: u32 = 0; j < STREAMS - 1; j++) {
    x = b.join(x, b.level(b.linearRows(first, "altup_proj", j * n, n, (STREAMS - 1) * n), first, LEAST));
  }
  b.begin(x);
  for (let l: u32 = 0; l < b.layers; l++) {
    beginSharing(b, h, l, kept);
    const y = b.mixStreams(x, b.linear(choice(b, b.part(x, 0, n)), "altup_predict_coef", STREAMS * STREAMS));
    const active = b.part(y, 0, n);
    const a = b.rmsNorm(active, "attn_norm");
    const low = b.linear(b.linear(a, "laurel_l", LAUREL), "laurel_r", n);
    const laurel = b.add(a, b.rmsNorm(low, "laurel_post_norm"));
    const mixed = b.add(b.rmsNorm(sharingAttention(b, h, a, l, kept), "post_attention_norm"), active);
    const z = b.scale(b.add(mixed, laurel), <f32>sqrt<f64>(0.5));
    const f = b.add(b.rmsNorm(feedForward(b, h, b.rmsNorm(z, "ffn_norm"), l), "post_ffw_norm"), z);
    const by = b.linear(choice(b, f), "altup_correct_coef", STREAMS);
    const right = b.add(y, b.spread(b.add(f, b.scale(active, -1)), 0, by));
    const scaled = b.multiply(b.part(right, 0, n), "altup_correct_scale", ".weight");
    x = b.add(right, b.spread(addedInput(b, scaled, inputs, width), 1));
  }
  b.output();
  let sum = b.part(x, 0, n);
  for (let j: u32 = 0; j < STREAMS - 1; j++) {
    const made = b.linearRows(b.part(x, (j + 1) * n, n), "altup_unembd_proj", j * n, n, (STREAMS - 1) * n);
    sum = b.add(sum, b.level(made, b.part(x, 0, n), LEAST));
  }
  const merged = b.rmsNorm(b.scale(sum, <f32>(1.0 / <f64>STREAMS)), "output_norm");
  b.head(merged, "output", "token_embd", 1, b.float(".final_logit_softcapping", 30));
  // The stream that layers hand on is all four.
  b.hidden = STREAMS * n;
}

/** How much of each stream: c(v). */
function choice(b: Builder, v: u32): u32 {
  const scores = b.scale(b.rmsNorm(v, "altup_router_norm"), <f32>(1.0 / <f64>b.hidden));
  return b.softcap(b.linear(scores, "altup_router", STREAMS), 1);
}

function feedForward(b: Builder, h: HyperParameters, m: u32, l: u32): u32 {
  let gate = b.linear(m, "ffn_gate", h.ffn);
  const multiple = b.boundIn(".activation_sparsity_scale", l, l < SPARSE ? MULTIPLE : -Infinity);
  if (multiple > -Infinity) gate = b.sparsify(gate, multiple);
  return b.linear(b.activation(Activation.GELU, gate, b.linear(m, "ffn_up", h.ffn)), "ffn_down", b.hidden);
}
