/** mpt: no biases; what is special of attention stands in `attn_config`. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import { commonKeys, named, readDecoder } from "../decoder.ts";
import type { Config } from "../folder.ts";
import { fusedTensors } from "../fused.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planMpt(given: Config, checkpoint: Checkpoint): Plan {
  const hidden = given.size("d_model");
  const heads = given.size("n_heads");
  const attention = given.part("attn_config");
  const config = given.with({
    num_hidden_layers: given.get("n_layers"),
    num_attention_heads: heads,
    hidden_size: hidden,
    intermediate_size: given.size("expansion_ratio", 4) * hidden,
    max_position_embeddings: given.size("max_seq_len"),
  });
  if (config.get("no_bias") === false) throw config.wrong("no_bias is false", "UNSUPPORTED");
  config.refuse("logit_scale");
  for (const key of ["qk_ln", "prefix_lm", "softmax_scale"]) attention.refuse(key);
  attention.refuse("kv_n_heads", heads);
  if (attention.get("alibi") === false) throw config.wrong("attn_config.alibi is false", "UNSUPPORTED");
  const decoder = readDecoder(config, checkpoint);
  const keys: GgufEntry[] = [["attention.layer_norm_epsilon", "f32", config.number("layer_norm_epsilon", 1e-5)]];
  if (!attention.isNull("clip_qkv")) keys.push(["attention.clamp_kqv", "f32", attention.number("clip_qkv")]);
  keys.push(["attention.max_alibi_bias", "f32", attention.number("alibi_bias_max", 8)]);
  const names = {
    stack: "transformer.blocks",
    embedding: "transformer.wte",
    outputNorm: "transformer.norm_f",
    norms: { attn_norm: "norm_1", ffn_norm: "norm_2" },
    qkv: "attn.Wqkv",
    output: "attn.out_proj",
    up: "ffn.up_proj",
    down: "ffn.down_proj",
  };
  const sizes = { ...decoder, ffn: config.size("intermediate_size"), rows: 3 * hidden };
  return {
    architecture: "mpt",
    vocabulary: decoder.vocabulary,
    metadata: [...commonKeys("mpt", decoder, config, heads), ...named("mpt", keys)],
    ownMetadata: [],
    tensors: fusedTensors(sizes, names, { normBiases: false }),
  };
}
