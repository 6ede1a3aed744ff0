/** mamba2: checkpoints of Mamba-2 as transformers has them. */
import { countOf, matrix, named, requireActivation, vector } from "../decoder.ts";
import type { Config } from "../folder.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";
import { dualMixer, refuseTimeLimit, type StateSpace, stateKeys } from "../state-space.ts";

/** What files say of a model that has no end of its context. */
export const ENDLESS: number = 2 ** 20;

export function planMamba2(config: Config, checkpoint: Checkpoint): Plan {
  if (config.get("rms_norm") === false) throw config.wrong("rms_norm is false", "UNSUPPORTED");
  refuseTimeLimit(config);
  const heads = config.size("num_heads");
  const sizes: StateSpace = {
    hidden: config.size("hidden_size"),
    inner: heads * config.size("head_dim"),
    rank: heads,
    groups: config.size("n_groups", 1),
    state: config.size("state_size"),
    taps: config.size("conv_kernel", 4),
  };
  return planStream("mamba2", config, checkpoint, sizes, (to, from) => dualMixer(to, from, sizes), false);
}

/** The plan of mamba and mamba2: a mixer in every layer, and nothing else. */
export function planStream(
  architecture: string,
  config: Config,
  checkpoint: Checkpoint,
  sizes: StateSpace,
  mixer: (to: string, from: string) => PlannedTensor[],
  isTied: boolean,
): Plan {
  requireActivation(config, "silu");
  config.refuse("use_bias");
  config.refuse("quantization_config");
  const { hidden } = sizes;
  const layers = countOf(config, "num_hidden_layers", checkpoint);
  const vocabulary = config.size("vocab_size");
  const prefix = checkpoint.tensors.has("model.backbone.embeddings.weight") ? "model.backbone." : "backbone.";
  const tensors: PlannedTensor[] = [matrix("token_embd.weight", `${prefix}embeddings.weight`, hidden, vocabulary)];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}layers.${layer}.`];
    tensors.push(vector(`${to}attn_norm.weight`, `${from}norm.weight`, hidden), ...mixer(to, `${from}mixer.`));
  }
  const tied = (config.get("tie_word_embeddings") ?? isTied) === true;
  const output = matrix("output.weight", `${prefix.replace(/backbone\.$/, "")}lm_head.weight`, hidden, vocabulary);
  return {
    architecture,
    vocabulary,
    metadata: named(architecture, [
      ["context_length", "u32", config.size("max_position_embeddings", ENDLESS)],
      ["embedding_length", "u32", hidden],
      ["feed_forward_length", "u32", 0],
      ["attention.head_count", "u32", 0],
      ["block_count", "u32", layers],
      ...stateKeys(sizes),
      ["attention.layer_norm_rms_epsilon", "f32", config.number("layer_norm_epsilon", 1e-5)],
    ]),
    ownMetadata: [],
    tensors: [
      ...tensors,
      vector("output_norm.weight", `${prefix}norm_f.weight`, hidden),
      ...(tied ? [] : [{ ...output, optional: true }]),
    ],
  };
}
