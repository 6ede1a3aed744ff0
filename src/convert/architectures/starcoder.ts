/** starcoder: StarCoder's checkpoints, whose `model_type` is gpt_bigcode. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import { commonKeys, matrix, named, readDecoder } from "../decoder.ts";
import type { Config } from "../folder.ts";
import { fusedTensors } from "../fused.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planStarcoder(given: Config, checkpoint: Checkpoint): Plan {
  const hidden = given.size("n_embd");
  const heads = given.size("n_head");
  const config = given.with({
    num_hidden_layers: given.get("n_layer"),
    num_attention_heads: heads,
    hidden_size: hidden,
    intermediate_size: given.size("n_inner", 4 * hidden),
    max_position_embeddings: given.size("n_positions", 1024),
  });
  const activation = config.get("activation_function") ?? "gelu_pytorch_tanh";
  if (activation !== "gelu_pytorch_tanh") {
    throw config.wrong(`activation_function is ${JSON.stringify(activation)}`, "UNSUPPORTED");
  }
  for (const key of ["multi_query", "scale_attn_weights"]) {
    if (config.get(key) === false) throw config.wrong(`${key} is false`, "UNSUPPORTED");
  }
  const decoder = readDecoder(config, checkpoint);
  const keys: GgufEntry[] = [["attention.layer_norm_epsilon", "f32", config.number("layer_norm_epsilon", 1e-5)]];
  const context = config.size("max_position_embeddings");
  const names = {
    stack: "transformer.h",
    embedding: "transformer.wte",
    outputNorm: "transformer.ln_f",
    norms: { attn_norm: "ln_1", ffn_norm: "ln_2" },
    qkv: "attn.c_attn",
    output: "attn.c_proj",
    up: "mlp.c_fc",
    down: "mlp.c_proj",
  };
  const sizes = { ...decoder, ffn: config.size("intermediate_size"), rows: hidden + (2 * hidden) / heads };
  const [embedding, ...tensors] = fusedTensors(sizes, names, {
    biases: true,
    head: config.get("tie_word_embeddings") === false ? "lm_head" : undefined,
  });
  const positions = matrix("position_embd.weight", "transformer.wpe.weight", hidden, context);
  return {
    architecture: "starcoder",
    vocabulary: decoder.vocabulary,
    metadata: [...commonKeys("starcoder", decoder, config, 1), ...named("starcoder", keys)],
    ownMetadata: [],
    tensors: [embedding, { ...positions, kind: "floats" }, ...tensors],
    // What a token may not see, which older checkpoints hold as tensors.
    without: /(^|\.)h\.\d+\.attn\.(masked_)?bias$/,
  };
}
