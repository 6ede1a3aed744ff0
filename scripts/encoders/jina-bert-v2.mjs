/** jina-bert-v2: ALiBi to both sides; three forms of the feed-forward network; norms of q and k, and a second norm. */
import { FEW_TYPES } from "../architecture-keys.mjs";
import { attentionBehind, encoderKeys, endTensors, ODD, POOLING, partKeys, TINY } from "../encoder-parts.mjs";
import { layerNorm } from "../random-parts.mjs";

/** @type {import("../encoders.mjs").Encoder} */
export const jinaBertV2 = {
  models: "Jina Embeddings 2, its models of code, Jina Reranker 1",
  shapes: {
    // Six heads: the slopes of the last two lie between those of the first four.
    "jina-bert-v2-tiny": { ...TINY, context: 600, theta: 0, parts: 2, separator: 137 },
    "jina-bert-v2-code": { ...ODD, context: 600, theta: 0, parts: 2, feedForward: "plain", rowNorms: true },
    "jina-bert-v2-fused": { ...ODD, context: 600, theta: 0, parts: 1, feedForward: "fused" },
    "jina-bert-v2-rank": {
      ...ODD,
      context: 600,
      theta: 0,
      parts: 1,
      pooling: POOLING.rank,
      labels: 1,
      classifier: "cls",
    },
    // llama.cpp takes 8, whatever the file says.
    "jina-bert-v2-slopes": { ...ODD, context: 600, theta: 0, parts: 1, most: 4 },
  },
  variants: {
    "jina-bert-v2-code": ["llama.cpp"],
    "jina-bert-v2-fused": ["llama.cpp"],
    "jina-bert-v2-rank": ["llama.cpp"],
    "jina-bert-v2-slopes": [],
  },
  block(w) {
    const { hidden, ffn, feedForward = "gated", rowNorms } = w.shape;
    attentionBehind(w);
    if (rowNorms) {
      layerNorm(w, "attn_q_norm");
      layerNorm(w, "attn_k_norm");
      layerNorm(w, "attn_norm_2");
    }
    w.matrix("ffn_up.weight", hidden, feedForward === "fused" ? 2 * ffn : ffn, w.unit);
    if (feedForward === "gated") w.matrix("ffn_gate.weight", hidden, ffn, w.unit);
    if (feedForward === "plain") w.add("ffn_up.bias", [ffn], "F32", 0.5);
    w.matrix("ffn_down.weight", ffn, hidden, w.added / (0.6 * Math.sqrt(ffn)), w.sensitive);
    w.add("ffn_down.bias", [hidden], "F32", w.added);
    layerNorm(w, "layer_output_norm");
  },
  ends: endTensors,
  keys: (shape) => [
    ...encoderKeys(shape),
    .../** @type {import("../vocabulary.mjs").Entry[]} */ (
      shape.most ? [["attention.max_alibi_bias", "f32", shape.most]] : []
    ),
  ],
  plainKeys: partKeys,
  types: FEW_TYPES,
  peers: ["llama.cpp"],
};
