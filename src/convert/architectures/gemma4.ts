/** gemma4: the text part of gemma4, or a gemma4_text; sizes of heads by kind of layer, inputs of layers, experts. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import {
  type Decoder,
  embedding,
  endTensors,
  matrix,
  named,
  readDecoder,
  requireActivation,
  requireHead,
  router,
  vector,
} from "../decoder.ts";
import { expertKeys } from "../experts.ts";
import { type Config, isObject, type Json, said } from "../folder.ts";
import { inputOfLayer, inputTensors, sharingKeys } from "../layer-inputs.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import { localTheta, ropeObject, ropeTheta } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";
import { layersWithWindow } from "../windows.ts";

/** Sizes of a layer. */
interface Layer {
  readonly head: number;
  readonly kvHeads: number;
  readonly ffn: number;
  /** It makes keys; and values by a matrix of their own. */
  readonly keeps: boolean;
  readonly hasValues: boolean;
}

/** Divides angles of pairs that stand still. */
const STILL = 1e30;

export function planGemma4(whole: Config, checkpoint: Checkpoint): Plan {
  const config = whole.part("text_config");
  requireActivation(config, "gelu_pytorch_tanh");
  config.refuse("use_bidirectional_attention", "vision");
  const decoder = readDecoder(config, checkpoint, ["final_logit_softcapping", "sliding_window", "num_experts"]);
  const { layers, heads, hidden } = decoder;
  const locals = layersWithWindow(config, layers, 6);
  const width = config.get("hidden_size_per_layer_input") ? config.size("hidden_size_per_layer_input") : 0;
  const each = layersOf(config, checkpoint, decoder, locals);
  const [local, full] = [config.size("head_dim"), config.size("global_head_dim")];
  for (const head of [local, full]) requireHead(config, head);
  const experts = config.get("enable_moe_block") === false ? 0 : Number(config.get("num_experts") ?? 0);
  const rope = ropeObject(config, "full_attention");
  const widths = each.map(({ ffn }) => ffn);
  const kvHeads = each.map((layer) => layer.kvHeads);
  const keys: GgufEntry[] = [
    ["block_count", "u32", layers],
    ["context_length", "u32", config.size("max_position_embeddings")],
    ["embedding_length", "u32", hidden],
    oneOrEach("feed_forward_length", widths),
    ["attention.head_count", "u32", heads],
    oneOrEach("attention.head_count_kv", kvHeads),
    ["attention.layer_norm_rms_epsilon", "f32", config.number("rms_norm_eps", 1e-6)],
    ["rope.freq_base", "f32", ropeTheta(config, rope, 1e6)],
    ["rope.freq_base_swa", "f32", localTheta(config) ?? 10000],
    ["rope.dimension_count", "u32", full],
    ["rope.dimension_count_swa", "u32", local],
    ["attention.key_length", "u32", full],
    ["attention.value_length", "u32", full],
    ["attention.key_length_swa", "u32", local],
    ["attention.value_length_swa", "u32", local],
  ];
  const cap = config.get("final_logit_softcapping");
  const own: GgufEntry[] = [
    ...sharingKeys(config, width, locals),
    ...(cap ? [["final_logit_softcapping", "f32", config.number("final_logit_softcapping")] as const] : []),
    ...(experts ? expertsOf(config, experts) : []),
  ];
  const tensors = [embedding(decoder), factors(config, rope, full)];
  if (width) tensors.push(...inputTensors(decoder, config, width));
  for (const [layer, sizes] of each.entries()) {
    const [to, from] = [`blk.${layer}.`, `${decoder.prefix}layers.${layer}.`];
    tensors.push(...layerTensors(decoder, sizes, to, from));
    if (experts) tensors.push(...mixtureTensors(to, from, hidden, config.size("moe_intermediate_size"), experts));
    if (width) tensors.push(...inputOfLayer(to, from, hidden, width));
  }
  return {
    architecture: "gemma4",
    vocabulary: decoder.vocabulary,
    metadata: named("gemma4", keys),
    ownMetadata: named("gemma4", own),
    tensors: [...tensors, ...endTensors(decoder, config, { tied: true })],
    without: /^(model\.)?(vision_tower|vision_embedder|audio_tower|embed_vision|embed_audio)\./,
  };
}

/** A key that has one value, or one for each layer where they differ. */
function oneOrEach(key: string, values: readonly number[]): GgufEntry {
  return values.every((value) => value === values[0]) ? [key, "u32", values[0]] : [key, "i32[]", values];
}

function layersOf(config: Config, checkpoint: Checkpoint, decoder: Decoder, locals: readonly boolean[]): Layer[] {
  const { layers, prefix, heads } = decoder;
  const kept = layers - config.number("num_kv_shared_layers", 0);
  const ffn = config.size("intermediate_size");
  const kvHeads = config.size("num_key_value_heads", heads);
  return locals.map((isLocal, layer) => ({
    head: config.size(isLocal ? "head_dim" : "global_head_dim"),
    kvHeads: isLocal ? kvHeads : config.size("num_global_key_value_heads", kvHeads),
    ffn: layer >= kept && config.get("use_double_wide_mlp") ? 2 * ffn : ffn,
    keeps: layer < kept,
    hasValues: checkpoint.tensors.has(`${prefix}layers.${layer}.self_attn.v_proj.weight`),
  }));
}

function expertsOf(config: Config, experts: number): GgufEntry[] {
  const used = config.size("top_k_experts", config.size("num_experts_per_tok", 1));
  const said = config.with({ num_experts_per_tok: used, norm_topk_prob: true });
  return expertKeys(said, experts, config.size("moe_intermediate_size"), true);
}

/** Of layers without a window only the first pairs of a head turn. */
function factors(config: Config, rope: Json, head: number): PlannedTensor {
  const type = isObject(rope) ? (rope["rope_type"] ?? "default") : "default";
  if (type !== "proportional") throw config.wrong(`rope_type is ${said(type)}`, "UNSUPPORTED");
  const share = rope["partial_rotary_factor"];
  if (typeof share !== "number" || !(share > 0 && share <= 1)) {
    throw config.wrong(`partial_rotary_factor is ${said(share)}`);
  }
  const turned = Math.floor((head * share) / 2);
  const values = Float32Array.from({ length: head / 2 }, (_, pair) => (pair < turned ? 1 : STILL));
  return { name: "rope_freqs.weight", sources: [], shape: [head / 2], kind: "floats", values };
}

function layerTensors({ hidden, heads }: Decoder, sizes: Layer, to: string, from: string): PlannedTensor[] {
  const { head, kvHeads, ffn, keeps, hasValues } = sizes;
  const norm = (name: string, source: string, size: number) =>
    vector(`${to}${name}.weight`, `${from}${source}.weight`, size);
  const product = (name: string, source: string, columns: number, rows: number) =>
    matrix(`${to}${name}.weight`, `${from}${source}.weight`, columns, rows);
  // Layers that make no keys may have the matrices all the same.
  const optional = !keeps;
  return [
    norm("attn_norm", "input_layernorm", hidden),
    product("attn_q", "self_attn.q_proj", hidden, heads * head),
    norm("attn_q_norm", "self_attn.q_norm", head),
    { ...product("attn_k", "self_attn.k_proj", hidden, kvHeads * head), optional },
    { ...norm("attn_k_norm", "self_attn.k_norm", head), optional },
    ...(hasValues ? [product("attn_v", "self_attn.v_proj", hidden, kvHeads * head)] : []),
    product("attn_output", "self_attn.o_proj", heads * head, hidden),
    norm("post_attention_norm", "post_attention_layernorm", hidden),
    norm("ffn_norm", "pre_feedforward_layernorm", hidden),
    product("ffn_gate", "mlp.gate_proj", hidden, ffn),
    product("ffn_up", "mlp.up_proj", hidden, ffn),
    product("ffn_down", "mlp.down_proj", ffn, hidden),
    norm("post_ffw_norm", "post_feedforward_layernorm", hidden),
    { ...vector(`${to}layer_output_scale.weight`, `${from}layer_scalar`, 1), optional: true },
  ];
}

/** Experts, all in one tensor, and their router, beside the dense network. */
function mixtureTensors(to: string, from: string, hidden: number, width: number, experts: number): PlannedTensor[] {
  const stack = (name: string, source: string, columns: number, rows: number): PlannedTensor => ({
    name: `${to}${name}.weight`,
    sources: [`${from}experts.${source}`],
    shape: [columns, rows, experts],
    kind: "matrix",
  });
  return [
    router(`${to}ffn_gate_inp.weight`, `${from}router.proj.weight`, hidden, experts),
    vector(`${to}ffn_gate_inp.scale`, `${from}router.scale`, hidden),
    vector(`${to}pre_ffw_norm_2.weight`, `${from}pre_feedforward_layernorm_2.weight`, hidden),
    vector(`${to}post_ffw_norm_1.weight`, `${from}post_feedforward_layernorm_1.weight`, hidden),
    vector(`${to}post_ffw_norm_2.weight`, `${from}post_feedforward_layernorm_2.weight`, hidden),
    stack("ffn_gate_up_exps", "gate_up_proj", hidden, 2 * width),
    stack("ffn_down_exps", "down_proj", width, hidden),
    vector(`${to}ffn_down_exps.scale`, `${from}router.per_expert_scale`, experts),
  ];
}
