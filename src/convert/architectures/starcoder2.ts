/** starcoder2: LayerNorms, biases, a feed-forward network of two matrices; a window in all layers or in none. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import {
  commonKeys,
  embedding,
  layerNorm,
  linear,
  matrix,
  named,
  readDecoder,
  requireActivation,
  requireHead,
} from "../decoder.ts";
import { type Config, said } from "../folder.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import { readRope } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planStarcoder2(config: Config, checkpoint: Checkpoint): Plan {
  requireActivation(config, "gelu_pytorch_tanh");
  const norm = config.get("norm_type") ?? "layer_norm";
  if (norm !== "layer_norm") throw config.wrong(`norm_type is ${said(norm)}`, "UNSUPPORTED");
  config.refuse("layer_types");
  const decoder = readDecoder(config, checkpoint, ["sliding_window"]);
  const { layers, hidden, heads, vocabulary, prefix } = decoder;
  const ffn = config.size("intermediate_size");
  const kvHeads = config.size("num_key_value_heads", heads);
  const head = hidden / heads;
  requireHead(config, head);
  const { keys, tensors: factors } = readRope(config, head);
  const window = config.get("sliding_window");
  const windowKeys: GgufEntry[] = window ? [["attention.sliding_window", "u32", config.size("sliding_window")]] : [];
  const optional = config.get("use_bias") === false;
  const tensors: PlannedTensor[] = [embedding(decoder), ...factors];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}layers.${layer}.`];
    const parts = [
      ["attn_q", "self_attn.q_proj", hidden, hidden],
      ["attn_k", "self_attn.k_proj", hidden, kvHeads * head],
      ["attn_v", "self_attn.v_proj", hidden, kvHeads * head],
      ["attn_output", "self_attn.o_proj", hidden, hidden],
      ["ffn_up", "mlp.c_fc", hidden, ffn],
      ["ffn_down", "mlp.c_proj", ffn, hidden],
    ] as const;
    tensors.push(
      ...layerNorm(`${to}attn_norm`, `${from}input_layernorm`, hidden),
      ...layerNorm(`${to}ffn_norm`, `${from}post_attention_layernorm`, hidden),
      ...parts.flatMap(([name, source, columns, rows]) =>
        linear(`${to}${name}`, `${from}${source}`, columns, rows, { optional }),
      ),
    );
  }
  tensors.push(...layerNorm("output_norm", `${prefix}norm`, hidden));
  if (config.get("tie_word_embeddings") === false) {
    tensors.push(matrix("output.weight", `${decoder.output}.weight`, hidden, vocabulary));
  }
  const own: GgufEntry[] = [...keys, ["attention.layer_norm_epsilon", "f32", config.number("norm_epsilon", 1e-5)]];
  return {
    architecture: "starcoder2",
    vocabulary,
    metadata: [...commonKeys("starcoder2", decoder, config, kvHeads), ...named("starcoder2", own)],
    ownMetadata: named("starcoder2", windowKeys),
    tensors,
  };
}
