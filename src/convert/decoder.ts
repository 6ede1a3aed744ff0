/** What decoders have, whatever their architecture: sizes, keys, ends. */
import type { GgufEntry } from "../load/gguf-entries.ts";
import type { Config } from "./folder.ts";
import type { PlannedTensor } from "./plan.ts";
import type { Checkpoint } from "./safetensors.ts";

/** What every decoder has: its sizes, and the prefix of its tensors in the checkpoint. */
export interface Decoder {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly vocabulary: number;
  readonly prefix: string;
}

const LARGEST_HEAD = 65536;

/** Keys that change what a decoder answers, and that none here has; each with the values that do nothing. */
const REFUSED: readonly (readonly [key: string, ...neutral: unknown[]])[] = [
  ["add_cross_attention"],
  ["alibi"],
  ["attention_chunk_size"],
  ["attention_multiplier"],
  ["attn_logit_softcapping", 0],
  ["clip_qkv"],
  ["embedding_multiplier", 1],
  ["final_logit_softcapping", 0],
  ["logit_scale", 1],
  ["logits_scaling", 1],
  ["qk_layernorm"],
  ["quantization_config"],
  ["query_pre_attn_scalar"],
  ["residual_multiplier", 1],
  ["scale_emb", 1],
  ["use_qk_norm"],
];

/** A window that no layer has, or that is as long as the context, hides nothing. */
function refuseWindows(config: Config): void {
  const types = config.get("layer_types");
  const other = Array.isArray(types) ? types.find((type) => type !== "full_attention") : undefined;
  if (other !== undefined) throw config.wrong(`layer_types has ${JSON.stringify(other)}`, "UNSUPPORTED");
  const used = config.get("use_sliding_window");
  // qwen's window is off unless it is said to be on, and begins behind max_window_layers.
  const off = used === false || (used === undefined && /^qwen/.test(String(config.get("model_type"))));
  if (off || Number(config.get("max_window_layers") ?? 0) >= config.size("num_hidden_layers")) return;
  const window = config.get("sliding_window");
  if (typeof window === "number" && window >= config.size("max_position_embeddings")) return;
  config.refuse("sliding_window");
}

export function readDecoder(config: Config, checkpoint: Checkpoint): Decoder {
  for (const [key, ...neutral] of REFUSED) config.refuse(key, ...neutral);
  refuseWindows(config);
  for (const key of ["num_local_experts", "num_experts"]) {
    if (config.get(key)) throw config.wrong(`${key}: limpet converts no mixtures of experts`, "UNSUPPORTED");
  }
  const layers = config.size("num_hidden_layers");
  // Each has several: a number beyond them would make a long plan for nothing.
  if (layers > checkpoint.tensors.size) {
    throw config.wrong(`num_hidden_layers is ${layers}, and the checkpoint has ${checkpoint.tensors.size} tensors`);
  }
  return {
    layers,
    hidden: config.size("hidden_size"),
    heads: config.size("num_attention_heads"),
    vocabulary: config.size("vocab_size"),
    // A base model without a head is saved without the prefix.
    prefix: checkpoint.tensors.has("embed_tokens.weight") ? "" : "model.",
  };
}

/** Refuses a config that says another activation; one that says none means this. */
export function requireActivation(config: Config, name: string): void {
  const given = config.get("hidden_act") ?? name;
  if (given !== name) throw config.wrong(`hidden_act is ${JSON.stringify(given)}, not "${name}"`, "UNSUPPORTED");
}

/** Refuses heads that RoPE cannot turn: it turns pairs. */
export function requireHead(config: Config, head: number): void {
  if (head % 2 || head > LARGEST_HEAD) throw config.wrong(`heads of ${head} values cannot be: an even number can`);
}

/** The keys that begin the metadata of most decoders. */
export function commonKeys(architecture: string, decoder: Decoder, config: Config, kvHeads: number): GgufEntry[] {
  return [
    [`${architecture}.block_count`, "u32", decoder.layers],
    [`${architecture}.context_length`, "u32", config.size("max_position_embeddings")],
    [`${architecture}.embedding_length`, "u32", decoder.hidden],
    [`${architecture}.feed_forward_length`, "u32", config.size("intermediate_size")],
    [`${architecture}.attention.head_count`, "u32", decoder.heads],
    [`${architecture}.attention.head_count_kv`, "u32", kvHeads],
  ];
}

/** Embedding, last norm, and the head, which is the embedding where the checkpoint says so or has none. */
export function endTensors({ hidden, vocabulary, prefix }: Decoder, config: Config): PlannedTensor[] {
  // A base model has no head; of another it is missing.
  const needed = config.get("tie_word_embeddings") === false && prefix !== "";
  const head: PlannedTensor = {
    name: "output.weight",
    source: "lm_head.weight",
    shape: [hidden, vocabulary],
    kind: "matrix",
    optional: !needed,
  };
  return [
    vector("output_norm.weight", `${prefix}norm.weight`, hidden),
    ...(config.get("tie_word_embeddings") === true ? [] : [head]),
  ];
}

export function embedding({ hidden, vocabulary, prefix }: Decoder): PlannedTensor {
  return matrix("token_embd.weight", `${prefix}embed_tokens.weight`, hidden, vocabulary);
}

export function vector(name: string, source: string, size: number): PlannedTensor {
  return { name, source, shape: [size], kind: "vector" };
}

export function matrix(name: string, source: string, columns: number, rows: number): PlannedTensor {
  return { name, source, shape: [columns, rows], kind: "matrix" };
}
