/** memoryformer: tables that are looked up where others multiply (keys and names: docs/formats.md). */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import { type Decoder, embedding, endTensors, named, readDecoder, vector } from "../decoder.ts";
import { type Config, said } from "../folder.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import { refuseScaling, ropeTheta } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";

/** Bits of a code: a table has 2^τ rows. */
const LONGEST_CODE = 16;

export function planMemoryformer(config: Config, checkpoint: Checkpoint): Plan {
  const decoder = readDecoder(config, checkpoint);
  refuseScaling(config);
  const { layers, heads, vocabulary } = decoder;
  const tables = config.size("num_tables");
  const code = codeLength(config, "code_length", config.size("code_length"));
  const ffnCode = codeLength(config, "ffn_code_extra", code + config.size("ffn_code_extra", 2));
  if (config.get("output_projection")) throw config.wrong("output_projection: limpet knows none", "UNSUPPORTED");
  const position = config.get("rms_norm_eps_position") ?? "outside";
  if (position !== "outside") throw config.wrong(`rms_norm_eps_position is ${said(position)}`, "UNSUPPORTED");
  const rule = config.get("weight_rule");
  if (rule !== "score" && rule !== "prob") throw config.wrong(`weight_rule is ${said(rule)}`);
  const turned = (config.size("head_dim", decoder.hidden / heads) * config.number("rotary_pct", 1)) / 2;
  const metadata: GgufEntry[] = [
    ["block_count", "u32", layers],
    ["context_length", "u32", config.size("max_position_embeddings")],
    ["embedding_length", "u32", decoder.hidden],
    ["attention.head_count", "u32", heads],
    ["rope.freq_base", "f32", ropeTheta(config)],
    ["attention.layer_norm_rms_epsilon", "f32", config.number("rms_norm_eps")],
    ["attention.layer_norm_epsilon", "f32", config.number("layer_norm_eps", 1e-5)],
    ["rope.dimension_count", "u32", 2 * Math.floor(turned)],
  ];
  const ownMetadata: GgufEntry[] = [
    ["memory.table_count", "u32", tables],
    ["memory.code_length", "u32", code],
    ["memory.ffn_code_length", "u32", ffnCode],
    ["memory.weight_rule", "string", rule],
    ["memory.temperature", "f32", config.number("weight_temperature", 1)],
    ["memory.zero_sign", "bool", Boolean(config.get("zero_sign") ?? true)],
    ["memory.shared_hash", "bool", Boolean(config.get("shared_hash") ?? true)],
  ];
  const tensors: PlannedTensor[] = [embedding(decoder)];
  for (let layer = 0; layer < layers; layer++) {
    tensors.push(...layerTensors(decoder, layer, tables, code, ffnCode));
  }
  return {
    architecture: "memoryformer",
    vocabulary,
    metadata: named("memoryformer", metadata),
    ownMetadata: named("memoryformer", ownMetadata),
    tensors: [...tensors, ...endTensors(decoder, config)],
  };
}

function layerTensors({ hidden, prefix }: Decoder, n: number, tables: number, code: number, ffnCode: number) {
  const [to, from] = [`blk.${n}.`, `${prefix}layers.${n}.`];
  const memory = (name: string, source: string, columns: number, bits: number): PlannedTensor[] => [
    {
      name: `${to}${name}.table`,
      sources: [`${from}${source}.table`],
      shape: [columns, tables * 2 ** bits],
      kind: "table",
    },
    vector(`${to}${name}.bias`, `${from}${source}.bias`, columns),
  ];
  const middle = tables * ffnCode;
  return [
    vector(`${to}attn_norm.weight`, `${from}input_layernorm.weight`, hidden),
    ...memory("attn_q", "attention.query", hidden, code),
    ...memory("attn_k", "attention.key", hidden, code),
    ...memory("attn_v", "attention.value", hidden, code),
    vector(`${to}ffn_norm.weight`, `${from}post_attention_layernorm.weight`, hidden),
    ...memory("ffn_up", "mlp.first", middle, code),
    vector(`${to}ffn_mid_norm.weight`, `${from}mlp.norm.weight`, middle),
    vector(`${to}ffn_mid_norm.bias`, `${from}mlp.norm.bias`, middle),
    ...memory("ffn_down", "mlp.second", hidden, ffnCode),
  ];
}

function codeLength(config: Config, key: string, value: number): number {
  if (value <= LONGEST_CODE) return value;
  throw config.wrong(`${key} makes codes of ${value} bits, and ${LONGEST_CODE} are the most`);
}
