/** minicpm3: latent attention with queries of low rank. A file has no word for its scales: they are constants. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import {
  commonKeys,
  embedding,
  endTensors,
  matrix,
  named,
  readDecoder,
  requireActivation,
  vector,
} from "../decoder.ts";
import type { Config } from "../folder.ts";
import { latentTensors, readLatent } from "../latent.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import { readRope, refusePartial } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";

const SCALES = { scale_emb: 12, scale_depth: 1.4, dim_model_base: 256 };

export function planMinicpm3(config: Config, checkpoint: Checkpoint): Plan {
  requireActivation(config, "silu");
  refusePartial(config);
  config.refuse("attention_bias");
  for (const [key, value] of Object.entries(SCALES)) {
    if (config.number(key) === value) continue;
    throw config.wrong(`${key} is ${config.number(key)}, and a minicpm3 file means ${value}`, "UNSUPPORTED");
  }
  const decoder = readDecoder(config, checkpoint, ["scale_emb"]);
  const { layers, hidden, heads, vocabulary, prefix } = decoder;
  const sizes = readLatent(config, decoder);
  const { nope, rope: turned, value, rank, queryRank } = sizes;
  if (!queryRank) throw config.wrong("q_lora_rank is missing: queries of a minicpm3 are made of a latent");
  const ffn = config.size("intermediate_size");
  const rope = readRope(config, turned);
  const usual = value === hidden / heads;
  const own: GgufEntry[] = [
    ["vocab_size", "u32", vocabulary],
    ["attention.q_lora_rank", "u32", queryRank],
    ["attention.kv_lora_rank", "u32", rank],
    ["attention.key_length", "u32", nope + turned],
    ...(usual ? [] : ([["attention.value_length", "u32", value]] as GgufEntry[])),
    ["rope.dimension_count", "u32", turned],
  ];
  const tensors: PlannedTensor[] = [embedding(decoder), ...rope.tensors];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}layers.${layer}.`];
    tensors.push(
      ...latentTensors(sizes, to, from),
      vector(`${to}ffn_norm.weight`, `${from}post_attention_layernorm.weight`, hidden),
      matrix(`${to}ffn_gate.weight`, `${from}mlp.gate_proj.weight`, hidden, ffn),
      matrix(`${to}ffn_up.weight`, `${from}mlp.up_proj.weight`, hidden, ffn),
      matrix(`${to}ffn_down.weight`, `${from}mlp.down_proj.weight`, ffn, hidden),
    );
  }
  const epsilon: GgufEntry = ["attention.layer_norm_rms_epsilon", "f32", config.number("rms_norm_eps")];
  return {
    architecture: "minicpm3",
    vocabulary,
    metadata: [
      ...commonKeys("minicpm3", decoder, config, config.size("num_key_value_heads", heads)),
      ...named("minicpm3", [...rope.keys, epsilon]),
    ],
    ownMetadata: named("minicpm3", own),
    tensors: [...tensors, ...endTensors(decoder, config)],
  };
}
