/** plm: latent attention and a squared ReLU. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import { commonKeys, embedding, endTensors, matrix, readDecoder, requireActivation, vector } from "../decoder.ts";
import type { Config } from "../folder.ts";
import { latentTensors, readLatent } from "../latent.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import { refusePartial, refuseScaling, ropeTheta } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planPlm(config: Config, checkpoint: Checkpoint): Plan {
  requireActivation(config, "relu2");
  refusePartial(config);
  if (config.get("q_lora_rank")) throw config.wrong("q_lora_rank: a plm has full queries", "UNSUPPORTED");
  const decoder = readDecoder(config, checkpoint);
  const { layers, hidden, heads, vocabulary, prefix } = decoder;
  const ffn = config.size("intermediate_size");
  const sizes = readLatent(config, decoder);
  const { nope, rope, value, rank } = sizes;
  refuseScaling(config);
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
    tensors.push(
      ...latentTensors(sizes, to, from),
      vector(`${to}ffn_norm.weight`, `${from}post_attention_layernorm.weight`, hidden),
      matrix(`${to}ffn_up.weight`, `${from}mlp.up_proj.weight`, hidden, ffn),
      matrix(`${to}ffn_down.weight`, `${from}mlp.down_proj.weight`, ffn, hidden),
    );
  }
  const ends = endTensors(decoder, config);
  return { architecture: "plm", vocabulary, metadata, ownMetadata, tensors: [...tensors, ...ends] };
}
