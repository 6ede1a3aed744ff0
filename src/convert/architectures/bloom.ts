/** bloom: a checkpoint has of each head its query, its key and its value, one behind the other. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import { commonKeys, layerNorm, named, readDecoder } from "../decoder.ts";
import type { Config } from "../folder.ts";
import { fusedTensors, rowsByKey } from "../fused.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planBloom(given: Config, checkpoint: Checkpoint): Plan {
  const hidden = given.size("hidden_size", given.size("n_embed", 64));
  const heads = given.size("num_attention_heads", given.size("n_head", 8));
  const config = given.with({
    num_hidden_layers: given.get("num_hidden_layers") ?? given.get("n_layer"),
    num_attention_heads: heads,
    hidden_size: hidden,
    intermediate_size: 4 * hidden,
    max_position_embeddings: given.size("seq_length", 2048),
  });
  config.refuse("apply_residual_connection_post_layernorm");
  const decoder = readDecoder(config, checkpoint);
  const keys: GgufEntry[] = [["attention.layer_norm_epsilon", "f32", config.number("layer_norm_epsilon", 1e-5)]];
  const prefix = checkpoint.tensors.has("transformer.word_embeddings.weight") ? "transformer." : "";
  const names = {
    stack: `${prefix}h`,
    embedding: `${prefix}word_embeddings`,
    outputNorm: `${prefix}ln_f`,
    norms: { attn_norm: "input_layernorm", ffn_norm: "post_attention_layernorm" },
    qkv: "self_attention.query_key_value",
    output: "self_attention.dense",
    up: "mlp.dense_h_to_4h",
    down: "mlp.dense_4h_to_h",
  };
  const sizes = { ...decoder, ffn: 4 * hidden, rows: 3 * hidden };
  const [embedding, ...tensors] = fusedTensors(sizes, names, {
    biases: true,
    rowOf: rowsByKey(hidden / heads, heads, heads),
    head: config.get("tie_word_embeddings") === false ? "lm_head" : undefined,
  });
  return {
    architecture: "bloom",
    vocabulary: decoder.vocabulary,
    metadata: [...commonKeys("bloom", decoder, config, heads), ...named("bloom", keys)],
    ownMetadata: [],
    tensors: [embedding, ...layerNorm("token_embd_norm", `${prefix}word_embeddings_layernorm`, hidden), ...tensors],
  };
}
