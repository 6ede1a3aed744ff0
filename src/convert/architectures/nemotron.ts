/** nemotron: the weights of norms are 1 more in the file; half of each head turns. */
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
import type { Config } from "../folder.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import { refuseScaling, ropeTheta, rotaryShare } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planNemotron(config: Config, checkpoint: Checkpoint): Plan {
  requireActivation(config, "relu2");
  refuseScaling(config);
  const decoder = readDecoder(config, checkpoint);
  const { layers, hidden, heads, vocabulary, prefix } = decoder;
  const ffn = config.size("intermediate_size");
  const kvHeads = config.size("num_key_value_heads", heads);
  const head = config.size("head_dim", hidden / heads);
  requireHead(config, head);
  const keys: GgufEntry[] = [
    ["attention.layer_norm_epsilon", "f32", config.number("norm_eps", 1e-5)],
    ["rope.dimension_count", "u32", Math.floor(rotaryShare(config, undefined, 0.5) * head)],
    ["rope.freq_base", "f32", ropeTheta(config)],
  ];
  const norm = (name: string, source: string): PlannedTensor[] => {
    const [weight, bias] = layerNorm(name, source, hidden);
    return [{ ...weight, plus: 1 }, bias];
  };
  const optional = true;
  const tensors: PlannedTensor[] = [embedding(decoder)];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}layers.${layer}.`];
    const parts = [
      ["attn_q", "self_attn.q_proj", hidden, heads * head],
      ["attn_k", "self_attn.k_proj", hidden, kvHeads * head],
      ["attn_v", "self_attn.v_proj", hidden, kvHeads * head],
      ["attn_output", "self_attn.o_proj", heads * head, hidden],
      ["ffn_up", "mlp.up_proj", hidden, ffn],
      ["ffn_down", "mlp.down_proj", ffn, hidden],
    ] as const;
    tensors.push(
      ...norm(`${to}attn_norm`, `${from}input_layernorm`),
      ...norm(`${to}ffn_norm`, `${from}post_attention_layernorm`),
      ...parts.flatMap(([name, source, columns, rows]) =>
        linear(`${to}${name}`, `${from}${source}`, columns, rows, { optional }),
      ),
    );
  }
  tensors.push(
    ...norm("output_norm", `${prefix}norm`),
    matrix("output.weight", `${decoder.output}.weight`, hidden, vocabulary),
  );
  return {
    architecture: "nemotron",
    vocabulary,
    metadata: [...commonKeys("nemotron", decoder, config, kvHeads), ...named("nemotron", keys)],
    ownMetadata: [],
    tensors,
  };
}
