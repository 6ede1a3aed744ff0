/** gemma3n: four streams, a low-rank branch, sparse gates, inputs of layers, keys of layers before. */
import { groupedKeys, PEERS } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention, normsBehind } from "../random-parts.mjs";
import { GEMMA } from "./gemma.mjs";
import { INPUT_NAMES, inputOfLayer, layerInputs, layerTypes } from "./gemma4.mjs";

const LAUREL = 64;
/** What gemma3n's sparse gates have: the point that a twentieth of a normal distribution lies above. */
const MULTIPLE = 1.6448533535003662;

const GEMMA3N = {
  ...{ ...GEMMA, theta: 1e6, hidden: 64, heads: 2, kvHeads: 1, headSize: 32, ffn: 1024, window: 6 },
  ...{ inputWidth: 256 },
};

/** @type {import("../architectures.mjs").Architecture} */
export const gemma3n = {
  models: "Gemma 3n E2B and E4B, text",
  refuses: "images and sound",
  // llama.cpp has inputs of 256, and the first twenty layers keep keys, whatever the file says.
  shapes: {
    "gemma3n-tiny": { ...GEMMA3N, layers: 6 },
    "gemma3n-deep": { ...GEMMA3N, layers: 25, ffn: 256, sharing: 5 },
  },
  block(w) {
    const { hidden } = w.shape;
    // Nothing scales the scores.
    groupedAttention(w, { norms: true, mean: 0.5 });
    gatedFeedForward(w);
    normsBehind(w);
    inputOfLayer(w);
    w.add("altup_correct_coef.weight", [4, 4], "F32", 0.2);
    w.norm("altup_correct_scale.weight", hidden);
    w.add("altup_predict_coef.weight", [4, 16], "F32", 0.1);
    w.add("altup_router.weight", [hidden, 4], "F32", 8);
    w.norm("altup_router_norm.weight", hidden);
    w.matrix("laurel_l.weight", hidden, LAUREL, w.unit);
    w.matrix("laurel_r.weight", LAUREL, hidden, 1 / Math.sqrt(LAUREL));
    w.norm("laurel_post_norm.weight", hidden);
  },
  ends(w) {
    const { hidden } = w.shape;
    layerInputs(w);
    for (const name of ["altup_proj", "altup_unembd_proj"]) {
      w.slabs(`${name}.weight`, hidden, hidden, 3, w.unit);
    }
  },
  keys(shape) {
    const { layers, window = 0, inputWidth = 0, sharing = 0 } = shape;
    const each = Array.from({ length: layers }, (_, l) => l);
    return [
      ...groupedKeys(shape),
      // llama.cpp knows no other.
      ["final_logit_softcapping", "f32", 30],
      ["attention.sliding_window", "u32", window],
      ["attention.sliding_window_pattern", "bool[]", each.map((l) => l % 5 !== 4)],
      ["attention.shared_kv_layers", "u32", sharing],
      ["embedding_length_per_layer_input", "u32", inputWidth],
      ["altup.num_inputs", "u32", 4],
      ["altup.active_idx", "u32", 0],
      ["activation_sparsity_scale", "f32[]", each.map((l) => (l < 10 ? MULTIPLE : -Infinity))],
    ];
  },
  variants: { "gemma3n-deep": ["transformers"] },
  types: ["F32", "Q8_0"],
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      model_type: "gemma3n_text",
      head_dim: key("attention.key_length"),
      hidden_activation: "gelu_pytorch_tanh",
      sliding_window: key("attention.sliding_window"),
      layer_types: layerTypes(key("attention.sliding_window_pattern")),
      rope_local_base_freq: 1e4,
      num_kv_shared_layers: key("attention.shared_kv_layers"),
      hidden_size_per_layer_input: key("embedding_length_per_layer_input"),
      vocab_size_per_layer_input: key("vocab_size"),
      altup_num_inputs: 4,
      altup_active_idx: 0,
      laurel_rank: LAUREL,
      activation_sparsity_pattern: key("activation_sparsity_scale").map((/** @type {number} */ m) =>
        m > 0 ? 0.95 : 0,
      ),
      final_logit_softcapping: key("final_logit_softcapping"),
    }),
    names: [
      [/^altup_proj\.weight/, "model.altup_projections.#.weight"],
      [/^altup_unembd_proj\.weight/, "model.altup_unembed_projections.#.weight"],
      [/^blk\.(\d+)\.altup_correct_coef/, "model.layers.$1.altup.correction_coefs"],
      [/^blk\.(\d+)\.altup_correct_scale\.weight/, "model.layers.$1.altup.correct_output_scale"],
      [/^blk\.(\d+)\.altup_predict_coef/, "model.layers.$1.altup.prediction_coefs"],
      [/^blk\.(\d+)\.altup_router_norm/, "model.layers.$1.altup.router_norm"],
      [/^blk\.(\d+)\.altup_router/, "model.layers.$1.altup.modality_router"],
      [/^blk\.(\d+)\.laurel_l/, "model.layers.$1.laurel.linear_left"],
      [/^blk\.(\d+)\.laurel_r/, "model.layers.$1.laurel.linear_right"],
      [/^blk\.(\d+)\.laurel_post_norm/, "model.layers.$1.laurel.post_laurel_norm"],
      ...INPUT_NAMES,
    ],
  },
};
