/** phi2: checkpoints of Phi-1, Phi-1.5 and Phi-2, whose `model_type` is phi. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import { embedding, layerNorm, linear, readDecoder, requireActivation, requireHead } from "../decoder.ts";
import type { Config } from "../folder.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import { refuseScaling, ropeTheta, rotaryShare } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planPhi2(config: Config, checkpoint: Checkpoint): Plan {
  requireActivation(config, "gelu_new");
  if (config.get("qk_layernorm")) throw config.wrong("qk_layernorm: a phi2 has none", "UNSUPPORTED");
  const decoder = readDecoder(config, checkpoint);
  const { layers, hidden, heads, vocabulary, prefix } = decoder;
  const ffn = config.size("intermediate_size", 4 * hidden);
  const kvHeads = config.size("num_key_value_heads", heads);
  const head = hidden / heads;
  requireHead(config, head);
  const share = rotaryShare(config, undefined, 0.5);
  refuseScaling(config);
  const theta = ropeTheta(config);
  const metadata: GgufEntry[] = [
    ["phi2.context_length", "u32", config.size("max_position_embeddings")],
    ["phi2.embedding_length", "u32", hidden],
    ["phi2.feed_forward_length", "u32", ffn],
    ["phi2.block_count", "u32", layers],
    ["phi2.attention.head_count", "u32", heads],
    ["phi2.attention.head_count_kv", "u32", kvHeads],
    ["phi2.attention.layer_norm_epsilon", "f32", config.number("layer_norm_eps", 1e-5)],
    ["phi2.rope.dimension_count", "u32", Math.floor(Math.floor(share * hidden) / heads)],
  ];
  // llama.cpp's converter never writes the base: what is missing is 10000.
  if (theta !== 10000) metadata.push(["phi2.rope.freq_base", "f32", theta]);
  const tensors: PlannedTensor[] = [embedding(decoder)];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}layers.${layer}.`];
    tensors.push(
      ...layerNorm(`${to}attn_norm`, `${from}input_layernorm`, hidden),
      ...linear(`${to}attn_q`, `${from}self_attn.q_proj`, hidden, hidden),
      ...linear(`${to}attn_k`, `${from}self_attn.k_proj`, hidden, kvHeads * head),
      ...linear(`${to}attn_v`, `${from}self_attn.v_proj`, hidden, kvHeads * head),
      ...linear(`${to}attn_output`, `${from}self_attn.dense`, hidden, hidden),
      ...linear(`${to}ffn_up`, `${from}mlp.fc1`, hidden, ffn),
      ...linear(`${to}ffn_down`, `${from}mlp.fc2`, ffn, hidden),
    );
  }
  tensors.push(
    ...layerNorm("output_norm", `${prefix}final_layernorm`, hidden),
    ...linear("output", "lm_head", hidden, vocabulary),
  );
  return { architecture: "phi2", vocabulary, metadata, ownMetadata: [], tensors };
}
