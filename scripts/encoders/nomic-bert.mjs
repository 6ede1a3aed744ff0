/** nomic-bert: as bert, with RoPE and a gate of SiLU. */
import { FEW_TYPES, PEERS } from "../architecture-keys.mjs";
import {
  attentionBehind,
  encoderKeys,
  endTensors,
  flashNames,
  ODD,
  POOLING,
  partKeys,
  TINY,
} from "../encoder-parts.mjs";
import { gatedFeedForward, layerNorm } from "../random-parts.mjs";

/** @type {import("../encoders.mjs").Encoder} */
export const nomicBert = {
  models: "Nomic Embed v1 and v1.5, CodeRankEmbed",
  shapes: {
    "nomic-bert-tiny": { ...TINY, context: 600, theta: 1000, fused: true, parts: 2, separator: 137 },
    "nomic-bert-split": { ...ODD, context: 600, theta: 1000, parts: 1, pooling: POOLING.cls },
  },
  variants: { "nomic-bert-split": ["llama.cpp"] },
  block(w) {
    attentionBehind(w, false);
    gatedFeedForward(w, { norm: false });
    layerNorm(w, "layer_output_norm");
  },
  ends: endTensors,
  keys: encoderKeys,
  plainKeys: partKeys,
  types: FEW_TYPES,
  peers: PEERS,
  unconverted: ["nomic-bert-split"],
  checkpoint: {
    config: (key, { parts }) => ({
      model_type: "nomic_bert",
      architectures: ["NomicBertModel"],
      hidden_act: "silu",
      layer_norm_eps: key("attention.layer_norm_epsilon"),
      type_vocab_size: parts,
      rope_parameters: { rope_type: "default", rope_theta: key("rope.freq_base") },
    }),
    names: flashNames("attn"),
  },
};
