/**
 * gemma4: Gemma 4 (E2B, E4B, 12B, 26B-A4B, 31B), the text part, after its released code. As gemma3 with norms of
 * values, scores that nothing scales, heads of another size in layers with a window, and a number that each layer's
 * output is multiplied with. In the small models layers have inputs of their own and the last ones read keys of layers
 * before them (layer_inputs.ts); in the 26B model experts stand beside the dense network; where there is no Wv, v = Wk
 * a.
 *
 *     x += RMSNorm(Attention(RMSNorm(x)))
 *     x += RMSNorm(GeGLU(RMSNorm(x)))      or RMSNorm(RMSNorm(GeGLU(RMSNorm(x))) + RMSNorm(Experts(RMSNorm(x))))
 *     x = (x + input) · s
 */
import { gatedFeedForward } from "./blocks";
import { expertsOf, readExperts, NORMALISED } from "./experts";
import { HEAD_SIZE_LIMIT, HyperParameters, readDecoder, readWindows, setScale, windowOf } from "./hyper_parameters";
import { addedInput, beginSharing, layerInputs, readInputWidth, sharingAttention } from "./layer_inputs";
import { localRope } from "./rope";
import { Activation, Builder, Gating } from "../program/builder";

export function gemma4(b: Builder): void {
  const h = readDecoder(b);
  readWindows(b, h, 6, 0);
  const size = h.keySize;
  const localSize = b.countOr(".attention.key_length_swa", size, 1, HEAD_SIZE_LIMIT);
  if (h.valueSize != size || b.countOr(".attention.value_length_swa", localSize, 1, HEAD_SIZE_LIMIT) != localSize) {
    b.broken("attention.value_length must be attention.key_length, and so with _swa; convert the model anew");
  }
  h.localRope = localRope(b, b.countOr(".rope.dimension_count_swa", localSize, 2, localSize), 10000);
  setScale(b, h, 1);
  if (b.countOr(".expert_count", 0, 0, 4096) > 0) readExperts(b, h, Gating.SOFTMAX, NORMALISED);
  const kept = b.layers - b.countOr(".attention.shared_kv_layers", 0, 0, b.layers - 1);
  const width = readInputWidth(b, 0);
  const rows = b.rowsOf("token_embd", b.hidden);
  let x = b.begin(b.scale(rows, <f32>sqrt<f64>(b.hidden)));
  const inputs = width ? layerInputs(b, rows, width) : 0;
  for (let l: u32 = 0; l < b.layers; l++) {
    h.keySize = windowOf(b, h, l) ? localSize : size;
    h.valueSize = h.keySize;
    beginSharing(b, h, l, kept);
    const mixed = sharingAttention(b, h, b.rmsNorm(x, "attn_norm"), l, kept);
    x = b.add(x, b.rmsNorm(mixed, "post_attention_norm"));
    x = b.add(x, b.rmsNorm(feedForward(b, h, x), "post_ffw_norm"));
    if (width) x = b.add(x, addedInput(b, x, inputs, width));
    x = b.scaleBy(x, "layer_output_scale");
  }
  b.output();
  b.head(b.rmsNorm(x, "output_norm"), "output", "token_embd", 1, b.float(".final_logit_softcapping", 0));
}

/** The dense network, and experts beside it: their scores are those of x by itself. */
function feedForward(b: Builder, h: HyperParameters, x: u32): u32 {
  const dense = gatedFeedForward(b, h, b.rmsNorm(x, "ffn_norm"), Activation.GELU);
  if (!h.experts || !b.hasWeight("ffn_gate_inp")) return dense;
  const plain = b.scale(b.plainRmsNorm(x), <f32>(1.0 / sqrt<f64>(b.hidden)));
  const scored = b.multiply(plain, "ffn_gate_inp", ".scale");
  const chosen = b.route(
    scored, "ffn_gate_inp", "exp_probs_b", h.experts, h.used, h.gating, h.normalised, h.expertFactor,
  );
  b.scaleExperts("ffn_down_exps", ".scale");
  const given = expertsOf(b, h, b.rmsNorm(x, "pre_ffw_norm_2"), chosen, Activation.GELU);
  return b.add(b.rmsNorm(dense, "post_ffw_norm_1"), b.rmsNorm(given, "post_ffw_norm_2"));
}
