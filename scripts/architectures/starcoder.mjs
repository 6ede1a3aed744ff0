/** starcoder: gpt2, whose heads share one head of keys and values. */
import { FEW_TYPES, layerNormKeys, PEERS } from "../architecture-keys.mjs";
import { gpt2 } from "./gpt2.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const starcoder = {
  models: "SantaCoder, StarCoder 1B to 15B, StarCoderBase, StarChat, WizardCoder 15B",
  shapes: {
    "starcoder-tiny": {
      ...{ layers: 3, hidden: 160, heads: 5, kvHeads: 1, ffn: 384, vocabulary: 512, context: 1024, theta: 1e4 },
      ...{ epsilon: 1e-5, pre: "gpt-2", tied: true },
    },
  },
  block: gpt2.block,
  ends: gpt2.ends,
  keys: layerNormKeys,
  types: FEW_TYPES,
  peers: PEERS,
  fixed: true,
  checkpoint: {
    config: (key) => ({
      model_type: "gpt_bigcode",
      n_layer: key("block_count"),
      n_positions: key("context_length"),
      n_embd: key("embedding_length"),
      n_inner: key("feed_forward_length"),
      n_head: key("attention.head_count"),
      layer_norm_epsilon: key("attention.layer_norm_epsilon"),
      activation_function: "gelu_pytorch_tanh",
      multi_query: true,
    }),
    names: gpt2.checkpoint?.names,
  },
};
