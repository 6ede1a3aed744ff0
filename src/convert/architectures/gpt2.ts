/** gpt2: learned positions; a checkpoint's matrices have rows where others have columns, and words of their own. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import { layerNorm, linear, matrix, named, readDecoder } from "../decoder.ts";
import { type Config, said } from "../folder.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planGpt2(given: Config, checkpoint: Checkpoint): Plan {
  const hidden = given.size("n_embd");
  const config = given.with({
    num_hidden_layers: given.get("n_layer"),
    num_attention_heads: given.get("n_head"),
    hidden_size: hidden,
  });
  const activation = config.get("activation_function") ?? "gelu_new";
  if (activation !== "gelu_new") throw config.wrong(`activation_function is ${said(activation)}`, "UNSUPPORTED");
  config.refuse("scale_attn_by_inverse_layer_idx");
  if (config.get("scale_attn_weights") === false) throw config.wrong("scale_attn_weights is false", "UNSUPPORTED");
  const { layers, heads, vocabulary } = readDecoder(config, checkpoint);
  const ffn = config.size("n_inner", 4 * hidden);
  const context = config.size("n_positions", config.size("n_ctx", 1024));
  const metadata: GgufEntry[] = [
    ["block_count", "u32", layers],
    ["context_length", "u32", context],
    ["embedding_length", "u32", hidden],
    ["feed_forward_length", "u32", ffn],
    ["attention.head_count", "u32", heads],
    ["attention.head_count_kv", "u32", heads],
    ["attention.layer_norm_epsilon", "f32", config.number("layer_norm_epsilon", 1e-5)],
  ];
  const prefix = checkpoint.tensors.has("transformer.wte.weight") ? "transformer." : "";
  const turned = (name: string, source: string, columns: number, rows: number): PlannedTensor[] => {
    const [weight, bias] = linear(name, source, columns, rows);
    return [{ ...weight, transposed: true }, bias];
  };
  const tensors = [
    matrix("token_embd.weight", `${prefix}wte.weight`, hidden, vocabulary),
    { ...matrix("position_embd.weight", `${prefix}wpe.weight`, hidden, context), kind: "floats" as const },
  ];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}h.${layer}.`];
    tensors.push(
      ...layerNorm(`${to}attn_norm`, `${from}ln_1`, hidden),
      ...turned(`${to}attn_qkv`, `${from}attn.c_attn`, hidden, 3 * hidden),
      ...turned(`${to}attn_output`, `${from}attn.c_proj`, hidden, hidden),
      ...layerNorm(`${to}ffn_norm`, `${from}ln_2`, hidden),
      ...turned(`${to}ffn_up`, `${from}mlp.c_fc`, hidden, ffn),
      ...turned(`${to}ffn_down`, `${from}mlp.c_proj`, ffn, hidden),
    );
  }
  tensors.push(...layerNorm("output_norm", `${prefix}ln_f`, hidden));
  if (config.get("tie_word_embeddings") === false) {
    tensors.push(matrix("output.weight", "lm_head.weight", hidden, vocabulary));
  }
  // What a token may not see, which older checkpoints hold as tensors.
  const without = /(^|\.)h\.\d+\.attn\.(masked_)?bias$/;
  return { architecture: "gpt2", vocabulary, metadata: named("gpt2", metadata), ownMetadata: [], tensors, without };
}
