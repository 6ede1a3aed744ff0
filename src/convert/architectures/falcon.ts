/** falcon: of each key a checkpoint has first the queries, then the key, then the value. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import { commonKeys, named, readDecoder, requireHead } from "../decoder.ts";
import type { Config } from "../folder.ts";
import { fusedTensors, rowsByKey } from "../fused.ts";
import type { Plan } from "../plan.ts";
import { refuseScaling, ropeTheta } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planFalcon(given: Config, checkpoint: Checkpoint): Plan {
  const isNew = given.get("new_decoder_architecture") === true;
  const heads = given.size("num_attention_heads", given.size("n_head", 71));
  const hidden = given.size("hidden_size");
  const config = given.with({
    num_hidden_layers: given.get("num_hidden_layers") ?? given.get("n_layer"),
    num_attention_heads: heads,
    intermediate_size: given.size("ffn_hidden_size", 4 * hidden),
    max_position_embeddings: given.size("max_position_embeddings", 2048),
  });
  const activation = config.get("activation") ?? "gelu";
  if (activation !== "gelu") throw config.wrong(`activation is ${JSON.stringify(activation)}`, "UNSUPPORTED");
  config.refuse("bias");
  if (!isNew && config.get("parallel_attn") === false) throw config.wrong("parallel_attn is false", "UNSUPPORTED");
  refuseScaling(config);
  const decoder = readDecoder(config, checkpoint);
  const kvHeads = isNew ? config.size("num_kv_heads", heads) : config.get("multi_query") === false ? heads : 1;
  const head = hidden / heads;
  requireHead(config, head);
  const theta = ropeTheta(config);
  const keys: GgufEntry[] = [["attention.layer_norm_epsilon", "f32", config.number("layer_norm_epsilon", 1e-5)]];
  // llama.cpp's converter never writes the base: what is missing is 10000.
  if (theta !== 10000) keys.push(["rope.freq_base", "f32", theta]);
  const hasTwo = isNew && config.get("num_ln_in_parallel_attn") !== 1;
  const norms: Record<string, string> = hasTwo
    ? { attn_norm: "ln_mlp", attn_norm_2: "ln_attn" }
    : { attn_norm: isNew ? "ln_attn" : "input_layernorm" };
  const names = {
    stack: "transformer.h",
    embedding: "transformer.word_embeddings",
    outputNorm: "transformer.ln_f",
    norms,
    qkv: "self_attention.query_key_value",
    output: "self_attention.dense",
    up: "mlp.dense_h_to_4h",
    down: "mlp.dense_4h_to_h",
  };
  const sizes = { ...decoder, ffn: config.size("intermediate_size"), rows: (heads + 2 * kvHeads) * head };
  return {
    architecture: "falcon",
    vocabulary: decoder.vocabulary,
    metadata: [...commonKeys("falcon", decoder, config, kvHeads), ...named("falcon", keys)],
    ownMetadata: [],
    tensors: fusedTensors(sizes, names, {
      rowOf: rowsByKey(head, heads, kvHeads),
      head: config.get("tie_word_embeddings") === false ? "lm_head" : undefined,
    }),
  };
}
