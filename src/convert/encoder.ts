/** What encoders have, whatever their architecture: sizes, keys, the norms behind sums, the classifier of one that ranks. */
import { Pooling } from "../../bindings/numbers.ts";
import type { GgufEntry } from "../load/gguf-entries.ts";
import { countOf, layerNorm, linear, matrix, named, vector } from "./decoder.ts";
import { type Config, isObject, said } from "./folder.ts";
import type { Plan, PlannedTensor } from "./plan.ts";
import type { Checkpoint } from "./safetensors.ts";

/** Sizes of an encoder, and what stands before the names of its tensors. */
export interface Encoder {
  readonly architecture: string;
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly ffn: number;
  readonly vocabulary: number;
  readonly context: number;
  readonly prefix: string;
}

/** Keys that change what an encoder answers and that no file says, each with the values that do nothing. */
const REFUSED: readonly (readonly [key: string, ...neutral: unknown[]])[] = [
  ["add_cross_attention"],
  ["is_decoder"],
  ["position_embedding_type", "absolute", "rotary"],
  ["quantization_config"],
];

/**
 * Reads what encoders have, by the names that BERT's configs give it. `anchor` is the name of a tensor that all
 * checkpoints of the kind have, and `prefixes` what may stand before it.
 */
export function readEncoder(
  architecture: string,
  config: Config,
  checkpoint: Checkpoint,
  anchor: string,
  prefixes: readonly string[],
): Encoder {
  for (const [key, ...neutral] of REFUSED) config.refuse(key, ...neutral);
  return {
    architecture,
    layers: countOf(config, "num_hidden_layers", checkpoint),
    hidden: config.size("hidden_size"),
    heads: config.size("num_attention_heads"),
    ffn: config.size("intermediate_size"),
    vocabulary: config.size("vocab_size"),
    context: config.size("max_position_embeddings"),
    prefix: prefixes.find((prefix) => checkpoint.tensors.has(`${prefix}${anchor}`)) ?? prefixes[0],
  };
}

/** The keys that begin the metadata of encoders. */
export function encoderKeys(
  { architecture, layers, hidden, heads, ffn, context }: Encoder,
  epsilon: number,
): GgufEntry[] {
  return named(architecture, [
    ["block_count", "u32", layers],
    ["context_length", "u32", context],
    ["embedding_length", "u32", hidden],
    ["feed_forward_length", "u32", ffn],
    ["attention.head_count", "u32", heads],
    ["attention.layer_norm_epsilon", "f32", epsilon],
    ["attention.causal", "bool", false],
  ]);
}

/** Rows of parts of a pair: how many, and the key that says it. */
export function partRows(
  config: Config,
  { hidden }: Encoder,
  source: string,
): { keys: GgufEntry[]; tensors: PlannedTensor[] } {
  const parts = config.size("type_vocab_size", 2);
  return {
    keys: [["tokenizer.ggml.token_type_count", "u32", parts]],
    tensors: [{ ...matrix("token_types.weight", source, hidden, parts), kind: "floats" }],
  };
}

/** A LayerNorm, whose weight and bias old checkpoints call gamma and beta. */
export function oldLayerNorm({ tensors }: Checkpoint, name: string, source: string, size: number): PlannedTensor[] {
  if (!tensors.has(`${source}.gamma`)) return layerNorm(name, source, size);
  return [vector(`${name}.weight`, `${source}.gamma`, size), vector(`${name}.bias`, `${source}.beta`, size)];
}

/** The activation of a config, which must be one of `known`. */
export function requireOneOf(config: Config, key: string, known: readonly string[]): string {
  const given = config.get(key) ?? known[0];
  if (typeof given === "string" && known.includes(given)) return given;
  throw config.wrong(`${key} is ${said(given)}, not ${known.map((word) => `"${word}"`).join(" or ")}`, "UNSUPPORTED");
}

/** What a checkpoint calls the parts of the classifier of a model that ranks. */
interface ClassifierNames {
  readonly dense?: string;
  readonly norm?: string;
  readonly output: string;
}

/**
 * The classifier, where the checkpoint has one: its tensors, and keys that say that the model ranks and what its scores
 * are called.
 */
export function classifier(
  { architecture, hidden }: Encoder,
  config: Config,
  { tensors }: Checkpoint,
  { dense, norm, output }: ClassifierNames,
): { keys: GgufEntry[]; tensors: PlannedTensor[] } {
  const weight = tensors.get(`${output}.weight`);
  if (!weight) return { keys: [], tensors: [] };
  const labels = weight.shape[0];
  const words = config.get("id2label");
  const list = Array.from({ length: labels }, (_, i) => {
    const word = isObject(words) ? words[String(i)] : undefined;
    return typeof word === "string" ? word : `LABEL_${i}`;
  });
  return {
    keys: named(architecture, [
      ["pooling_type", "u32", Pooling.RANK],
      ...(labels > 1 ? [["classifier.output_labels", "string[]", list] as GgufEntry] : []),
    ]),
    tensors: [
      ...(dense ? linear("cls", dense, hidden, hidden, { optional: true }).map(required) : []),
      ...(norm ? [vector("cls.norm.weight", `${norm}.weight`, hidden)] : []),
      ...linear("cls.output", output, hidden, labels, { optional: true }).map(required),
    ],
  };
}

/** Of a linear that a checkpoint may have without a bias, the matrix must be there. */
function required(planned: PlannedTensor): PlannedTensor {
  return planned.name.endsWith(".weight") ? { ...planned, optional: false } : planned;
}

/** A plan of these parts. */
export function planEncoder(
  encoder: Encoder,
  keys: readonly GgufEntry[],
  tensors: readonly PlannedTensor[],
  without: RegExp,
): Plan {
  const { architecture, vocabulary } = encoder;
  return { architecture, vocabulary, metadata: keys, ownMetadata: [], tensors, without };
}
