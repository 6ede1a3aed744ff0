/** What decoders have, whatever their architecture: sizes, keys, ends. */
import type { GgufEntry } from "../load/gguf-entries.ts";
import { type Config, said } from "./folder.ts";
import type { PlannedTensor } from "./plan.ts";
import type { Checkpoint } from "./safetensors.ts";
import { refuseWindows } from "./windows.ts";

/** What every decoder has: its sizes, and what its tensors are called in the checkpoint. */
export interface Decoder {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly vocabulary: number;
  /** Of the names of the tensors. */
  readonly prefix: string;
  /** The name of the matrix that gives logits. */
  readonly output: string;
}

const LARGEST_HEAD = 65536;

/** Keys that change what a decoder answers, and that few have; each with the values that do nothing. */
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

/** Keys that say how many experts there are. */
const EXPERTS = ["num_local_experts", "num_experts", "n_routed_experts"] as const;

/** Where the embedding of a checkpoint may stand: a base model without a head is saved without "model". */
const PREFIXES = ["model.", "", "language_model.model.", "model.language_model."];

/**
 * Reads what decoders have. `claims` are keys of the config that change answers and that the architecture reads itself:
 * "sliding_window" stands for all that is said of windows, "num_experts" for experts by any of their names. What it does
 * not claim and config.json says is refused by name.
 */
export function readDecoder(config: Config, checkpoint: Checkpoint, claims: readonly string[] = []): Decoder {
  for (const [key, ...neutral] of REFUSED) if (!claims.includes(key)) config.refuse(key, ...neutral);
  if (!claims.includes("sliding_window")) refuseWindows(config);
  for (const key of claims.includes("num_experts") ? [] : EXPERTS) {
    if (config.get(key)) throw config.wrong(`${key}: limpet knows no experts in such a model`, "UNSUPPORTED");
  }
  const prefix = PREFIXES.find((prefix) => checkpoint.tensors.has(`${prefix}embed_tokens.weight`)) ?? "model.";
  return {
    layers: countOf(config, "num_hidden_layers", checkpoint),
    hidden: config.size("hidden_size"),
    heads: config.size("num_attention_heads"),
    vocabulary: config.size("vocab_size"),
    prefix,
    output: `${prefix.startsWith("language_model.") ? "language_model." : ""}lm_head`,
  };
}

/** How many layers or experts there are. Each has tensors: a number beyond theirs would make a long plan for nothing. */
export function countOf(config: Config, key: string, { tensors }: Checkpoint): number {
  const count = config.size(key);
  if (count <= tensors.size) return count;
  throw config.wrong(`${key} is ${count}, and the checkpoint has ${tensors.size} tensors`);
}

/** Refuses a config that says another activation; one that says none means this. */
export function requireActivation(config: Config, name: string): void {
  const key = config.get("hidden_activation") === undefined ? "hidden_act" : "hidden_activation";
  const given = config.get(key) ?? name;
  if (given !== name) throw config.wrong(`${key} is ${said(given)}, not "${name}"`, "UNSUPPORTED");
}

/** Refuses heads that RoPE cannot turn: it turns pairs. */
export function requireHead(config: Config, head: number): void {
  if (head % 2 || head > LARGEST_HEAD) throw config.wrong(`heads of ${head} values cannot be: an even number can`);
}

/** Refuses a head of its own: the file has no place for it. */
export function requireTiedHead(config: Config): void {
  if (config.get("tie_word_embeddings") !== false) return;
  throw config.wrong("tie_word_embeddings is false: the head of such a model is its embedding", "UNSUPPORTED");
}

/** The keys that begin the metadata of most decoders; `kvHeads` may be a list, one number a layer. */
export function commonKeys(
  architecture: string,
  decoder: Decoder,
  config: Config,
  kvHeads: number | readonly number[],
): GgufEntry[] {
  const keyHeads = `${architecture}.attention.head_count_kv`;
  return [
    [`${architecture}.block_count`, "u32", decoder.layers],
    [`${architecture}.context_length`, "u32", config.size("max_position_embeddings")],
    [`${architecture}.embedding_length`, "u32", decoder.hidden],
    [`${architecture}.feed_forward_length`, "u32", config.size("intermediate_size")],
    [`${architecture}.attention.head_count`, "u32", decoder.heads],
    typeof kvHeads === "number" ? [keyHeads, "u32", kvHeads] : [keyHeads, "i32[]", [...kvHeads]],
  ];
}

/** The keys of an architecture: its name before each. */
export function named(architecture: string, entries: readonly GgufEntry[]): GgufEntry[] {
  return entries.map(([key, type, value]) => [`${architecture}.${key}`, type, value]);
}

/** What is special at the end of a decoder. */
interface Ends {
  /** The head is the embedding where the checkpoint does not say. */
  readonly tied?: boolean;
  /** Is added to the weights of the norm. */
  readonly plus?: number;
  /** What the checkpoint calls the norm and the head. */
  readonly norm?: string;
  readonly output?: string;
}

/** The last norm, and the head, which is the embedding where the checkpoint says so or has none. */
export function endTensors(decoder: Decoder, config: Config, ends: Ends = {}): PlannedTensor[] {
  const { hidden, vocabulary, prefix } = decoder;
  const { tied = false, plus, norm = `${prefix}norm`, output = decoder.output } = ends;
  const says = config.get("tie_word_embeddings");
  // A base model has no head; of another it is missing.
  const optional = says !== false || prefix === "";
  return [
    { ...vector("output_norm.weight", `${norm}.weight`, hidden), plus },
    ...((says ?? tied) ? [] : [{ ...matrix("output.weight", `${output}.weight`, hidden, vocabulary), optional }]),
  ];
}

export function embedding(decoder: Decoder, source = `${decoder.prefix}embed_tokens`): PlannedTensor {
  return matrix("token_embd.weight", `${source}.weight`, decoder.hidden, decoder.vocabulary);
}

export function vector(name: string, source: string, size: number): PlannedTensor {
  return { name, sources: [source], shape: [size], kind: "floats" };
}

export function matrix(name: string, source: string, columns: number, rows: number): PlannedTensor {
  return { name, sources: [source], shape: [columns, rows], kind: "matrix" };
}

/** A matrix whose products pick experts: it stays as exact as it is, and is small. */
export function router(name: string, source: string, columns: number, experts: number): PlannedTensor {
  return { ...matrix(name, source, columns, experts), kind: "floats" };
}

/** A matrix and its bias, which a checkpoint may lack where it is `optional`. */
export function linear(
  name: string,
  source: string,
  columns: number,
  rows: number,
  { optional, rowOf }: Pick<PlannedTensor, "optional" | "rowOf"> = {},
): PlannedTensor[] {
  return [
    { ...matrix(`${name}.weight`, `${source}.weight`, columns, rows), rowOf },
    { ...vector(`${name}.bias`, `${source}.bias`, rows), rowOf, optional },
  ];
}

/** A LayerNorm: its weight and its bias. */
export function layerNorm(name: string, source: string, size: number): PlannedTensor[] {
  return [vector(`${name}.weight`, `${source}.weight`, size), vector(`${name}.bias`, `${source}.bias`, size)];
}

/** A matrix of each expert in one tensor: `source` has # where the expert's number stands. */
export function expertMatrix(
  name: string,
  source: string,
  columns: number,
  rows: number,
  experts: number,
): PlannedTensor {
  const sources = Array.from({ length: experts }, (_, expert) => source.replace("#", String(expert)));
  return { name, sources, shape: [columns, rows, experts], kind: "matrix" };
}
