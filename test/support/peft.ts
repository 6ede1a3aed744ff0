/** Adapters as PEFT saves them, for checkpoints of tests: with random pairs, and merged into their weights in float64. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type CheckpointParts, checkpointOf, safetensors, type Weights, writeCheckpoint } from "./checkpoint.ts";
import { temporaryFile } from "./models.ts";
import { generator } from "./random.ts";

export type PeftConfig = Record<string, unknown>;

export const f32 = (shape: number[], values: Float32Array) => ({
  dtype: "F32",
  shape,
  bytes: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
});

/** A folder with an adapter. */
export function writeAdapter(config: PeftConfig, weights: Weights, name = "peft"): string {
  const folder = join(dirname(temporaryFile("place")), name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, "adapter_config.json"),
    JSON.stringify({ peft_type: "LORA", r: 8, lora_alpha: 16, ...config }),
  );
  writeFileSync(join(folder, "adapter_model.safetensors"), safetensors(weights));
  return folder;
}

/** Pairs for some matrices of a checkpoint, and the checkpoint with W + s · B A. */
export function adapted(
  parts: CheckpointParts,
  modules: RegExp,
  rankOf: (module: string) => number,
  scaleOf: (module: string, rank: number) => number,
  seed = 7,
): { pairs: Weights; merged: CheckpointParts } {
  const next = generator(seed);
  const pairs: Weights = {};
  const weights: Weights = { ...parts.weights };
  for (const [name, { shape, bytes }] of Object.entries(parts.weights)) {
    if (!name.endsWith(".weight") || !modules.test(name)) continue;
    const module = name.slice(0, -".weight".length);
    const [rows, columns] = shape;
    const rank = rankOf(module);
    const isRows = module.endsWith("embed_tokens");
    const random = (count: number, size: number) => Float32Array.from({ length: count }, () => (next() - 0.5) * size);
    const a = random(rank * (isRows ? rows : columns), 3.4 / Math.sqrt(columns));
    const b = random((isRows ? columns : rows) * rank, 0.3);
    const w = new Float32Array(bytes.slice().buffer);
    const scale = scaleOf(module, rank);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        let sum = 0;
        for (let j = 0; j < rank; j++) {
          sum += isRows ? b[column * rank + j] * a[j * rows + row] : b[row * rank + j] * a[j * columns + column];
        }
        w[row * columns + column] += scale * sum;
      }
    }
    const [left, right] = isRows ? ["lora_embedding_A", "lora_embedding_B"] : ["lora_A.weight", "lora_B.weight"];
    pairs[`base_model.model.${module}.${left}`] = f32([rank, isRows ? rows : columns], a);
    pairs[`base_model.model.${module}.${right}`] = f32([isRows ? columns : rows, rank], b);
    weights[name] = f32([rows, columns], w);
  }
  return { pairs, merged: { ...parts, weights } };
}

const ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
const INVOCATION = [40, 41, 41];
const TEXT = Array.from({ length: 12 }, (_, i) => (i * 389 + 97) % 512);
const alora = { target_modules: ALL, alora_invocation_tokens: INVOCATION };
const patterns = { rank_pattern: { q_proj: 4 }, alpha_pattern: { v_proj: 5 }, use_rslora: true };

/** What PEFT itself is asked: adapters with weights, and the tokens whose logits are wanted at some positions. */
export const PEFT_CASES: readonly {
  name: string;
  kind: string;
  adapters: readonly (readonly [config: PeftConfig, weight: number])[];
  tokens: readonly number[];
  positions: readonly number[];
}[] = [
  { name: "LoRA", kind: "llama-tiny", adapters: [[{ target_modules: ALL }, 1]], tokens: TEXT, positions: [0, 5, 11] },
  {
    name: "patterns and rsLoRA",
    kind: "qwen2-tiny",
    adapters: [[{ target_modules: ALL, ...patterns }, 1]],
    tokens: TEXT,
    positions: [0, 5, 11],
  },
  {
    name: "two adapters with weights",
    kind: "llama-tiny",
    adapters: [
      [{ target_modules: ["q_proj", "v_proj"] }, 0.7],
      [{ target_modules: ALL }, -0.3],
    ],
    tokens: TEXT,
    positions: [0, 5, 11],
  },
  {
    name: "aLoRA, its invocation twice",
    kind: "llama-tiny",
    adapters: [[alora, 1]],
    tokens: [7, ...INVOCATION, 9, 40, ...INVOCATION, 11, 12],
    positions: [4, 5, 6, 10],
  },
  {
    name: "aLoRA without its invocation",
    kind: "llama-tiny",
    adapters: [[alora, 1]],
    tokens: [7, 40, 41, 42, 11, 12],
    positions: [0, 5],
  },
];

/** The folders of a case's model and of its adapters. */
export function peftFolders({ kind, adapters }: (typeof PEFT_CASES)[number]): { model: string; folders: string[] } {
  const { parts } = checkpointOf(kind);
  const folders = adapters.map(([config, _], i) => {
    const modules = new RegExp(`(${(config["target_modules"] as string[]).join("|")})\\.weight$`);
    const ranks = (config["rank_pattern"] ?? {}) as Record<string, number>;
    const rankOf = (module: string) => ranks[module.split(".").pop()!] ?? 8;
    const { pairs } = adapted(parts, modules, rankOf, () => 1, 11 + i);
    return writeAdapter({ task_type: "CAUSAL_LM", bias: "none", ...config }, pairs, `peft-${i}`);
  });
  return { model: writeCheckpoint("peft-model", parts), folders };
}
