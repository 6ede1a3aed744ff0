/** eurobert: llama's layer over whole texts. */
import { FEW_TYPES, PEERS } from "../architecture-keys.mjs";
import { BASE_NAMES, headTensors, ODD, POOLING, TINY, textKeys } from "../encoder-parts.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** @type {import("../encoders.mjs").Encoder} */
export const eurobert = {
  models: "EuroBERT 210M to 2.1B",
  shapes: {
    "eurobert-tiny": { ...TINY, context: 600, theta: 250000, kvHeads: 2, epsilon: 1e-5 },
    "eurobert-last": { ...ODD, context: 600, theta: 10000, kvHeads: 1, epsilon: 1e-5, pooling: POOLING.last },
  },
  variants: { "eurobert-last": PEERS },
  block(w) {
    groupedAttention(w);
    gatedFeedForward(w);
  },
  ends(w) {
    w.norm("output_norm.weight", w.shape.hidden);
    headTensors(w);
  },
  keys: (shape) => [["attention.layer_norm_rms_epsilon", "f32", shape.epsilon], ...textKeys(shape)],
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      pad_token_id: 0,
      architectures: ["EuroBertModel"],
      hidden_act: "silu",
      rope_parameters: { rope_type: "default", rope_theta: key("rope.freq_base") },
    }),
    names: BASE_NAMES,
  },
};
