/**
 * The architectures that can be converted: config.json → the keys and the tensors of a GGUF file, in the names and the
 * order that llama.cpp's converter gives them (specs of `memoryformer`: docs/formats.md).
 */
import type { GgufEntry } from "../load/gguf-entries.ts";
import { type Decoder, embedding, endTensors, matrix, readDecoder, ropeObject, ropeTheta, vector } from "./decoder.ts";
import { type Config, refuseUnless } from "./folder.ts";
import { planMemoryformer } from "./memoryformer.ts";
import type { Plan, PlannedTensor } from "./plan.ts";
import type { Checkpoint } from "./safetensors.ts";

const PLANNERS: Readonly<Record<string, (config: Config, checkpoint: Checkpoint) => Plan>> = {
  llama: (config, checkpoint) => planDecoder("llama", config, checkpoint),
  qwen2: (config, checkpoint) => planDecoder("qwen2", config, checkpoint),
  qwen3: (config, checkpoint) => planDecoder("qwen3", config, checkpoint),
  plm: planPlm,
  memoryformer: planMemoryformer,
  phi2: planPhi2,
};

/** What checkpoints call an architecture that has another name in GGUF. */
const OTHER_NAMES: Readonly<Record<string, string>> = { phi: "phi2" };

const LARGEST_HEAD = 65536;

export function planOf(config: Config, checkpoint: Checkpoint): Plan {
  const type = config.get("model_type");
  if (type === undefined) throw config.wrong("model_type is missing");
  const name = typeof type === "string" && Object.hasOwn(OTHER_NAMES, type) ? OTHER_NAMES[type] : type;
  const planner = typeof name === "string" && Object.hasOwn(PLANNERS, name) ? PLANNERS[name] : undefined;
  if (planner) return planner(config, checkpoint);
  const known = Object.keys(PLANNERS).join(", ");
  throw config.wrong(`limpet converts no ${JSON.stringify(type)}, but ${known}`, "UNSUPPORTED");
}

/** llama, qwen2 and qwen3: grouped-query attention and SwiGLU. */
function planDecoder(architecture: "llama" | "qwen2" | "qwen3", config: Config, checkpoint: Checkpoint): Plan {
  requireActivation(config, "silu");
  refusePartial(config);
  const decoder = readDecoder(config, checkpoint);
  const { layers, hidden, heads, vocabulary, prefix } = decoder;
  const ffn = config.size("intermediate_size");
  const kvHeads = config.size("num_key_value_heads", heads);
  const given = config.get("head_dim") !== undefined;
  const head = config.size("head_dim", hidden / heads);
  if (head % 2 || head > LARGEST_HEAD) throw config.wrong(`heads of ${head} values cannot be: an even number can`);
  const llama = architecture === "llama";
  const scaling = readScaling(config, head);
  const metadata: GgufEntry[] = [
    ...commonKeys(architecture, decoder, config, kvHeads),
    ...scaling.keys.map(([key, type, value]): GgufEntry => [`${architecture}.${key}`, type, value]),
    [`${architecture}.rope.freq_base`, "f32", ropeTheta(config)],
    [`${architecture}.attention.layer_norm_rms_epsilon`, "f32", config.number("rms_norm_eps")],
  ];
  if (given) {
    metadata.push([`${architecture}.attention.key_length`, "u32", head]);
    metadata.push([`${architecture}.attention.value_length`, "u32", head]);
  }
  const ownMetadata: GgufEntry[] = [
    ["llama.vocab_size", "u32", vocabulary],
    ["llama.rope.dimension_count", "u32", head],
  ];
  const tensors: PlannedTensor[] = [embedding(decoder)];
  if (scaling.factors) {
    const shape = [scaling.factors.length];
    tensors.push({ name: "rope_freqs.weight", source: "", shape, kind: "vector", values: scaling.factors });
  }
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}layers.${layer}.`];
    const project = (name: string, source: string, columns: number, rows: number, paired?: number): PlannedTensor[] => [
      { ...matrix(`${to}${name}.weight`, `${from}self_attn.${source}.weight`, columns, rows), paired },
      { ...vector(`${to}${name}.bias`, `${from}self_attn.${source}.bias`, rows), paired, optional: true },
    ];
    tensors.push(
      vector(`${to}attn_norm.weight`, `${from}input_layernorm.weight`, hidden),
      ...project("attn_q", "q_proj", hidden, heads * head, llama ? heads : undefined),
      ...project("attn_k", "k_proj", hidden, kvHeads * head, llama ? kvHeads : undefined),
      ...project("attn_v", "v_proj", hidden, kvHeads * head),
      ...project("attn_output", "o_proj", heads * head, hidden),
    );
    if (architecture === "qwen3") {
      tensors.push(vector(`${to}attn_q_norm.weight`, `${from}self_attn.q_norm.weight`, head));
      tensors.push(vector(`${to}attn_k_norm.weight`, `${from}self_attn.k_norm.weight`, head));
    }
    tensors.push(
      vector(`${to}ffn_norm.weight`, `${from}post_attention_layernorm.weight`, hidden),
      matrix(`${to}ffn_gate.weight`, `${from}mlp.gate_proj.weight`, hidden, ffn),
      matrix(`${to}ffn_up.weight`, `${from}mlp.up_proj.weight`, hidden, ffn),
      matrix(`${to}ffn_down.weight`, `${from}mlp.down_proj.weight`, ffn, hidden),
    );
  }
  return {
    architecture,
    vocabulary,
    metadata,
    ownMetadata: llama ? ownMetadata : [],
    tensors: [...tensors, ...endTensors(decoder, config)],
  };
}

/** plm: latent attention and a squared ReLU. */
function planPlm(config: Config, checkpoint: Checkpoint): Plan {
  requireActivation(config, "relu2");
  refusePartial(config);
  if (config.get("q_lora_rank")) throw config.wrong("q_lora_rank: a plm has full queries", "UNSUPPORTED");
  const decoder = readDecoder(config, checkpoint);
  const { layers, hidden, heads, vocabulary, prefix } = decoder;
  const ffn = config.size("intermediate_size");
  const nope = config.size("qk_nope_head_dim");
  const rope = config.size("qk_rope_head_dim");
  const value = config.size("v_head_dim");
  const rank = config.size("kv_lora_rank");
  if (readScaling(config, rope).factors) throw config.wrong("rope_scaling: a plm has none", "UNSUPPORTED");
  const metadata: GgufEntry[] = [
    ...commonKeys("plm", decoder, config, config.size("num_key_value_heads", heads)),
    ["plm.rope.freq_base", "f32", ropeTheta(config)],
    ["plm.attention.layer_norm_rms_epsilon", "f32", config.number("rms_norm_eps", 1e-6)],
  ];
  const ownMetadata: GgufEntry[] = [
    ["plm.vocab_size", "u32", vocabulary],
    ["plm.attention.kv_lora_rank", "u32", rank],
    ["plm.attention.key_length", "u32", nope + rope],
    ["plm.attention.value_length", "u32", value],
    ["plm.rope.dimension_count", "u32", rope],
  ];
  const tensors: PlannedTensor[] = [embedding(decoder)];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}layers.${layer}.`];
    const attention = `${from}self_attn.`;
    tensors.push(
      vector(`${to}attn_norm.weight`, `${from}input_layernorm.weight`, hidden),
      matrix(`${to}attn_q.weight`, `${attention}q_proj.weight`, hidden, heads * (nope + rope)),
      matrix(`${to}attn_kv_a_mqa.weight`, `${attention}kv_a_proj_with_mqa.weight`, hidden, rank + rope),
      vector(`${to}attn_kv_a_norm.weight`, `${attention}kv_a_layernorm.weight`, rank),
      matrix(`${to}attn_kv_b.weight`, `${attention}kv_b_proj.weight`, rank, heads * (nope + value)),
      matrix(`${to}attn_output.weight`, `${attention}o_proj.weight`, heads * value, hidden),
      vector(`${to}ffn_norm.weight`, `${from}post_attention_layernorm.weight`, hidden),
      matrix(`${to}ffn_up.weight`, `${from}mlp.up_proj.weight`, hidden, ffn),
      matrix(`${to}ffn_down.weight`, `${from}mlp.down_proj.weight`, ffn, hidden),
    );
  }
  const ends = endTensors(decoder, config);
  return { architecture: "plm", vocabulary, metadata, ownMetadata, tensors: [...tensors, ...ends] };
}

/** phi2: checkpoints of Phi-1, Phi-1.5 and Phi-2, whose `model_type` is phi. */
function planPhi2(config: Config, checkpoint: Checkpoint): Plan {
  requireActivation(config, "gelu_new");
  if (config.get("qk_layernorm")) throw config.wrong("qk_layernorm: a phi2 has none", "UNSUPPORTED");
  const decoder = readDecoder(config, checkpoint);
  const { layers, hidden, heads, vocabulary, prefix } = decoder;
  const ffn = config.size("intermediate_size", 4 * hidden);
  const kvHeads = config.size("num_key_value_heads", heads);
  const head = hidden / heads;
  if (head % 2 || head > LARGEST_HEAD) throw config.wrong(`heads of ${head} values cannot be: an even number can`);
  const share = config.get("partial_rotary_factor") ?? ropeObject(config)["partial_rotary_factor"] ?? 0.5;
  if (typeof share !== "number" || !(share > 0 && share <= 1)) {
    throw config.wrong(`partial_rotary_factor is ${JSON.stringify(share)}`);
  }
  if (readScaling(config, head).keys.length || readScaling(config, head).factors) {
    throw config.wrong("rope_scaling: a phi2 has none", "UNSUPPORTED");
  }
  const theta = ropeTheta(config);
  const metadata: GgufEntry[] = [
    ["phi2.context_length", "u32", config.size("max_position_embeddings")],
    ["phi2.embedding_length", "u32", hidden],
    ["phi2.feed_forward_length", "u32", ffn],
    ["phi2.block_count", "u32", layers],
    ["phi2.attention.head_count", "u32", heads],
    ["phi2.attention.head_count_kv", "u32", kvHeads],
    ["phi2.attention.layer_norm_epsilon", "f32", config.number("layer_norm_eps", 1e-5)],
    ["phi2.rope.dimension_count", "u32", Math.floor(Math.floor(share * hidden) / heads)],
  ];
  // llama.cpp's converter never writes the base: what is missing is 10000.
  if (theta !== 10000) metadata.push(["phi2.rope.freq_base", "f32", theta]);
  const linear = (name: string, source: string, columns: number, rows: number): PlannedTensor[] => [
    matrix(`${name}.weight`, `${source}.weight`, columns, rows),
    vector(`${name}.bias`, `${source}.bias`, rows),
  ];
  const norm = (name: string, source: string): PlannedTensor[] => [
    vector(`${name}.weight`, `${source}.weight`, hidden),
    vector(`${name}.bias`, `${source}.bias`, hidden),
  ];
  const tensors: PlannedTensor[] = [embedding(decoder)];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}layers.${layer}.`];
    tensors.push(
      ...norm(`${to}attn_norm`, `${from}input_layernorm`),
      ...linear(`${to}attn_q`, `${from}self_attn.q_proj`, hidden, hidden),
      ...linear(`${to}attn_k`, `${from}self_attn.k_proj`, hidden, kvHeads * head),
      ...linear(`${to}attn_v`, `${from}self_attn.v_proj`, hidden, kvHeads * head),
      ...linear(`${to}attn_output`, `${from}self_attn.dense`, hidden, hidden),
      ...linear(`${to}ffn_up`, `${from}mlp.fc1`, hidden, ffn),
      ...linear(`${to}ffn_down`, `${from}mlp.fc2`, ffn, hidden),
    );
  }
  tensors.push(...norm("output_norm", `${prefix}final_layernorm`), ...linear("output", "lm_head", hidden, vocabulary));
  return { architecture: "phi2", vocabulary, metadata, ownMetadata: [], tensors };
}

function commonKeys(architecture: string, decoder: Decoder, config: Config, kvHeads: number): GgufEntry[] {
  return [
    [`${architecture}.block_count`, "u32", decoder.layers],
    [`${architecture}.context_length`, "u32", config.size("max_position_embeddings")],
    [`${architecture}.embedding_length`, "u32", decoder.hidden],
    [`${architecture}.feed_forward_length`, "u32", config.size("intermediate_size")],
    [`${architecture}.attention.head_count`, "u32", decoder.heads],
    [`${architecture}.attention.head_count_kv`, "u32", kvHeads],
  ];
}

function requireActivation(config: Config, name: string): void {
  const given = config.get("hidden_act") ?? name;
  if (given !== name) throw config.wrong(`hidden_act is ${JSON.stringify(given)}, not "${name}"`, "UNSUPPORTED");
}

interface Scaling {
  /** Llama 3's factors, which divide the angles: one a pair. */
  readonly factors?: Float32Array;
  readonly keys: readonly GgufEntry[];
}

/** What yarn and others may say more of themselves, with the values that do nothing. */
const ROPE_REFUSED: readonly (readonly [key: string, ...neutral: unknown[]])[] = [
  ["attention_factor"],
  ["beta_fast", 32],
  ["beta_slow", 1],
  ["mscale"],
  ["mscale_all_dim"],
];

/** RoPE turns all of a head. */
function refusePartial(config: Config): void {
  config.refuse("partial_rotary_factor", 1);
  refuseUnless(ropeObject(config), "partial_rotary_factor", [1], "config.json, rope_parameters");
}

function readScaling(config: Config, dimensions: number): Scaling {
  const rope = ropeObject(config);
  const type = rope["rope_type"] ?? rope["type"] ?? "default";
  const number = (key: string): number => {
    const value = rope[key];
    if (typeof value === "number" && value > 0) return value;
    throw config.wrong(`${key} of rope_scaling is ${JSON.stringify(value)}`);
  };
  for (const [key, ...neutral] of ROPE_REFUSED) refuseUnless(rope, key, neutral, "config.json, rope_scaling");
  if (type === "default") return { keys: [] };
  if (type === "linear" || type === "yarn") {
    const keys: GgufEntry[] = [
      ["rope.scaling.type", "string", type],
      ["rope.scaling.factor", "f32", number("factor")],
    ];
    if (type === "yarn") {
      keys.push(["rope.scaling.original_context_length", "u32", number("original_max_position_embeddings")]);
    }
    return { keys };
  }
  if (type !== "llama3") throw config.wrong(`rope_scaling is ${JSON.stringify(type)}`, "UNSUPPORTED");
  const factor = number("factor");
  const low = number("low_freq_factor");
  const high = number("high_freq_factor");
  const context = number("original_max_position_embeddings");
  const theta = ropeTheta(config);
  const factors = Float32Array.from({ length: dimensions / 2 }, (_, i) => {
    const wave = 2 * Math.PI * theta ** ((2 * i) / dimensions);
    if (wave < context / high) return 1;
    if (wave > context / low) return factor;
    const share = (context / wave - low) / (high - low);
    return 1 / ((1 - share) / factor + share);
  });
  return { keys: [], factors };
}
