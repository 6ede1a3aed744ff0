/** bert: learned positions, rows of parts, norms behind the sums, GELU; poolings, linear maps and classifiers. */
import { PEERS, TYPES } from "../architecture-keys.mjs";
import { bertLayer, encoderKeys, endTensors, ODD, POOLING, partKeys, TINY } from "../encoder-parts.mjs";

const CONTEXT = { context: 600, theta: 0 };

/** What a config says of each kind. @type {Record<string, import("../architectures.mjs").Checkpoint["config"]>} */
const CONFIGS = {
  bert: (key, { parts, labels }) => ({
    model_type: "bert",
    architectures: [labels ? "BertForSequenceClassification" : "BertModel"],
    hidden_act: "gelu",
    layer_norm_eps: key("attention.layer_norm_epsilon"),
    type_vocab_size: parts,
  }),
  distilbert: (key) => ({
    model_type: "distilbert",
    architectures: ["DistilBertModel"],
    activation: "gelu",
    dim: key("embedding_length"),
    hidden_dim: key("feed_forward_length"),
    n_heads: key("attention.head_count"),
    n_layers: key("block_count"),
  }),
  roberta: (key, { context, labels }) => ({
    model_type: "xlm-roberta",
    architectures: [labels ? "XLMRobertaForSequenceClassification" : "XLMRobertaModel"],
    hidden_act: "gelu",
    layer_norm_eps: key("attention.layer_norm_epsilon"),
    type_vocab_size: 1,
    pad_token_id: 1,
    max_position_embeddings: context + 2,
  }),
};

/** What a checkpoint of each kind calls tensors; of one with a classifier the rest has the kind's word before it. */
function namesOf(/** @type {import("../architectures.mjs").Shape} */ { checkpoint = "bert", labels }) {
  const prefix = labels ? `${checkpoint}.` : "";
  const roberta = checkpoint === "roberta";
  /** @type {[RegExp, string][]} */
  const ends = [
    [/^token_embd_norm/, `${prefix}embeddings.LayerNorm`],
    [/^token_embd/, `${prefix}embeddings.word_embeddings`],
    [/^token_types/, `${prefix}embeddings.token_type_embeddings`],
    [/^position_embd/, `${prefix}embeddings.position_embeddings`],
    [/^cls\.output/, roberta ? "classifier.out_proj" : "classifier"],
    [/^cls/, roberta ? "classifier.dense" : `${prefix}pooler.dense`],
  ];
  const distilled = checkpoint === "distilbert";
  const layer = distilled ? "transformer.layer.$1." : `${prefix}encoder.layer.$1.`;
  const words = distilled
    ? [
        "attention.q_lin",
        "attention.k_lin",
        "attention.v_lin",
        "sa_layer_norm",
        "attention.out_lin",
        "ffn.lin1",
        "ffn.lin2",
        "output_layer_norm",
      ]
    : [
        ...["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.LayerNorm"],
        ...["attention.output.dense", "intermediate.dense", "output.dense", "output.LayerNorm"],
      ];
  const own = [
    "attn_q",
    "attn_k",
    "attn_v",
    "attn_output_norm",
    "attn_output",
    "ffn_up",
    "ffn_down",
    "layer_output_norm",
  ];
  return [
    ...ends,
    ...own.map(
      (name, i) => /** @type {[RegExp, string]} */ ([new RegExp(`^blk\\.(\\d+)\\.${name}`), `${layer}${words[i]}`]),
    ),
  ];
}

/** @type {import("../encoders.mjs").Encoder} */
export const bert = {
  models: "BERT, DistilBERT, RoBERTa, XLM-R, MiniLM, BGE, E5, GTE, Arctic Embed, and rerankers of them",
  shapes: {
    "bert-tiny": { ...TINY, ...CONTEXT, parts: 2, separator: 137 },
    "bert-plain": { ...ODD, ...CONTEXT, pooling: POOLING.cls, checkpoint: "distilbert" },
    // RoBERTa's checkpoint has rows of positions before the first that is used.
    "bert-shifted": { ...ODD, ...CONTEXT, parts: 1, epsilon: 1e-5, pooling: POOLING.mean, checkpoint: "roberta" },
    "bert-shifted-rank": {
      ...{ ...ODD, ...CONTEXT, parts: 1, epsilon: 1e-5, checkpoint: "roberta" },
      ...{ pooling: POOLING.rank, labels: 1 },
    },
    "bert-fused": { ...ODD, ...CONTEXT, fused: true, parts: 1, separator: 137, pooling: POOLING.last },
    "bert-rows": { ...ODD, ...CONTEXT, parts: 2, pooling: POOLING.none },
    "bert-dense": { ...ODD, ...CONTEXT, parts: 1, maps: [84, 36] },
    "bert-rank": { ...ODD, ...CONTEXT, parts: 2, separator: 137, pooling: POOLING.rank, labels: 1 },
    "bert-labels": { ...ODD, ...CONTEXT, parts: 1, pooling: POOLING.rank, labels: 3, classifier: "output" },
  },
  variants: {
    "bert-plain": ["transformers"],
    "bert-shifted": ["transformers"],
    "bert-shifted-rank": ["transformers"],
    "bert-fused": ["llama.cpp"],
    "bert-rows": ["llama.cpp"],
    "bert-dense": ["transformers"],
    "bert-rank": ["llama.cpp", "transformers"],
    "bert-labels": ["llama.cpp"],
  },
  block: bertLayer,
  ends(w) {
    w.matrix("position_embd.weight", w.shape.hidden, w.shape.context, w.unit);
    endTensors(w);
  },
  keys: encoderKeys,
  plainKeys: partKeys,
  types: TYPES,
  peers: PEERS,
  // No pooling is none that a folder says, and no checkpoint of BERT has these classifiers or matrices.
  unconverted: ["bert-fused", "bert-rows", "bert-labels"],
  checkpoint: {
    config: (key, shape) => ({
      ...CONFIGS[shape.checkpoint ?? "bert"](key, shape),
      ...(shape.labels ? { id2label: { 0: "LABEL_0" } } : {}),
    }),
    names: namesOf,
    layout(name, _, { checkpoint, hidden, context }) {
      const dropped = name === "position_embd.weight" && checkpoint === "roberta";
      return dropped ? { shape: [context + 2, hidden], rowOf: (row) => row + 2 } : undefined;
    },
  },
};
