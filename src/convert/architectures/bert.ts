/** bert: BERT, DistilBERT, RoBERTa and XLM-R, and what ranks by a classifier of theirs. */
import { linear, matrix } from "../decoder.ts";
import {
  classifier,
  type Encoder,
  encoderKeys,
  oldLayerNorm,
  partRows,
  planEncoder,
  readEncoder,
  requireOneOf,
} from "../encoder.ts";
import type { Config } from "../folder.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

/** What a layer is called, behind its number: in the file, in the checkpoint. */
type LayerNames = readonly (readonly [name: string, source: string])[];

const BERT: LayerNames = [
  ["attn_q", "attention.self.query"],
  ["attn_k", "attention.self.key"],
  ["attn_v", "attention.self.value"],
  ["attn_output", "attention.output.dense"],
  ["attn_output_norm", "attention.output.LayerNorm"],
  ["ffn_up", "intermediate.dense"],
  ["ffn_down", "output.dense"],
  ["layer_output_norm", "output.LayerNorm"],
];

const DISTILBERT: LayerNames = [
  ["attn_q", "attention.q_lin"],
  ["attn_k", "attention.k_lin"],
  ["attn_v", "attention.v_lin"],
  ["attn_output", "attention.out_lin"],
  ["attn_output_norm", "sa_layer_norm"],
  ["ffn_up", "ffn.lin1"],
  ["ffn_down", "ffn.lin2"],
  ["layer_output_norm", "output_layer_norm"],
];

/** Heads of other tasks, and the layer behind [CLS] that only a classifier reads. */
const WITHOUT =
  /(^|\.)(pooler\.|cls\.(predictions|seq_relationship)\.|lm_head\.|vocab_(transform|layer_norm|projector)\.|embeddings\.position_ids$)/;

const WORDS = "embeddings.word_embeddings.weight";

export function planBert(given: Config, checkpoint: Checkpoint): Plan {
  if (given.get("model_type") === "distilbert") return planDistilbert(given, checkpoint);
  const isRoberta = given.get("model_type") !== "bert";
  requireOneOf(given, "hidden_act", ["gelu"]);
  const encoder = readEncoder("bert", given, checkpoint, WORDS, ["", "bert.", "roberta."]);
  const { prefix } = encoder;
  // RoBERTa counts positions from behind the padding's number on: the rows before are nobody's.
  const first = isRoberta ? given.number("pad_token_id", 1) + 1 : 0;
  const parts = partRows(given, encoder, `${prefix}embeddings.token_type_embeddings.weight`);
  const head = classifier(encoder, given, checkpoint, {
    dense: isRoberta ? "classifier.dense" : `${prefix}pooler.dense`,
    output: isRoberta ? "classifier.out_proj" : "classifier",
  });
  return planParts(encoder, given, checkpoint, {
    first,
    epsilon: given.number("layer_norm_eps", isRoberta ? 1e-5 : 1e-12),
    parts,
    head,
    names: BERT,
    stack: `${prefix}encoder.layer`,
  });
}

function planDistilbert(given: Config, checkpoint: Checkpoint): Plan {
  requireOneOf(given, "activation", ["gelu"]);
  if (checkpoint.tensors.has("pre_classifier.weight")) {
    throw given.wrong("its classifier goes through ReLU, which no file of bert says", "UNSUPPORTED");
  }
  const config = given.with({
    num_hidden_layers: given.get("n_layers"),
    num_attention_heads: given.get("n_heads"),
    hidden_size: given.get("dim"),
    intermediate_size: given.get("hidden_dim"),
  });
  const encoder = readEncoder("bert", config, checkpoint, WORDS, ["", "distilbert."]);
  return planParts(encoder, config, checkpoint, {
    first: 0,
    epsilon: 1e-12,
    parts: { keys: [["tokenizer.ggml.token_type_count", "u32", 1]], tensors: [] },
    head: { keys: [], tensors: [] },
    names: DISTILBERT,
    stack: `${encoder.prefix}transformer.layer`,
  });
}

interface Parts {
  /** The first row of positions that is used. */
  readonly first: number;
  readonly epsilon: number;
  readonly parts: ReturnType<typeof partRows>;
  readonly head: ReturnType<typeof classifier>;
  readonly names: LayerNames;
  readonly stack: string;
}

function planParts(read: Encoder, config: Config, checkpoint: Checkpoint, own: Parts): Plan {
  const { first, epsilon, parts, head, names, stack } = own;
  const { hidden, layers, ffn, vocabulary, prefix, context: rows } = read;
  if (!(Number.isInteger(first) && first >= 0 && first < rows)) {
    throw config.wrong(`pad_token_id leaves none of ${rows} positions`);
  }
  const encoder: Encoder = { ...read, context: rows - first };
  const positions: PlannedTensor = {
    ...matrix("position_embd.weight", `${prefix}embeddings.position_embeddings.weight`, hidden, encoder.context),
    kind: "floats",
    ...(first ? { rowOf: (row: number) => row + first, sourceShape: [rows, hidden] } : {}),
  };
  const sizes: Record<string, readonly [columns: number, rows: number]> = {
    ffn_up: [hidden, ffn],
    ffn_down: [ffn, hidden],
  };
  const tensors = [
    matrix("token_embd.weight", `${prefix}${WORDS}`, hidden, vocabulary),
    ...parts.tensors,
    positions,
    ...oldLayerNorm(checkpoint, "token_embd_norm", `${prefix}embeddings.LayerNorm`, hidden),
  ];
  for (let layer = 0; layer < layers; layer++) {
    for (const [name, source] of names) {
      const [to, from] = [`blk.${layer}.${name}`, `${stack}.${layer}.${source}`];
      if (name.endsWith("norm")) tensors.push(...oldLayerNorm(checkpoint, to, from, hidden));
      else tensors.push(...linear(to, from, ...(sizes[name] ?? [hidden, hidden])));
    }
  }
  const keys = [...encoderKeys(encoder, epsilon), ...parts.keys, ...head.keys];
  return planEncoder(encoder, keys, [...tensors, ...head.tensors], WITHOUT);
}
