/** qwen35: gated delta nets, and in every fourth layer attention with a gate; checkpoints call it qwen3_5. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import {
  commonKeys,
  embedding,
  endTensors,
  matrix,
  named,
  readDecoder,
  requireActivation,
  requireHead,
  vector,
} from "../decoder.ts";
import type { Config } from "../folder.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import { readRope, ropeObject, rotaryShare } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";
import { attendingLayers, type StateSpace, stateKeys } from "../state-space.ts";
import { attention } from "./jamba.ts";

/** Sizes of a gated delta net: heads of keys, and of values, which are as wide. */
export interface DeltaNet extends StateSpace {
  readonly keyHeads: number;
  readonly valueHeads: number;
  readonly head: number;
}

/** What differs between qwen35 and qwen3next. */
export interface Hybrid {
  readonly claims?: readonly string[];
  /** Which of the checkpoint's heads of values each of the file's is. */
  readonly headOf: (head: number, net: DeltaNet) => number;
  /** The matrices of what goes into a delta net and of its gates. */
  readonly inputs: (to: string, from: string, net: DeltaNet) => PlannedTensor[];
  readonly feedForward: (to: string, from: string, hidden: number) => PlannedTensor[];
  readonly own: readonly GgufEntry[];
}

/** Parts that see, and heads that predict more tokens. */
const WITHOUT = /^(model\.visual|visual|mtp)\./;

export function planQwen35(given: Config, checkpoint: Checkpoint): Plan {
  const config = given.part("text_config");
  const sections = ropeObject(config)["mrope_section"];
  const isList = Array.isArray(sections) && sections.length < 5 && sections.every((one) => Number.isInteger(one));
  return planDeltaHybrid("qwen35", config, checkpoint, {
    headOf: spreadHead,
    inputs(to, from, net) {
      const { hidden, keyHeads, valueHeads, head } = net;
      const rows = (size: number, before = 0) => rowsByHead((one) => spreadHead(one, net), size, before);
      const keys = 2 * keyHeads * head;
      const project = (name: string, source: string, count: number) =>
        matrix(`${to}${name}.weight`, `${from}in_proj_${source}.weight`, hidden, count);
      return [
        { ...project("attn_qkv", "qkv", keys + valueHeads * head), rowOf: rows(head, keys) },
        { ...project("attn_gate", "z", valueHeads * head), rowOf: rows(head) },
        { ...project("ssm_beta", "b", valueHeads), rowOf: rows(1) },
        { ...project("ssm_alpha", "a", valueHeads), rowOf: rows(1) },
      ];
    },
    feedForward(to, from, hidden) {
      const ffn = config.size("intermediate_size");
      return [
        matrix(`${to}ffn_gate.weight`, `${from}mlp.gate_proj.weight`, hidden, ffn),
        matrix(`${to}ffn_up.weight`, `${from}mlp.up_proj.weight`, hidden, ffn),
        matrix(`${to}ffn_down.weight`, `${from}mlp.down_proj.weight`, ffn, hidden),
      ];
    },
    own: isList ? [["rope.dimension_sections", "i32[]", [...sections, 0, 0, 0, 0].slice(0, 4)]] : [],
  });
}

/** Heads of values that have a head of keys in common stand together in the checkpoint, and one a round in the file. */
function spreadHead(head: number, { keyHeads, valueHeads }: DeltaNet): number {
  return (head % keyHeads) * (valueHeads / keyHeads) + Math.floor(head / keyHeads);
}

/** `rowOf` of rows of heads, `size` of each, behind `before` others. */
function rowsByHead(headOf: (head: number) => number, size: number, before = 0): (row: number) => number {
  return (row) =>
    row < before ? row : before + headOf(Math.floor((row - before) / size)) * size + ((row - before) % size);
}

/** The plan of qwen35 and qwen3next. */
export function planDeltaHybrid(architecture: string, config: Config, checkpoint: Checkpoint, own: Hybrid): Plan {
  requireActivation(config, "silu");
  config.refuse("attention_bias");
  if (config.get("attn_output_gate") === false) throw config.wrong("attn_output_gate is false", "UNSUPPORTED");
  const decoder = readDecoder(config, checkpoint, ["sliding_window", ...(own.claims ?? [])]);
  const { layers, hidden, heads, vocabulary, prefix } = decoder;
  const kvHeads = config.size("num_key_value_heads", heads);
  const head = config.size("head_dim", 256);
  requireHead(config, head);
  const net = readDeltaNet(config, hidden);
  const interval = config.size("full_attention_interval", 4);
  const usual = Array.from({ length: layers }, (_, layer) => (layer + 1) % interval === 0);
  const attends =
    config.get("layer_types") === undefined
      ? usual
      : attendingLayers(config, layers, "layer_types", "full_attention", "linear_attention");
  const isUsual = attends.every((one, layer) => one === usual[layer]);
  const turned = rotaryShare(config, ropeObject(config), 0.25) * head;
  const { keys } = readRope(config, turned);
  const tensors: PlannedTensor[] = [embedding(decoder)];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}layers.${layer}.`];
    tensors.push(
      norm(`${to}attn_norm`, `${from}input_layernorm`, hidden),
      ...(attends[layer]
        ? gatedAttention(to, `${from}self_attn.`, hidden, heads, kvHeads, head)
        : deltaNet(to, `${from}linear_attn.`, own, net)),
      norm(`${to}post_attention_norm`, `${from}post_attention_layernorm`, hidden),
      ...own.feedForward(to, from, hidden),
    );
  }
  return {
    architecture,
    vocabulary,
    metadata: [
      ...commonKeys(architecture, decoder, config, kvHeads),
      ...named(architecture, [
        ["attention.layer_norm_rms_epsilon", "f32", config.number("rms_norm_eps", 1e-6)],
        ["attention.key_length", "u32", head],
        ["attention.value_length", "u32", head],
        ...keys,
        ["rope.dimension_count", "u32", turned],
        ...stateKeys(net),
        ["full_attention_interval", "u32", interval],
        ...(isUsual ? [] : ([["attention.recurrent_layers", "bool[]", attends.map((one) => !one)]] as const)),
      ]),
    ],
    ownMetadata: named(architecture, [["vocab_size", "u32", vocabulary], ...own.own]),
    tensors: [...tensors, ...endTensors(decoder, config, { plus: 1 })],
    without: WITHOUT,
  };
}

function readDeltaNet(config: Config, hidden: number): DeltaNet {
  const [keyHeads, valueHeads] = [config.size("linear_num_key_heads"), config.size("linear_num_value_heads")];
  const head = config.size("linear_key_head_dim");
  if (config.size("linear_value_head_dim", head) !== head) {
    throw config.wrong("linear_value_head_dim is not linear_key_head_dim: a file has one size for both", "UNSUPPORTED");
  }
  if (valueHeads % keyHeads) throw config.wrong(`linear_num_value_heads is no multiple of ${keyHeads}`);
  const sizes = { state: head, taps: config.size("linear_conv_kernel_dim", 4), rank: valueHeads, groups: keyHeads };
  return { ...sizes, hidden, inner: valueHeads * head, keyHeads, valueHeads, head };
}

/** A norm whose weights are 1 less in the checkpoint. */
function norm(name: string, source: string, size: number): PlannedTensor {
  return { ...vector(`${name}.weight`, `${source}.weight`, size), plus: 1 };
}

/** Beside the rows of each head of queries stand those of its gate. */
function gatedAttention(
  to: string,
  from: string,
  hidden: number,
  heads: number,
  kvHeads: number,
  head: number,
): PlannedTensor[] {
  const [q, ...others] = attention(to, from, hidden, heads * head, kvHeads * head);
  return [
    { ...q, shape: [hidden, 2 * heads * head] },
    ...others,
    norm(`${to}attn_q_norm`, `${from}q_norm`, head),
    norm(`${to}attn_k_norm`, `${from}k_norm`, head),
  ];
}

function deltaNet(to: string, from: string, { inputs, headOf }: Hybrid, net: DeltaNet): PlannedTensor[] {
  const { hidden, inner, taps, keyHeads, valueHeads, head } = net;
  const keys = 2 * keyHeads * head;
  const order = (one: number) => headOf(one, net);
  const isOrdered = Array.from({ length: valueHeads }, (_, i) => order(i)).every((one, i) => one === i);
  const columnOf = rowsByHead(order, head);
  const heads = (name: string, source: string): PlannedTensor => ({
    ...vector(`${to}${name}`, `${from}${source}`, valueHeads),
    rowOf: order,
  });
  const out = matrix(`${to}ssm_out.weight`, `${from}out_proj.weight`, inner, hidden);
  return [
    ...inputs(to, from, net),
    {
      ...vector(`${to}ssm_conv1d.weight`, `${from}conv1d.weight`, 0),
      shape: [taps, keys + inner],
      sourceShape: [keys + inner, 1, taps],
      rowOf: rowsByHead(order, head, keys),
    },
    heads("ssm_dt.bias", "dt_bias"),
    { ...heads("ssm_a", "A_log"), negatedExp: true },
    vector(`${to}ssm_norm.weight`, `${from}norm.weight`, head),
    // Its columns are heads of values: where they stand in another order, each value is put in its place.
    isOrdered ? out : { ...out, singly: true, rowOf: (at) => at - (at % inner) + columnOf(at % inner) },
  ];
}
