/** deci: DeciLM, and Llama-Nemotron (nemotron-nas), whose layers have what `block_configs` says. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import {
  embedding,
  endTensors,
  linear,
  matrix,
  named,
  readDecoder,
  requireActivation,
  requireHead,
  vector,
} from "../decoder.ts";
import { type Config, isObject, type Json } from "../folder.ts";
import { type Plan, type PlannedTensor, pairedRows } from "../plan.ts";
import { readRope, refusePartial } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";

/** What a layer has; 0: none. Heads without heads of keys are a matrix alone. */
interface Layer {
  readonly heads: number;
  readonly kvHeads: number;
  readonly ffn: number;
}

/** Feed-forward widths are multiples of it. */
const WIDTH_STEP = 256;

export function planDeci(config: Config, checkpoint: Checkpoint): Plan {
  requireActivation(config, "silu");
  refusePartial(config);
  const decoder = readDecoder(config, checkpoint);
  const { hidden, heads, vocabulary, prefix } = decoder;
  const head = config.size("head_dim", hidden / heads);
  requireHead(config, head);
  const layers = Array.from({ length: decoder.layers }, (_, layer) => readLayer(config, layer, hidden, heads));
  const list = (what: (layer: Layer) => number) => layers.map(what);
  const rope = readRope(config, head);
  const keys: GgufEntry[] = [
    ["block_count", "u32", decoder.layers],
    ["context_length", "u32", config.size("max_position_embeddings")],
    ["embedding_length", "u32", hidden],
    ["feed_forward_length", "i32[]", list(({ ffn }) => ffn)],
    ["attention.head_count", "i32[]", list(({ heads }) => heads)],
    ["attention.head_count_kv", "i32[]", list(({ kvHeads }) => kvHeads)],
    ...rope.keys,
    ["attention.layer_norm_rms_epsilon", "f32", config.number("rms_norm_eps")],
    ["attention.key_length", "u32", head],
    ["attention.value_length", "u32", head],
  ];
  const own: GgufEntry[] = [
    ["vocab_size", "u32", vocabulary],
    ["rope.dimension_count", "u32", head],
  ];
  const tensors = layers.flatMap((layer, i) => layerTensors(layer, `blk.${i}.`, `${prefix}layers.${i}.`, hidden, head));
  return {
    architecture: "deci",
    vocabulary,
    metadata: named("deci", keys),
    ownMetadata: named("deci", own),
    tensors: [embedding(decoder), ...rope.tensors, ...tensors, ...endTensors(decoder, config)],
  };
}

function readLayer(config: Config, layer: number, hidden: number, heads: number): Layer {
  const blocks = config.get("block_configs");
  if (blocks === undefined) {
    const given = config.get("num_key_value_heads_per_layer");
    const kvHeads = Array.isArray(given) ? given[layer] : config.size("num_key_value_heads", heads);
    if (!Number.isInteger(kvHeads) || kvHeads < 1 || heads % kvHeads) throw wrong(config, layer, "key-value heads");
    return { heads, kvHeads, ffn: config.size("intermediate_size") };
  }
  const block: unknown = Array.isArray(blocks) ? blocks[layer] : undefined;
  const { attention, ffn } = isObject(block) ? block : ({} as Json);
  if (!isObject(attention) || !isObject(ffn)) throw wrong(config, layer, "attention and ffn");
  if (ffn["replace_with_linear"]) {
    throw config.wrong(`block_configs has a linear ffn in layer ${layer}`, "UNSUPPORTED");
  }
  const group = attention["n_heads_in_group"] ?? 0;
  const times = ffn["ffn_mult"] ?? 0;
  if (typeof group !== "number" || (group && heads % group)) throw wrong(config, layer, "n_heads_in_group");
  if (typeof times !== "number" || !(times >= 0)) throw wrong(config, layer, "ffn_mult");
  return {
    heads: group || attention["replace_with_linear"] ? heads : 0,
    kvHeads: group ? heads / group : 0,
    ffn: Math.ceil(Math.floor((2 * times * hidden) / 3) / WIDTH_STEP) * WIDTH_STEP,
  };
}

function wrong(config: Config, layer: number, what: string): Error {
  return config.wrong(`layer ${layer} has no sound ${what}`);
}

function layerTensors(layer: Layer, to: string, from: string, hidden: number, head: number): PlannedTensor[] {
  const { heads, kvHeads, ffn } = layer;
  const tensors: PlannedTensor[] = [];
  const attention = `${from}self_attn.`;
  const norm = (name: string, source: string) =>
    tensors.push(vector(`${to}${name}.weight`, `${from}${source}.weight`, hidden));
  const project = (name: string, columns: number, rows: number, turns = false) => {
    const rowOf = turns ? pairedRows(head) : undefined;
    const source = `${attention}${name === "output" ? "o" : name}_proj`;
    tensors.push(...linear(`${to}attn_${name}`, source, columns, rows, { optional: true, rowOf }));
  };
  if (heads) norm("attn_norm", "input_layernorm");
  if (kvHeads) {
    project("q", hidden, heads * head, true);
    project("k", hidden, kvHeads * head, true);
    project("v", hidden, kvHeads * head);
    project("output", heads * head, hidden);
  } else if (heads) {
    tensors.push(matrix(`${to}attn_output.weight`, `${attention}linear_attn.weight`, hidden, hidden));
  }
  if (ffn) {
    norm("ffn_norm", "post_attention_layernorm");
    tensors.push(
      matrix(`${to}ffn_gate.weight`, `${from}mlp.gate_proj.weight`, hidden, ffn),
      matrix(`${to}ffn_up.weight`, `${from}mlp.up_proj.weight`, hidden, ffn),
      matrix(`${to}ffn_down.weight`, `${from}mlp.down_proj.weight`, ffn, hidden),
    );
  }
  return tensors;
}
