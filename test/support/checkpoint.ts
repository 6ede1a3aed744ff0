/**
 * Checkpoints in Hugging Face's layout for tests, made from the models of scripts/random-models.mjs: the names, the
 * order of the rows and the shapes of a checkpoint are written down here a second time, from the documentation of the
 * formats, so that a conversion has to come back to the file that it began with.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { entryOf, SHAPES } from "../../scripts/architectures.mjs";
import { ENCODERS } from "../../scripts/encoders.mjs";
import { tensorBytes } from "../../scripts/gguf-writer.mjs";
import { randomModel } from "../../scripts/random-models.mjs";
import { temporaryFile } from "./models.ts";

export interface Weight {
  dtype: string;
  shape: number[];
  bytes: Uint8Array;
}

export type Weights = Record<string, Weight>;
type Json = Record<string, unknown>;

/** The parts of a checkpoint, for a test to change before they are written. */
export interface CheckpointParts {
  config: Json;
  tokenizer: Json;
  tokenizerConfig: Json;
  weights: Weights;
  /** Other files of the folder: JSON, or the bytes of safetensors. */
  others?: Record<string, unknown>;
}

type Model = ReturnType<typeof randomModel>;
type Checkpoint = NonNullable<ReturnType<typeof entryOf>["checkpoint"]>;
type Shape = Parameters<typeof randomModel>[0];

const isEncoder = (name: string) => name in ENCODERS;

const NAMES: readonly (readonly [RegExp, string])[] = [
  [/^token_embd/, "model.embed_tokens"],
  [/^output_norm/, "model.norm"],
  [/^output/, "lm_head"],
  [/^blk\.(\d+)\.attn_norm/, "model.layers.$1.input_layernorm"],
  [/^blk\.(\d+)\.attn_(q|k)_norm/, "model.layers.$1.self_attn.$2_norm"],
  [/^blk\.(\d+)\.attn_kv_a_mqa/, "model.layers.$1.self_attn.kv_a_proj_with_mqa"],
  [/^blk\.(\d+)\.attn_kv_a_norm/, "model.layers.$1.self_attn.kv_a_layernorm"],
  [/^blk\.(\d+)\.attn_kv_b/, "model.layers.$1.self_attn.kv_b_proj"],
  [/^blk\.(\d+)\.attn_(q|k|v)/, "model.layers.$1.self_attn.$2_proj"],
  [/^blk\.(\d+)\.attn_output/, "model.layers.$1.self_attn.o_proj"],
  [/^blk\.(\d+)\.ffn_norm/, "model.layers.$1.post_attention_layernorm"],
  [/^blk\.(\d+)\.ffn_(gate|up|down)/, "model.layers.$1.mlp.$2_proj"],
];

const CONFIG_KEYS: readonly (readonly [string, string])[] = [
  ["block_count", "num_hidden_layers"],
  ["context_length", "max_position_embeddings"],
  ["embedding_length", "hidden_size"],
  ["feed_forward_length", "intermediate_size"],
  ["attention.head_count", "num_attention_heads"],
  ["attention.head_count_kv", "num_key_value_heads"],
  ["attention.layer_norm_rms_epsilon", "rms_norm_eps"],
  ["rope.freq_base", "rope_theta"],
  ["vocab_size", "vocab_size"],
];

/** A random model, and the checkpoint that it would be converted from. */
export function checkpointOf(kind: string | Shape): { model: Model; parts: CheckpointParts } {
  const shape = typeof kind === "string" ? SHAPES[kind] : kind;
  const model = randomModel(shape, "F32");
  const value = (key: string) => model.metadata.find(([name]) => name === key)?.[2];
  const architecture = value("general.architecture") as string;
  const number = (key: string) => Number(value(`${architecture}.${key}`));
  const config: Json = { model_type: architecture, tie_word_embeddings: !hasTensor(model, "output.weight") };
  for (const [key, name] of CONFIG_KEYS) {
    if (value(`${architecture}.${key}`) !== undefined) config[name] = number(key);
  }
  const own = entryOf(architecture).checkpoint;
  if (!own) throw new Error(`no checkpoint of ${architecture} is known`);
  Object.assign(
    config,
    own.config((key) => value(`${architecture}.${key}`), shape),
  );
  const weights = weightsOf(model, own, (key) => value(`${architecture}.${key}`), shape);
  for (const [name, given] of Object.entries(own.scalars ?? {})) {
    const bytes = new Uint8Array(Float32Array.of(...[given].flat()).buffer);
    weights[name] = { dtype: "F32", shape: Array.isArray(given) ? [given.length] : [], bytes };
  }
  const tokens = value("tokenizer.ggml.tokens") as string[];
  config["vocab_size"] ??= tokens.length;
  const end = tokens.length - 1;
  const tokenizer: Json = {
    added_tokens: [{ id: end, content: tokens[end], special: true }],
    pre_tokenizer: preTokenizer(value("tokenizer.ggml.pre") as string),
    model: {
      type: "BPE",
      vocab: Object.fromEntries(tokens.slice(0, end).map((text, id) => [text, id])),
      merges: value("tokenizer.ggml.merges"),
      ...(value("tokenizer.ggml.pre") === "falcon-h1" ? { ignore_merges: true } : {}),
    },
  };
  const separator = shape.separator === undefined ? {} : { sep_token: tokens[shape.separator] };
  const ends = { bos_token: tokens[end], eos_token: { content: tokens[end] }, add_bos_token: false };
  const tokenizerConfig = { ...ends, ...separator };
  return { model, parts: { config, tokenizer, tokenizerConfig, weights, others: textFiles(shape, weights) } };
}

/** What the folder of a sentence-transformers model has beside: how rows are pooled, and linear maps behind it. */
function textFiles({ pooling = 1, labels, architecture, maps, hidden }: Shape, weights: Weights): Json {
  if (!isEncoder(architecture) || labels) return {};
  const modes = ["", "mean_tokens", "cls_token", "lasttoken"].map((word) => `pooling_mode_${word}`);
  const files: Json = {
    "1_Pooling/config.json": {
      word_embedding_dimension: hidden,
      ...Object.fromEntries(modes.slice(1).map((mode) => [mode, mode === modes[pooling]])),
    },
  };
  const module = (path: string, type: string) => ({ path, type: `sentence_transformers.models.${type}` });
  const modules = [module("", "Transformer"), module("1_Pooling", "Pooling")];
  for (const [i, width] of (maps ?? []).entries()) {
    const path = `${i + 2}_Dense`;
    const name = `dense_${i + 2}.weight`;
    const columns = maps && i ? maps[i - 1] : hidden;
    files[`${path}/config.json`] = {
      in_features: columns,
      out_features: width,
      bias: false,
      activation_function: "torch.nn.modules.linear.Identity",
    };
    files[`${path}/model.safetensors`] = safetensors({ "linear.weight": weights[name] });
    delete weights[name];
    modules.push(module(path, "Dense"));
  }
  files["modules.json"] = [...modules, module("4_Normalize", "Normalize")];
  return files;
}

/** The tensors of a model by their names in a checkpoint, each as that has it. */
function weightsOf({ tensors }: Model, own: Checkpoint, key: (name: string) => unknown, modelShape: Shape): Weights {
  const weights: Weights = {};
  const given = typeof own.names === "function" ? own.names(modelShape) : own.names;
  const names = [...(given ?? []), ...NAMES];
  for (const { name, type, shape, fill } of tensors) {
    if (/^rope_(freqs|factors)/.test(name)) continue;
    const bytes = new Uint8Array(tensorBytes(type, shape));
    fill(bytes);
    if (own.plusOne?.test(name)) minusOne(floats(bytes));
    if (own.negatedExp?.test(name)) logarithms(floats(bytes));
    const times = own.times?.(name, key);
    if (times) divide(floats(bytes), shape[0], times);
    const [from, to] = names.find(([pattern]) => pattern.test(name)) ?? ["", ""];
    const source = name.replace(from, to);
    // Layers that attend have as many heads, others none.
    const heads = own.halves ? headsOf(name, (what) => Math.max(...[key(what)].flat().map(Number))) : 0;
    const layout = own.layout?.(name, key, modelShape);
    if (source.includes("#")) {
      const count = shape[shape.length - 1];
      const size = bytes.length / count;
      for (let i = 0; i < count; i++) {
        const part = bytes.slice(i * size, (i + 1) * size);
        weights[source.replace("#", own.letters?.[i] ?? String(i))] = {
          dtype: "F32",
          shape: shape.slice(0, -1).reverse(),
          bytes: part,
        };
      }
    } else if (layout) {
      const size = layout.shape.reduce((product, n) => product * n, 4);
      weights[source] ??= { dtype: "F32", shape: [...layout.shape], bytes: new Uint8Array(size) };
      if (layout.rowOf) place(bytes, weights[source], layout.rowOf);
      else if (layout.placeOf) placeValues(floats(bytes), floats(weights[source].bytes), layout.placeOf);
    } else {
      const ordered = heads ? halved(bytes, shape, heads) : bytes;
      weights[source] = { dtype: "F32", shape: [...shape].reverse(), bytes: ordered };
    }
    if (own.transposed?.test(name)) weights[source] = transposed(weights[source]);
  }
  return weights;
}

function divide(values: Float32Array, columns: number, times: (row: number) => number): void {
  for (let i = 0; i < values.length; i++) values[i] /= times(Math.floor(i / columns));
}

function minusOne(values: Float32Array): void {
  for (let i = 0; i < values.length; i++) values[i] -= 1;
}

/** Each x becomes a value whose −e^ is x again, in f32. */
function logarithms(values: Float32Array): void {
  for (let i = 0; i < values.length; i++) {
    const wanted = values[i];
    const near = Math.fround(Math.log(-wanted));
    const steps = [0, 1, -1, 2, -2].map((step) => Math.fround(near + step * Math.abs(near) * 2 ** -24));
    const found = steps.find((value) => Math.fround(-Math.exp(value)) === wanted);
    if (found === undefined) throw new Error(`no f32 has ${wanted} as its −e^x`);
    values[i] = found;
  }
}

const floats = ({ buffer }: Uint8Array) => new Float32Array(buffer);

/** Puts the rows of a tensor where they lie in a fused one. */
function place(bytes: Uint8Array, { shape, bytes: target }: Weight, rowOf: (row: number) => number): void {
  const size = 4 * (shape.length > 1 ? shape[shape.length - 1] : 1);
  for (let row = 0; row * size < bytes.length; row++) {
    target.set(bytes.subarray(row * size, (row + 1) * size), rowOf(row) * size);
  }
}

/** Puts the values of a tensor where they lie in a fused one. */
function placeValues(values: Float32Array, target: Float32Array, placeOf: (value: number) => number): void {
  for (const [i, value] of values.entries()) target[placeOf(i)] = value;
}

/** A matrix whose rows are columns. */
function transposed({ dtype, shape: [rows, columns], bytes }: Weight): Weight {
  const values = floats(bytes);
  const turned = Float32Array.from(values, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]);
  return { dtype, shape: [columns, rows], bytes: new Uint8Array(turned.buffer) };
}

function hasTensor({ tensors }: Model, wanted: string): boolean {
  return tensors.some(({ name }) => name === wanted);
}

function headsOf(name: string, number: (key: string) => number): number {
  if (/attn_q\./.test(name)) return number("attention.head_count");
  return /attn_k\./.test(name) ? number("attention.head_count_kv") : 0;
}

/** A checkpoint of llama turns values i and i + n/2 of a head together where GGUF has 2i and 2i + 1. */
function halved(bytes: Uint8Array, [columns, rows]: readonly number[], heads: number): Uint8Array {
  const width = columns * 4;
  const size = rows / heads;
  const result = new Uint8Array(bytes.length);
  for (let head = 0; head < heads; head++)
    for (let i = 0; i < size / 2; i++)
      for (const half of [0, 1]) {
        const from = (head * size + 2 * i + half) * width;
        result.set(bytes.subarray(from, from + width), (head * size + i + (half * size) / 2) * width);
      }
  return result;
}

const LLAMA3_SPLIT =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

export const SPLITS = {
  qwen2:
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  "llama-bpe": LLAMA3_SPLIT,
  // Another name of the same.
  "falcon-h1": LLAMA3_SPLIT,
};

export function preTokenizer(pre: string): Json {
  const byteLevel = (regex: boolean) => ({ type: "ByteLevel", add_prefix_space: false, use_regex: regex });
  if (pre === "gpt-2") return byteLevel(true);
  const digits = { type: "Digits", individual_digits: true };
  if (pre === "smollm") return { type: "Sequence", pretokenizers: [digits, byteLevel(true)] };
  const pattern = { Regex: SPLITS[pre as keyof typeof SPLITS] };
  const split = { type: "Split", pattern, behavior: "Isolated", invert: false };
  return { type: "Sequence", pretokenizers: [split, byteLevel(false)] };
}

/** The bytes of a safetensors file. */
export function safetensors(weights: Weights): Uint8Array {
  let offset = 0;
  const header: Json = { __metadata__: { format: "pt" } };
  for (const [name, { dtype, shape, bytes }] of Object.entries(weights)) {
    header[name] = { dtype, shape, data_offsets: [offset, (offset += bytes.length)] };
  }
  const head = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + head.length + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(head.length), true);
  file.set(head, 8);
  let at = 8 + head.length;
  for (const { bytes } of Object.values(weights)) {
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}

/** Writes a checkpoint to a fresh folder, or with `shards` into several files with an index. */
export function writeCheckpoint(name: string, parts: CheckpointParts, shards = 1): string {
  const folder = join(dirname(temporaryFile("place")), name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const put = (file: string, what: unknown) => {
    const path = join(folder, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, what instanceof Uint8Array ? what : JSON.stringify(what));
  };
  for (const [file, what] of Object.entries(parts.others ?? {})) put(file, what);
  put("config.json", parts.config);
  put("tokenizer.json", parts.tokenizer);
  put("tokenizer_config.json", parts.tokenizerConfig);
  if (shards === 1) put("model.safetensors", safetensors(parts.weights));
  else {
    const map: Json = {};
    const lists: Weights[] = Array.from({ length: shards }, () => ({}));
    Object.entries(parts.weights).forEach(([key, weight], i) => {
      lists[i % shards][key] = weight;
      map[key] = `model-${i % shards}.safetensors`;
    });
    lists.forEach((list, i) => {
      put(`model-${i}.safetensors`, safetensors(list));
    });
    put("model.safetensors.index.json", { weight_map: map });
  }
  return folder;
}
