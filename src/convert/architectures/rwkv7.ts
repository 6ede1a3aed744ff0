/** rwkv7: checkpoints of RWKV-7 as fla-hub has them. */
import { countOf, layerNorm, matrix, named, vector } from "../decoder.ts";
import { type Config, said } from "../folder.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";
import { ENDLESS } from "./mamba2.ts";

/** What is mixed with the token before, in the order of the file. */
const MIXED = ["r", "w", "k", "v", "a", "g"];

export function planRwkv7(config: Config, checkpoint: Checkpoint): Plan {
  const activation = config.get("hidden_act") ?? "sqrelu";
  if (activation !== "sqrelu") throw config.wrong(`hidden_act is ${said(activation)}`, "UNSUPPORTED");
  config.refuse("quantization_config");
  config.refuse("attn");
  const hidden = config.size("hidden_size");
  const layers = countOf(config, "num_hidden_layers", checkpoint);
  const vocabulary = config.size("vocab_size");
  const ffn = config.get("intermediate_size") === undefined ? 4 * hidden : config.size("intermediate_size");
  const ranks = {
    w: config.size("decay_low_rank_dim"),
    a: config.size("a_low_rank_dim"),
    v: config.size("v_low_rank_dim"),
    g: config.size("gate_low_rank_dim"),
  };
  const tensors: PlannedTensor[] = [
    matrix("token_embd.weight", "model.embeddings.weight", hidden, vocabulary),
    ...layerNorm("token_embd_norm", "model.layers.0.pre_norm", hidden),
  ];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `model.layers.${layer}.`];
    const own = `${from}attn.`;
    const mix = (name: string) => `${to}time_mix_${name}.weight`;
    const low = (
      name: "w" | "a" | "v" | "g",
      rank: number,
      biased: boolean,
      source: string = name,
    ): PlannedTensor[] => [
      ...(biased ? [vector(mix(`${name}0`), `${own}${source}_lora.lora.2.bias`, hidden)] : []),
      matrix(mix(`${name}1`), `${own}${source}_lora.lora.0.weight`, hidden, rank),
      matrix(mix(`${name}2`), `${own}${source}_lora.lora.2.weight`, rank, hidden),
    ];
    tensors.push(
      ...layerNorm(`${to}attn_norm`, `${from}attn_norm`, hidden),
      ...layerNorm(`${to}attn_norm_2`, `${from}ffn_norm`, hidden),
      {
        ...vector(mix("lerp_fused"), "", 0),
        shape: [hidden, 1, 1, MIXED.length],
        sources: MIXED.map((name) => `${own}x_${name}`),
        sourceShape: [1, 1, hidden],
      },
      ...low("w", ranks.w, true),
      ...low("a", ranks.a, true),
      // The first layer does not use its own, and llama.cpp wants some: those of a.
      ...(layer === 0 ? low("v", ranks.a, true, "a") : low("v", ranks.v, true)),
      ...low("g", ranks.g, false),
      vector(mix("k_k"), `${own}k_k`, hidden),
      vector(mix("k_a"), `${own}k_a`, hidden),
      { ...vector(mix("r_k"), `${own}r_k`, hidden), sourceShape: headShape(config, hidden) },
      matrix(mix("receptance"), `${own}r_proj.weight`, hidden, hidden),
      matrix(mix("key"), `${own}k_proj.weight`, hidden, hidden),
      matrix(mix("value"), `${own}v_proj.weight`, hidden, hidden),
      matrix(mix("output"), `${own}o_proj.weight`, hidden, hidden),
      ...layerNorm(`${to}time_mix_ln`, `${own}g_norm`, hidden),
      {
        ...vector(`${to}channel_mix_lerp_k.weight`, `${from}ffn.x_k`, hidden),
        shape: [hidden, 1, 1],
        sourceShape: [hidden],
      },
      matrix(`${to}channel_mix_key.weight`, `${from}ffn.key.weight`, hidden, ffn),
      matrix(`${to}channel_mix_value.weight`, `${from}ffn.value.weight`, ffn, hidden),
    );
  }
  return {
    architecture: "rwkv7",
    vocabulary,
    metadata: named("rwkv7", [
      ["context_length", "u32", config.size("max_position_embeddings", ENDLESS)],
      ["embedding_length", "u32", hidden],
      ["block_count", "u32", layers],
      ["attention.layer_norm_epsilon", "f32", config.number("norm_eps", 1e-5)],
      ["wkv.head_size", "u32", headShape(config, hidden)[1]],
      ["attention.decay_lora_rank", "u32", ranks.w],
      ["attention.iclr_lora_rank", "u32", ranks.a],
      ["attention.value_residual_mix_lora_rank", "u32", ranks.v],
      ["attention.gate_lora_rank", "u32", ranks.g],
      ["feed_forward_length", "u32", ffn],
      ["attention.head_count", "u32", 0],
      ["token_shift_count", "u32", 2],
    ]),
    ownMetadata: [],
    tensors: [
      ...tensors,
      ...layerNorm("output_norm", "model.norm", hidden),
      matrix("output.weight", "lm_head.weight", hidden, vocabulary),
    ],
  };
}

/** Heads, and values of one. */
function headShape(config: Config, hidden: number): [number, number] {
  const size = config.size("head_dim", 64);
  if (hidden % size) throw config.wrong(`head_dim ${size} does not divide hidden_size ${hidden}`);
  return [hidden / size, size];
}
