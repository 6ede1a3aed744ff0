/** Decoders with heads in groups and RMSNorm: llama, and those that differ from it by what `Grouped` has. */
import type { GgufEntry } from "../load/gguf-entries.ts";
import {
  commonKeys,
  type Decoder,
  embedding,
  endTensors,
  linear,
  matrix,
  named,
  readDecoder,
  requireActivation,
  requireHead,
  vector,
} from "./decoder.ts";
import type { Config } from "./folder.ts";
import { type Plan, type PlannedTensor, pairedRows } from "./plan.ts";
import { type Rope, readRope, refusePartial } from "./rope.ts";
import type { Checkpoint } from "./safetensors.ts";

/** Sizes of such a decoder: of a head, and of the feed-forward network. */
export interface GroupedDecoder extends Decoder {
  readonly kvHeads: number;
  readonly head: number;
  readonly ffn: number;
}

/**
 * What a model and its layers have, as the file calls it, and what the checkpoint calls that; null: there is none. What is
 * not of a layer has the checkpoint's whole name, and is called as in llama where it is not said; `blk` are the layers.
 */
type Names = Readonly<Record<string, string | null>>;

const NAMES: Names = {
  attn_norm: "input_layernorm",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_output: "self_attn.o_proj",
  attn_q_norm: "self_attn.q_norm",
  attn_k_norm: "self_attn.k_norm",
  post_attention_norm: null,
  ffn_norm: "post_attention_layernorm",
  ffn_gate: "mlp.gate_proj",
  ffn_up: "mlp.up_proj",
  ffn_down: "mlp.down_proj",
  post_ffw_norm: null,
};

/** What such a decoder has beside what all of them have. */
export interface Grouped {
  /** RoPE turns halves in the checkpoint, and pairs in the file. */
  readonly paired?: boolean;
  /** Queries and keys are normed: head by head, all heads as one row, or each head by a weight of its own. */
  readonly headNorms?: "head" | "row" | "own";
  /** The ε of norms: its key, and the config's; without: that of RMSNorm. */
  readonly epsilon?: readonly [key: string, name: string];
  /** The word of a config for what is between the matrices of the feed-forward network; without: silu. */
  readonly activation?: string;
  /** What the checkpoint calls otherwise than llama. */
  readonly names?: Names;
  /** Is added to the weights of norms. */
  readonly plus?: number;
  /** The head is the embedding where the config does not say. */
  readonly tied?: boolean;
  /** Keys of the config that change answers and that the architecture reads (`readDecoder`). */
  readonly claims?: readonly string[];
  /** How positions turn, where the config says more than `readRope` reads. */
  readonly rope?: (head: number) => Rope;
  /** What stands in place of the matrices of queries, keys and values of a layer, which is `from` in the checkpoint. */
  readonly projections?: (sizes: GroupedDecoder, to: string, from: string) => PlannedTensor[];
  /** What stands in place of the feed-forward network of a layer, which is `from` in the checkpoint. */
  readonly feedForward?: (sizes: GroupedDecoder, to: string, from: string, names: Names) => PlannedTensor[];
  /** Keys that the others do not write, without the architecture's name. */
  readonly ownMetadata?: (sizes: GroupedDecoder) => GgufEntry[];
}

/** The plan of such a decoder. */
export function planGrouped(architecture: string, config: Config, checkpoint: Checkpoint, own: Grouped = {}): Plan {
  const { ownMetadata = () => [], plus, tied, rope = (head) => readRope(config, head), names = {} } = own;
  const [epsilonKey, epsilon] = own.epsilon ?? ["attention.layer_norm_rms_epsilon", "rms_norm_eps"];
  requireActivation(config, own.activation ?? "silu");
  if (!own.claims?.includes("partial_rotary_factor")) refusePartial(config);
  const decoder = readDecoder(config, checkpoint, own.claims);
  const { layers, hidden, heads, vocabulary, prefix } = decoder;
  const kvHeads = config.size("num_key_value_heads", heads);
  const given = config.get("head_dim") !== undefined;
  const head = config.size("head_dim", hidden / heads);
  requireHead(config, head);
  const sizes: GroupedDecoder = { ...decoder, kvHeads, head, ffn: config.size("intermediate_size") };
  const { keys, tensors: factors } = rope(head);
  const metadata: GgufEntry[] = [
    ...commonKeys(architecture, decoder, config, kvHeads),
    ...named(architecture, [...keys, [epsilonKey, "f32", config.number(epsilon)]]),
  ];
  if (given) {
    metadata.push([`${architecture}.attention.key_length`, "u32", head]);
    metadata.push([`${architecture}.attention.value_length`, "u32", head]);
  }
  const tensors = [embedding(decoder, names["token_embd"] ?? undefined), ...factors];
  const stack = names["blk"] ?? `${prefix}layers`;
  for (let layer = 0; layer < layers; layer++) {
    tensors.push(...layerTensors(sizes, own, `blk.${layer}.`, `${stack}.${layer}.`));
  }
  const ends = { tied, plus, norm: names["output_norm"] ?? undefined, output: names["output"] ?? undefined };
  return {
    architecture,
    vocabulary,
    metadata,
    ownMetadata: named(architecture, ownMetadata(sizes)),
    tensors: [...tensors, ...endTensors(decoder, config, ends)],
  };
}

function layerTensors(sizes: GroupedDecoder, own: Grouped, to: string, from: string): PlannedTensor[] {
  const { hidden, heads, kvHeads, head } = sizes;
  const { plus, headNorms, projections, feedForward = gatedTensors } = own;
  const names: Names = { ...NAMES, ...own.names };
  const norm = (name: string, ...shape: number[]): PlannedTensor[] =>
    names[name] ? [{ ...vector(`${to}${name}.weight`, `${from}${names[name]}.weight`, 0), shape, plus }] : [];
  const project = (name: string, columns: number, rows: number, turns = false): PlannedTensor[] => {
    const rowOf = turns && own.paired ? pairedRows(head) : undefined;
    return linear(`${to}${name}`, `${from}${names[name]}`, columns, rows, { optional: true, rowOf });
  };
  const normed = (count: number) =>
    headNorms === "row" ? [count * head] : headNorms === "own" ? [head, count] : [head];
  const usual = () => [
    ...project("attn_q", hidden, heads * head, true),
    ...project("attn_k", hidden, kvHeads * head, true),
    ...project("attn_v", hidden, kvHeads * head),
  ];
  return [
    ...norm("attn_norm", hidden),
    ...(projections ? projections(sizes, to, from) : usual()),
    ...project("attn_output", heads * head, hidden),
    ...(headNorms ? [...norm("attn_q_norm", ...normed(heads)), ...norm("attn_k_norm", ...normed(kvHeads))] : []),
    ...norm("post_attention_norm", hidden),
    ...norm("ffn_norm", hidden),
    ...feedForward(sizes, to, from, names),
    ...norm("post_ffw_norm", hidden),
  ];
}

function gatedTensors({ hidden, ffn }: GroupedDecoder, to: string, from: string, names: Names): PlannedTensor[] {
  const parts = [
    ["ffn_gate", hidden, ffn],
    ["ffn_up", hidden, ffn],
    ["ffn_down", ffn, hidden],
  ] as const;
  return parts.flatMap(([name, columns, rows]) =>
    names[name] ? matrix(`${to}${name}.weight`, `${from}${names[name]}.weight`, columns, rows) : [],
  );
}
