/** gemma4: inputs of layers, keys of layers before, head sizes by kind of layer, experts beside the dense network. */
import { denseKeys, expertKeys, FEW_TYPES } from "../architecture-keys.mjs";
import { normsBehind } from "../random-parts.mjs";
import { GEMMA } from "./gemma.mjs";
import { GEMMA_NAMES } from "./gemma2.mjs";

/** @typedef {import("../random-models.mjs").Weights} Weights */

/** @type {import("../architectures.mjs").Checkpoint["names"]} */
export const INPUT_NAMES = [
  ...GEMMA_NAMES,
  [/^per_layer_token_embd/, "model.embed_tokens_per_layer"],
  [/^per_layer_model_proj/, "model.per_layer_model_projection"],
  [/^per_layer_proj_norm/, "model.per_layer_projection_norm"],
  [/^blk\.(\d+)\.inp_gate/, "model.layers.$1.per_layer_input_gate"],
  [/^blk\.(\d+)\.proj/, "model.layers.$1.per_layer_projection"],
  [/^blk\.(\d+)\.post_norm/, "model.layers.$1.post_per_layer_input_norm"],
];

/** What checkpoints call layers without a window and with one. @param {boolean[]} locals */
export const layerTypes = (locals) => locals.map((local) => (local ? "sliding_attention" : "full_attention"));

/** Layers that see all: every third. @param {number} layer */
const seesAll = (layer) => layer % 3 === 2;

/** Tensors of no layer that make inputs of layers. @param {Weights} w */
export function layerInputs(w) {
  const { hidden, layers, inputWidth = 0, vocabulary } = w.shape;
  if (inputWidth === 0) return;
  w.matrix("per_layer_token_embd.weight", inputWidth * layers, vocabulary, 1 / Math.sqrt(inputWidth));
  w.matrix("per_layer_model_proj.weight", hidden, inputWidth * layers, 1);
  w.norm("per_layer_proj_norm.weight", inputWidth);
}

/** What takes the input into a layer. @param {Weights} w */
export function inputOfLayer(w) {
  const { hidden, inputWidth = 0 } = w.shape;
  if (inputWidth === 0) return;
  w.matrix("inp_gate.weight", hidden, inputWidth, w.unit);
  w.matrix("proj.weight", inputWidth, hidden, 1 / Math.sqrt(inputWidth));
  w.norm("post_norm.weight", hidden);
}

/** Attention whose last layers may have no keys and values of their own. @param {Weights} w @param {number} size of a head @param {boolean} keeps */
function attention(w, size, keeps) {
  const { hidden, heads } = w.shape;
  w.norm("attn_norm.weight", hidden);
  w.matrix("attn_q.weight", hidden, heads * size, w.unit);
  w.add("attn_q_norm.weight", [size], "F32", 0.1, 0.5); // Nothing scales the scores.
  if (keeps) {
    w.matrix("attn_k.weight", hidden, w.kvHeads * size, w.unit);
    w.add("attn_k_norm.weight", [size], "F32", 0.1, 0.5);
    // Where a layer sees all of a model with experts, values are made of what keys are made of.
    if (!(w.shape.experts && seesAll(w.layer))) {
      w.matrix("attn_v.weight", hidden, w.kvHeads * size, w.unit, w.sensitive);
    }
  }
  w.matrix("attn_output.weight", heads * size, hidden, 2 / Math.sqrt(heads * size));
}

/** @param {Weights} w */
function mixture(w) {
  const { hidden, experts = 0, expertWidth = 0 } = w.shape;
  w.add("ffn_gate_inp.weight", [hidden, experts], "F32", 2);
  w.add("ffn_gate_inp.scale", [hidden], "F32", 0.1, 1);
  for (const name of ["pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2"]) w.norm(`${name}.weight`, hidden);
  w.experts("ffn_gate_up_exps.weight", hidden, 2 * expertWidth, w.unit);
  w.experts("ffn_down_exps.weight", expertWidth, hidden, 1 / Math.sqrt(expertWidth), w.sensitive);
  w.add("ffn_down_exps.scale", [experts], "F32", 0.2, 1);
}

/** @type {import("../architectures.mjs").Architecture} */
export const gemma4 = {
  models: "Gemma 4 E2B, E4B, 12B, 26B-A4B and 31B, text",
  refuses: "images and sound",
  shapes: {
    // As E2B: layers' inputs, four last layers that read keys, whose network is twice as wide. The window is short.
    "gemma4-tiny": {
      ...{ ...GEMMA, theta: 1e6, layers: 7, hidden: 128, heads: 4, kvHeads: 1, headSize: 64, localSize: 48 },
      ...{ ffn: 160, window: 6, inputWidth: 32, sharing: 4 },
    },
    // As 26B: experts, and values that are made of what keys are made of.
    "gemma4-experts": {
      ...{ ...GEMMA, theta: 1e6, layers: 4, hidden: 128, heads: 4, kvHeads: 2, headSize: 64, localSize: 48 },
      ...{ ffn: 160, window: 6, experts: 6, used: 2, expertWidth: 96 },
    },
  },
  block(w) {
    const { hidden, layers, sharing = 0, headSize = 0, localSize = 0, experts } = w.shape;
    const keeps = w.layer < layers - sharing;
    attention(w, seesAll(w.layer) ? headSize : localSize, keeps);
    const ffn = keeps ? w.shape.ffn : 2 * w.shape.ffn;
    w.norm("ffn_norm.weight", hidden);
    w.matrix("ffn_gate.weight", hidden, ffn, w.unit);
    w.matrix("ffn_up.weight", hidden, ffn, w.unit);
    w.matrix("ffn_down.weight", ffn, hidden, 1 / (0.6 * Math.sqrt(ffn)), w.sensitive);
    normsBehind(w);
    if (experts) mixture(w);
    inputOfLayer(w);
    w.add("layer_output_scale.weight", [1], "F32", 0.1, 0.8);
  },
  ends(w) {
    layerInputs(w);
    const { headSize = 0 } = w.shape;
    // A quarter of the pairs turn, the others stand still.
    const factors = Float32Array.from({ length: headSize / 2 }, (_, i) => (i < headSize / 8 ? 1 : 1e30));
    const fill = (/** @type {Uint8Array} */ chunk) => chunk.set(new Uint8Array(factors.buffer));
    w.tensors.push({ name: "rope_freqs.weight", type: "F32", shape: [factors.length], fill });
  },
  keys(shape) {
    const { layers, ffn, window = 0, headSize = 0, localSize = 0, sharing = 0, inputWidth = 0, experts } = shape;
    const each = Array.from({ length: layers }, (_, l) => l);
    const widths = each.map((l) => (l < layers - sharing ? ffn : 2 * ffn));
    return [
      ...denseKeys(shape, headSize, headSize, headSize).filter(([name]) => name !== "feed_forward_length" || !sharing),
      ...(sharing ? [/** @type {const} */ (["feed_forward_length", "i32[]", widths])] : []),
      ...(experts ? expertKeys(shape) : []),
      ["attention.key_length_swa", "u32", localSize],
      ["attention.value_length_swa", "u32", localSize],
      ["rope.dimension_count_swa", "u32", localSize],
      ["rope.freq_base_swa", "f32", 1e4],
      ["attention.sliding_window", "u32", window],
      ["attention.sliding_window_pattern", "bool[]", each.map((l) => !seesAll(l))],
      ["attention.shared_kv_layers", "u32", sharing],
      ["embedding_length_per_layer_input", "u32", inputWidth],
      ["final_logit_softcapping", "f32", 3],
    ];
  },
  variants: { "gemma4-experts": ["llama.cpp"] },
  types: FEW_TYPES,
  peers: ["llama.cpp"],
  checkpoint: {
    config: (key) => {
      const locals = key("attention.sliding_window_pattern");
      const widths = key("feed_forward_length");
      const base = key("rope.freq_base");
      return {
        model_type: "gemma4_text",
        intermediate_size: Array.isArray(widths) ? widths[0] : widths,
        use_double_wide_mlp: Array.isArray(widths),
        hidden_activation: "gelu_pytorch_tanh",
        head_dim: key("attention.key_length_swa"),
        global_head_dim: key("attention.key_length"),
        num_kv_shared_layers: key("attention.shared_kv_layers"),
        hidden_size_per_layer_input: key("embedding_length_per_layer_input"),
        sliding_window: key("attention.sliding_window"),
        layer_types: layerTypes(locals),
        final_logit_softcapping: key("final_logit_softcapping"),
        rope_parameters: {
          full_attention: { rope_type: "proportional", partial_rotary_factor: 0.25, rope_theta: base },
          sliding_attention: { rope_type: "default", rope_theta: key("rope.freq_base_swa") },
        },
        ...(key("expert_count") && {
          num_experts: key("expert_count"),
          top_k_experts: key("expert_used_count"),
          moe_intermediate_size: key("expert_feed_forward_length"),
        }),
      };
    },
    names: [
      [/^blk\.(\d+)\.layer_output_scale\.weight/, "model.layers.$1.layer_scalar"],
      [/^blk\.(\d+)\.ffn_gate_inp\.scale/, "model.layers.$1.router.scale"],
      [/^blk\.(\d+)\.ffn_gate_inp/, "model.layers.$1.router.proj"],
      [/^blk\.(\d+)\.ffn_down_exps\.scale/, "model.layers.$1.router.per_expert_scale"],
      [/^blk\.(\d+)\.ffn_(gate_up|down)_exps\.weight/, "model.layers.$1.experts.$2_proj"],
      [/^blk\.(\d+)\.pre_ffw_norm_2/, "model.layers.$1.pre_feedforward_layernorm_2"],
      [/^blk\.(\d+)\.post_ffw_norm_(1|2)/, "model.layers.$1.post_feedforward_layernorm_$2"],
      ...INPUT_NAMES,
    ],
  },
};
