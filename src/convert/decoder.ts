/** What every decoder has, whatever its architecture: sizes, ends, and the base of RoPE. */
import { type Config, isObject, type Json } from "./folder.ts";
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

export function readDecoder(config: Config, checkpoint: Checkpoint): Decoder {
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

/** Embedding, last norm, and the head, which is the embedding where the checkpoint says so or has none. */
export function endTensors({ hidden, vocabulary, prefix }: Decoder, config: Config): PlannedTensor[] {
  const head: PlannedTensor = {
    name: "output.weight",
    source: "lm_head.weight",
    shape: [hidden, vocabulary],
    kind: "matrix",
    optional: true,
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

/** Newer configurations keep what belongs to RoPE in one object. */
export function ropeObject(config: Config): Json {
  const given = config.get("rope_parameters") ?? config.get("rope_scaling");
  return isObject(given) ? given : {};
}

export function ropeTheta(config: Config): number {
  const theta = config.get("rope_theta") ?? ropeObject(config)["rope_theta"] ?? 10000;
  if (typeof theta === "number" && theta > 0) return theta;
  throw config.wrong(`rope_theta is ${JSON.stringify(theta)}`);
}
