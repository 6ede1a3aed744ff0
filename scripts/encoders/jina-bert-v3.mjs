/** jina-bert-v3: as bert, with RoPE for positions. */
import { FEW_TYPES, PEERS } from "../architecture-keys.mjs";
import { bertLayer, encoderKeys, endTensors, flashNames, partKeys, TINY } from "../encoder-parts.mjs";

/** @type {import("../encoders.mjs").Encoder} */
export const jinaBertV3 = {
  models: "Jina Embeddings 3",
  refuses: "the adapters of its tasks",
  shapes: { "jina-bert-v3-tiny": { ...TINY, context: 600, theta: 20000, fused: true, parts: 1 } },
  block: bertLayer,
  ends: endTensors,
  keys: encoderKeys,
  plainKeys: partKeys,
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key, { parts }) => ({
      model_type: "jina_embeddings_v3",
      architectures: ["JinaEmbeddingsV3Model"],
      hidden_act: "gelu",
      layer_norm_eps: key("attention.layer_norm_epsilon"),
      type_vocab_size: parts,
      rope_parameters: { rope_type: "default", rope_theta: key("rope.freq_base") },
    }),
    names: flashNames("mixer"),
  },
};
