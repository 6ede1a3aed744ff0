/** gptneox: checkpoints hold q, k and v of each head one behind the other; the file first all of q. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import {
  commonKeys,
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

export function planGptneox(config: Config, checkpoint: Checkpoint): Plan {
  // "gelu_fast" is the one by tanh, which the core does not do for such a model.
  requireActivation(config, "gelu");
  if (config.get("attention_bias") === false) throw config.wrong("attention_bias is false", "UNSUPPORTED");
  const decoder = readDecoder(config, checkpoint);
  const { layers, hidden, heads, vocabulary } = decoder;
  const ffn = config.size("intermediate_size");
  const head = hidden / heads;
  requireHead(config, head);
  refuseScaling(config);
  const theta = ropeTheta(config, { rope_theta: config.get("rotary_emb_base") ?? config.get("rope_theta") });
  const keys: GgufEntry[] = [
    ["attention.layer_norm_epsilon", "f32", config.number("layer_norm_eps", 1e-5)],
    ["use_parallel_residual", "bool", config.get("use_parallel_residual") !== false],
    ["rope.dimension_count", "u32", Math.floor(rotaryShare(config, undefined, 0.25) * head)],
    ["rope.freq_base", "f32", theta],
  ];
  const prefix = checkpoint.tensors.has("gpt_neox.embed_in.weight") ? "gpt_neox." : "";
  // Row i of part p (q, k or v) of a head.
  const rowOf = (row: number) => {
    const [part, place] = [Math.floor(row / hidden), row % hidden];
    return Math.floor(place / head) * 3 * head + part * head + (place % head);
  };
  const tensors: PlannedTensor[] = [matrix("token_embd.weight", `${prefix}embed_in.weight`, hidden, vocabulary)];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}layers.${layer}.`];
    tensors.push(
      ...layerNorm(`${to}attn_norm`, `${from}input_layernorm`, hidden),
      ...linear(`${to}attn_qkv`, `${from}attention.query_key_value`, hidden, 3 * hidden, { rowOf }),
      ...linear(`${to}attn_output`, `${from}attention.dense`, hidden, hidden),
      ...layerNorm(`${to}ffn_norm`, `${from}post_attention_layernorm`, hidden),
      ...linear(`${to}ffn_up`, `${from}mlp.dense_h_to_4h`, hidden, ffn),
      ...linear(`${to}ffn_down`, `${from}mlp.dense_4h_to_h`, ffn, hidden),
    );
  }
  const source = config.get("tie_word_embeddings") === true ? `${prefix}embed_in` : "embed_out";
  tensors.push(
    ...layerNorm("output_norm", `${prefix}final_layer_norm`, hidden),
    matrix("output.weight", `${source}.weight`, hidden, vocabulary),
  );
  return {
    architecture: "gptneox",
    vocabulary,
    metadata: [...commonKeys("gptneox", decoder, config, heads), ...named("gptneox", keys)],
    ownMetadata: [],
    tensors,
    // What a token may not see, which older checkpoints hold as tensors.
    without: /\.attention\.((masked_)?bias|rotary_emb\.inv_freq)$/,
  };
}
