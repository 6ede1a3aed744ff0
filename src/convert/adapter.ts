/**
 * A LoRA as PEFT saves it (adapter_config.json, adapter_model.safetensors) → an adapter's GGUF file, as llama.cpp reads
 * it, for the model of a GGUF file. Names and the order of rows are those that the model's own conversion gives:
 *
 *     base_model.model.<module>.lora_A.weight [r, in]    →  <tensor of the model>.lora_a {in, r}
 *     base_model.model.<module>.lora_B.weight [out, r]   →  <tensor of the model>.lora_b {r, out}
 *
 * The scale of a pair is α / r, or α / √r (rsLoRA), with what the patterns say of its module: where that is not
 * `lora_alpha` / r, the rest is in B.
 */
import { bytesOf } from "../../bindings/memory.ts";
import { type Kernels, kernelsOf } from "../api/kernels.ts";
import { Model } from "../api/model.ts";
import { LimpetError } from "../host/errors.ts";
import { Core } from "../host/instance.ts";
import type { Build, WasmOption } from "../host/wasm.ts";
import type { GgufEntry } from "../load/gguf-entries.ts";
import { requireFinite } from "../quantize/range.ts";
import { type GgufTensor, GgufWriter } from "../store/gguf-writer.ts";
import { planOf } from "./architectures.ts";
import { Config, type Folder, isObject, type Json, refuseUnless } from "./folder.ts";
import type { PlannedTensor } from "./plan.ts";
import { Checkpoint, type SourceTensor, valueBytes } from "./safetensors.ts";

/** How an adapter is converted. */
export interface AdapterConversion {
  readonly base: string;
  readonly type: "F32" | "F16";
  readonly name?: string;
  readonly build?: Build;
  readonly wasm?: WasmOption;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** What was written, as `convert` says it. */
interface Written {
  readonly architecture: string;
  readonly tensors: number;
  readonly parameters: number;
  readonly bytes: number;
  readonly leftOut: readonly string[];
}

const CONFIG = "adapter_config.json";
const WEIGHTS = "adapter_model.safetensors";

/** Keys that change what is computed and that such a file cannot say, with the values that change nothing. */
const REFUSED: readonly (readonly [key: string, ...neutral: unknown[]])[] = [
  ["use_dora"],
  ["lora_bias"],
  ["bias", "none"],
  ["modules_to_save"],
  ["trainable_token_indices"],
  ["layer_replication"],
  ["fan_in_fan_out"],
  ["target_parameters"],
  ["use_qalora"],
  ["use_bdlora"],
  ["invocation_string"],
];

/** Of each key of a decoder's config.json that a model's file says, how it is called there. */
const KEYS: readonly (readonly [config: string, key: string])[] = [
  ["num_hidden_layers", "block_count"],
  ["max_position_embeddings", "context_length"],
  ["hidden_size", "embedding_length"],
  ["intermediate_size", "feed_forward_length"],
  ["num_attention_heads", "attention.head_count"],
  ["num_key_value_heads", "attention.head_count_kv"],
  ["rms_norm_eps", "attention.layer_norm_rms_epsilon"],
  ["layer_norm_eps", "attention.layer_norm_epsilon"],
  ["rope_theta", "rope.freq_base"],
  ["kv_lora_rank", "attention.kv_lora_rank"],
  ["qk_rope_head_dim", "rope.dimension_count"],
  ["v_head_dim", "attention.value_length"],
];

/** A pair of the adapter: what it is beside, and its halves. */
interface Pair {
  readonly module: string;
  readonly a: SourceTensor;
  readonly b: SourceTensor;
}

/** Writes the adapter of `folder`, for the model `base`, as the GGUF file `out`. */
export async function convertAdapter(folder: Folder, out: string, options: AdapterConversion): Promise<Written> {
  const { base, type, signal, onProgress } = options;
  const place = folder.place(CONFIG);
  const config = folder.json(CONFIG);
  if (config["peft_type"] !== "LORA") {
    const given = JSON.stringify(config["peft_type"] ?? null);
    throw new LimpetError("UNSUPPORTED", `${place}: peft_type is ${given}, and limpet converts LORA`);
  }
  for (const [key, ...neutral] of REFUSED) refuseUnless(config, key, neutral, place);
  const alpha = config["lora_alpha"];
  if (typeof alpha !== "number" || !(alpha > 0)) {
    throw new LimpetError("BAD_FILE", `${place}: lora_alpha is ${JSON.stringify(alpha ?? null)}, no number above 0`);
  }
  const model = await Model.load(base, { vocabularyOnly: true, signal });
  const checkpoint = Checkpoint.open(folder, WEIGHTS);
  try {
    const architecture = model.info.architecture ?? "";
    const planned = plannedOf(model, checkpoint, place);
    const named = pairsOf(checkpoint, folder.place(WEIGHTS)).flatMap((pair) => placesOf(pair, planned, architecture));
    const known = new Set(model.tensors().map(({ name }) => name));
    const tied = known.has("output.weight") ? "" : "output.weight";
    for (const { tensor, pair } of named) {
      if (known.has(tensor.name) || tensor.name === tied) continue;
      throw new LimpetError(
        "BAD_FILE",
        `${pair.module}: the model has no ${tensor.name}; the adapter is for another one`,
      );
    }
    const metadata: GgufEntry[] = [
      ["general.type", "string", "adapter"],
      ["general.architecture", "string", architecture],
      ["general.name", "string", options.name ?? folder.name],
      ["adapter.type", "string", "lora"],
      ["adapter.lora.alpha", "f32", alpha],
      ...invocationOf(config, place),
    ];
    const tensors = named.flatMap(({ tensor: { name, shape }, pair: { a, b } }): GgufTensor[] => {
      const isRows = name === "token_embd.weight";
      const rank = isRows ? b.shape[1] : a.shape[0];
      requireShapes(name, shape, a, b, rank);
      return [
        { name: `${name}.lora_a`, type, shape: isRows ? [rank, shape[1]] : [shape[0], rank] },
        { name: `${name}.lora_b`, type, shape: [rank, isRows ? shape[0] : shape[1]] },
      ];
    });
    const kernels = kernelsOf(await Core.create({ build: options.build, wasm: options.wasm, signal }));
    const writer = GgufWriter.create(out, { metadata, tensors }, [...folder.filesRead, base]);
    try {
      for (const [i, { tensor, pair }] of named.entries()) {
        signal?.throwIfAborted();
        const isRows = tensor.name === "token_embd.weight";
        const [a, b] = [valuesOf(pair.a, kernels), valuesOf(pair.b, kernels)];
        const rank = tensors[2 * i + 1].shape[0];
        const factor = factorOf(config, pair.module, rank, alpha, place);
        for (const half of [isRows ? transposed(a, rank) : a, ordered(b, rank, tensor.rowOf, factor)]) {
          writer.write(type === "F32" ? bytesOf(half) : kernels.quantize(type, half));
        }
        onProgress?.(i + 1, named.length);
      }
      writer.finish();
    } finally {
      writer.discard();
    }
    const parameters = tensors.reduce((sum, { shape: [x, y] }) => sum + x * y, 0);
    return { architecture, tensors: tensors.length, parameters, bytes: writer.size, leftOut: [] };
  } finally {
    checkpoint.close();
    model.dispose();
  }
}

/** The tensors that the model's own conversion would make, by what its file says of itself. */
function plannedOf(model: Model, checkpoint: Checkpoint, place: string): readonly PlannedTensor[] {
  const { architecture: own, vocabulary } = model.info;
  const architecture = own ?? "";
  const keys = model.metadata(4);
  const number = (key: string) => keys.get(`${architecture}.${key}`)?.value;
  const known = new Set(model.tensors().map(({ name }) => name));
  const config: Record<string, unknown> = {
    model_type: architecture,
    vocab_size: vocabulary,
    tie_word_embeddings: !known.has("output.weight"),
  };
  for (const [name, key] of KEYS) if (number(key) !== undefined) config[name] = number(key);
  const heads = Number(number("attention.head_count"));
  const head = Number(number("attention.key_length") ?? Number(number("embedding_length")) / heads);
  if (config["kv_lora_rank"] === undefined) config["head_dim"] = head;
  else config["qk_nope_head_dim"] = head - Number(config["qk_rope_head_dim"]);
  // The plan asks which tensors there are; this checkpoint has none of the model's own.
  const tensors = new Map(checkpoint.tensors);
  for (let i = 0; i < Number(config["num_hidden_layers"]); i++) tensors.set(`layer ${i}`, undefined as never);
  try {
    return planOf(new Config(place, config), { tensors } as unknown as Checkpoint).tensors;
  } catch (error) {
    if (!(error instanceof LimpetError)) throw error;
    const words = `limpet converts no adapters for ${architecture}`;
    throw new LimpetError("UNSUPPORTED", `${words} by what the model's file says of itself`, { cause: error });
  }
}

/** Of each module its pair; what is neither half of one is refused by name. */
function pairsOf({ tensors }: Checkpoint, place: string): Pair[] {
  const halves = new Map<string, Partial<Record<"A" | "B", SourceTensor>>>();
  for (const [name, tensor] of tensors) {
    if (name.endsWith(".base_layer.weight")) continue;
    const found = name.match(
      /^base_model\.model\.(.+)\.lora_(?:embedding_)?([AB])(?:\.weight|\.default(?:\.weight)?)?$/,
    );
    if (!found) {
      const what = name.includes("lora_magnitude_vector") ? "DoRA's magnitudes" : "no half of a pair";
      throw new LimpetError("UNSUPPORTED", `${place}: ${name} is ${what}, which an adapter's file cannot say`);
    }
    const [, module, half] = found;
    halves.set(module, { ...halves.get(module), [half]: tensor });
  }
  if (halves.size === 0) throw new LimpetError("BAD_FILE", `${place}: it has no pair lora_A, lora_B`);
  return [...halves].map(([module, { A: a, B: b }]) => {
    if (a && b) return { module, a, b };
    throw new LimpetError("BAD_FILE", `${place}: ${module} has half of a pair; save the adapter anew`);
  });
}

/** The tensors of the model that are made of a module's weight. */
function placesOf(pair: Pair, planned: readonly PlannedTensor[], architecture: string) {
  const own = planned.filter(({ sources }) => sources.includes(`${pair.module}.weight`));
  // A head that is the embedding has a name of its own.
  if (own.length === 0 && pair.module === "lm_head") {
    const embedding = planned.find(({ name }) => name === "token_embd.weight");
    if (embedding) return [{ tensor: { ...embedding, name: "output.weight" }, pair }];
  }
  for (const { name, sources, kind, shape, transposed, matrices, singly, plus, times, negatedExp } of own) {
    const isPlain = sources.length === 1 && kind !== "table" && kind !== "mxfp4" && shape.length === 2;
    if (isPlain && !transposed && !matrices && !singly && !plus && !times && !negatedExp) continue;
    const words = `${pair.module}: ${name} of ${architecture} is made of it in a way that a pair does not follow`;
    throw new LimpetError("UNSUPPORTED", words);
  }
  if (own.length > 0) return own.map((tensor) => ({ tensor, pair }));
  throw new LimpetError("UNSUPPORTED", `${pair.module}: limpet knows no such module in ${architecture}`);
}

function requireShapes(name: string, shape: readonly number[], a: SourceTensor, b: SourceTensor, rank: number): void {
  const [columns, rows] = shape;
  const isRows = name === "token_embd.weight";
  const wanted = isRows
    ? [
        [rank, rows],
        [columns, rank],
      ]
    : [[rank, columns], null];
  const isSame = (given: readonly number[], to: readonly number[] | null) =>
    to === null || (given.length === 2 && given[0] === to[0] && given[1] === to[1]);
  // Of a module that becomes several tensors, B has the rows of all.
  if (isSame(a.shape, wanted[0]) && isSame(b.shape, wanted[1]) && b.shape.length === 2 && b.shape[1] === rank) return;
  const words = `${a.name} is ${a.shape.join(" × ")}, ${b.name} ${b.shape.join(" × ")}`;
  throw new LimpetError(
    "BAD_FILE",
    `${words}, and ${name} has ${columns} columns and ${rows} rows: it is another model's`,
  );
}

/** The values of a half, each a finite number. */
function valuesOf(tensor: SourceTensor, kernels: Kernels): Float32Array {
  valueBytes(tensor);
  const bytes = new Uint8Array(tensor.bytes);
  tensor.read(0, bytes);
  requireFinite(tensor.name, tensor.type, bytes);
  return tensor.type === "F32" ? new Float32Array(bytes.buffer) : kernels.dequantize(tensor.type, bytes);
}

/** [r, rows] → [rows, r]. */
function transposed(values: Float32Array, rank: number): Float32Array {
  const rows = values.length / rank;
  return Float32Array.from({ length: values.length }, (_, i) => values[(i % rank) * rows + Math.floor(i / rank)]);
}

/** The rows of B in the order of the file, times a factor. */
function ordered(values: Float32Array, rank: number, rowOf: PlannedTensor["rowOf"], factor: number): Float32Array {
  return Float32Array.from({ length: values.length }, (_, i) => {
    const row = Math.floor(i / rank);
    return factor * values[(rowOf ? rowOf(row) : row) * rank + (i % rank)];
  });
}

/** What B is multiplied by, so that `lora_alpha` / r is the true scale of the pair. */
function factorOf(config: Json, module: string, rank: number, alpha: number, place: string): number {
  const own = ofPattern(config["alpha_pattern"], module) ?? alpha;
  const said = ofPattern(config["rank_pattern"], module) ?? config["r"];
  if (said !== rank) {
    throw new LimpetError(
      "BAD_FILE",
      `${place}: the rank of ${module} is ${JSON.stringify(said)}, and its pair's ${rank}`,
    );
  }
  return (own / alpha) * (config["use_rslora"] === true ? Math.sqrt(rank) : 1);
}

/** What a pattern says of a module: that of the first key that the module's name ends with, read as PEFT reads it. */
function ofPattern(pattern: unknown, module: string): number | undefined {
  if (!isObject(pattern)) return undefined;
  for (const [key, value] of Object.entries(pattern)) {
    const matches = module === key || module.endsWith(`.${key}`) || matchesExpression(key, module);
    if (matches && typeof value === "number") return value;
  }
  return undefined;
}

function matchesExpression(key: string, module: string): boolean {
  try {
    return new RegExp(`^(?:.*\\.)?(?:${key})$`).test(module);
  } catch {
    return false;
  }
}

function invocationOf(config: Json, place: string): GgufEntry[] {
  const tokens = config["alora_invocation_tokens"];
  if (tokens === undefined || tokens === null) return [];
  if (!Array.isArray(tokens) || tokens.length === 0 || !tokens.every((id) => Number.isInteger(id) && id >= 0)) {
    throw new LimpetError("BAD_FILE", `${place}: alora_invocation_tokens is no list of token ids`);
  }
  return [["adapter.alora.invocation_tokens", "u32[]", tokens as number[]]];
}
