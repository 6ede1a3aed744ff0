/** stablelm: LayerNorms, a quarter of each head turns; of the 12B model norms of each head, and no second norm. */
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

export function planStablelm(config: Config, checkpoint: Checkpoint): Plan {
  requireActivation(config, "silu");
  const decoder = readDecoder(config, checkpoint, ["qk_layernorm"]);
  const { layers, hidden, heads, vocabulary, prefix, output } = decoder;
  const ffn = config.size("intermediate_size");
  const kvHeads = config.size("num_key_value_heads", heads);
  const head = hidden / heads;
  requireHead(config, head);
  refuseScaling(config);
  const isParallel = Boolean(config.get("use_parallel_residual"));
  const keys: GgufEntry[] = [
    ["attention.layer_norm_epsilon", "f32", config.number("layer_norm_eps", 1e-5)],
    ["use_parallel_residual", "bool", isParallel],
    ["rope.dimension_count", "u32", Math.floor(rotaryShare(config, undefined, 0.25) * head)],
    ["rope.freq_base", "f32", ropeTheta(config)],
  ];
  // Each head has a weight of its own.
  const headNorms = (name: string, source: string, count: number): PlannedTensor => ({
    name: `${name}.weight`,
    sources: Array.from({ length: count }, (_, i) => `${source}.norms.${i}.weight`),
    shape: [head, count],
    kind: "floats",
  });
  const tensors: PlannedTensor[] = [embedding(decoder)];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}layers.${layer}.`];
    const project = (name: string, rows: number) =>
      linear(`${to}attn_${name}`, `${from}self_attn.${name}_proj`, hidden, rows, { optional: true });
    tensors.push(
      ...layerNorm(`${to}attn_norm`, `${from}input_layernorm`, hidden),
      ...project("q", hidden),
      ...project("k", kvHeads * head),
      ...project("v", kvHeads * head),
      matrix(`${to}attn_output.weight`, `${from}self_attn.o_proj.weight`, hidden, hidden),
    );
    if (config.get("qk_layernorm")) {
      tensors.push(
        headNorms(`${to}attn_q_norm`, `${from}self_attn.q_layernorm`, heads),
        headNorms(`${to}attn_k_norm`, `${from}self_attn.k_layernorm`, kvHeads),
      );
    }
    if (!isParallel) tensors.push(...layerNorm(`${to}ffn_norm`, `${from}post_attention_layernorm`, hidden));
    tensors.push(
      matrix(`${to}ffn_gate.weight`, `${from}mlp.gate_proj.weight`, hidden, ffn),
      matrix(`${to}ffn_up.weight`, `${from}mlp.up_proj.weight`, hidden, ffn),
      matrix(`${to}ffn_down.weight`, `${from}mlp.down_proj.weight`, ffn, hidden),
    );
  }
  const source = config.get("tie_word_embeddings") === true ? `${prefix}embed_tokens` : output;
  tensors.push(
    ...layerNorm("output_norm", `${prefix}norm`, hidden),
    matrix("output.weight", `${source}.weight`, hidden, vocabulary),
  );
  return {
    architecture: "stablelm",
    vocabulary,
    metadata: [...commonKeys("stablelm", decoder, config, kvHeads), ...named("stablelm", keys)],
    ownMetadata: [],
    tensors,
  };
}
