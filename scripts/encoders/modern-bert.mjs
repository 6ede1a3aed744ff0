/** modern-bert: norms before the branches, the first layer without one; two layers of three see a window. */
import { FEW_TYPES, PEERS } from "../architecture-keys.mjs";
import { encoderKeys, headTensors, ODD, POOLING, TINY } from "../encoder-parts.mjs";

const LOCAL = { context: 600, theta: 160000, window: 8 };

/** @type {import("../encoders.mjs").Encoder} */
export const modernBert = {
  models: "ModernBERT, GTE-ModernBERT, Granite Embedding R2, Ettin encoders, and rerankers of them",
  shapes: {
    "modern-bert-tiny": { ...TINY, ...LOCAL, layers: 4, epsilon: 1e-5, pooling: POOLING.cls },
    "modern-bert-silu": { ...ODD, ...LOCAL, layers: 3, silu: true, epsilon: 1e-5, window: 5, pooling: POOLING.mean },
    "modern-bert-rank": { ...ODD, ...LOCAL, layers: 3, epsilon: 1e-5, pooling: POOLING.rank, labels: 2 },
  },
  variants: { "modern-bert-silu": PEERS, "modern-bert-rank": PEERS },
  block(w) {
    const { hidden, heads, ffn } = w.shape;
    if (w.layer > 0) w.norm("attn_norm.weight", hidden);
    w.matrix("attn_qkv.weight", hidden, 3 * hidden, 1.4 * w.unit);
    w.matrix("attn_output.weight", heads * w.headSize, hidden, (2 * w.added) / Math.sqrt(hidden));
    w.norm("ffn_norm.weight", hidden);
    w.matrix("ffn_up.weight", hidden, 2 * ffn, w.unit);
    w.matrix("ffn_down.weight", ffn, hidden, w.added / (0.6 * Math.sqrt(ffn)), w.sensitive);
  },
  ends(w) {
    const { hidden, labels } = w.shape;
    w.norm("token_embd_norm.weight", hidden);
    w.norm("output_norm.weight", hidden);
    if (labels) w.norm("cls.norm.weight", hidden);
    headTensors(w);
  },
  keys: (shape) => [
    ...encoderKeys(shape),
    ["attention.sliding_window", "u32", shape.window ?? 0],
    .../** @type {import("../vocabulary.mjs").Entry[]} */ (
      shape.silu ? [["hidden_activation", "string", "silu"]] : [["rope.freq_base_swa", "f32", 5000]]
    ),
  ],
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key, { labels = 0, silu }) => ({
      model_type: "modernbert",
      pad_token_id: 0,
      architectures: [labels ? "ModernBertForSequenceClassification" : "ModernBertModel"],
      hidden_activation: silu ? "silu" : "gelu",
      norm_eps: key("attention.layer_norm_epsilon"),
      local_attention: key("attention.sliding_window"),
      rope_theta: undefined,
      global_rope_theta: key("rope.freq_base"),
      local_rope_theta: key("rope.freq_base_swa") ?? 1e4,
      classifier_pooling: "mean",
      ...(labels ? { id2label: Object.fromEntries(Array.from({ length: labels }, (_, i) => [i, `LABEL_${i}`])) } : {}),
    }),
    names: ({ labels }) => {
      const prefix = labels ? "model." : "";
      return [
        [/^token_embd_norm/, `${prefix}embeddings.norm`],
        [/^token_embd/, `${prefix}embeddings.tok_embeddings`],
        [/^output_norm/, `${prefix}final_norm`],
        [/^cls\.norm/, "head.norm"],
        [/^cls\.output/, "classifier"],
        [/^cls/, "head.dense"],
        [/^blk\.(\d+)\.attn_norm/, `${prefix}layers.$1.attn_norm`],
        [/^blk\.(\d+)\.attn_qkv/, `${prefix}layers.$1.attn.Wqkv`],
        [/^blk\.(\d+)\.attn_output/, `${prefix}layers.$1.attn.Wo`],
        [/^blk\.(\d+)\.ffn_norm/, `${prefix}layers.$1.mlp_norm`],
        [/^blk\.(\d+)\.ffn_up/, `${prefix}layers.$1.mlp.Wi`],
        [/^blk\.(\d+)\.ffn_down/, `${prefix}layers.$1.mlp.Wo`],
      ];
    },
  },
};
