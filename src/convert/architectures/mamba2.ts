/** mamba2: checkpoints of Mamba-2 as transformers has them. */
import { countOf, matrix, named, requireActivation, vector } from "../decoder.ts";
import type { Config } from "../folder.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

/** What files say of a model that has no end of its context. */
export const ENDLESS: number = 2 ** 20;

export function planMamba2(config: Config, checkpoint: Checkpoint): Plan {
  requireActivation(config, "silu");
  config.refuse("use_bias");
  config.refuse("quantization_config");
  if (config.get("rms_norm") === false) throw config.wrong("rms_norm is false", "UNSUPPORTED");
  refuseTimeLimit(config);
  const hidden = config.size("hidden_size");
  const layers = countOf(config, "num_hidden_layers", checkpoint);
  const vocabulary = config.size("vocab_size");
  const heads = config.size("num_heads");
  const inner = heads * config.size("head_dim");
  const groups = config.size("n_groups", 1);
  const state = config.size("state_size");
  const taps = config.size("conv_kernel", 4);
  const width = inner + 2 * groups * state;
  const prefix = checkpoint.tensors.has("model.backbone.embeddings.weight") ? "model.backbone." : "backbone.";
  const tensors: PlannedTensor[] = [matrix("token_embd.weight", `${prefix}embeddings.weight`, hidden, vocabulary)];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}layers.${layer}.`];
    const own = `${from}mixer.`;
    tensors.push(
      vector(`${to}attn_norm.weight`, `${from}norm.weight`, hidden),
      matrix(`${to}ssm_in.weight`, `${own}in_proj.weight`, hidden, inner + width + heads),
      {
        ...vector(`${to}ssm_conv1d.weight`, `${own}conv1d.weight`, 0),
        shape: [taps, width],
        sourceShape: [width, 1, taps],
      },
      { ...vector(`${to}ssm_conv1d.bias`, `${own}conv1d.bias`, width), optional: true },
      vector(`${to}ssm_dt.bias`, `${own}dt_bias`, heads),
      { ...vector(`${to}ssm_a`, `${own}A_log`, 0), shape: [1, heads], sourceShape: [heads], negatedExp: true },
      { ...vector(`${to}ssm_d`, `${own}D`, 0), shape: [1, heads], sourceShape: [heads] },
      {
        ...vector(`${to}ssm_norm.weight`, `${own}norm.weight`, 0),
        shape: [inner / groups, groups],
        sourceShape: [inner],
      },
      matrix(`${to}ssm_out.weight`, `${own}out_proj.weight`, inner, hidden),
    );
  }
  const tied = config.get("tie_word_embeddings") === true;
  const output = matrix("output.weight", `${prefix.replace(/backbone\.$/, "")}lm_head.weight`, hidden, vocabulary);
  return {
    architecture: "mamba2",
    vocabulary,
    metadata: named("mamba2", [
      ["context_length", "u32", config.size("max_position_embeddings", ENDLESS)],
      ["embedding_length", "u32", hidden],
      ["feed_forward_length", "u32", 0],
      ["attention.head_count", "u32", 0],
      ["block_count", "u32", layers],
      ["ssm.conv_kernel", "u32", taps],
      ["ssm.inner_size", "u32", inner],
      ["ssm.state_size", "u32", state],
      ["ssm.time_step_rank", "u32", heads],
      ["ssm.group_count", "u32", groups],
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

/** Steps of time that are held within bounds are other ones; none are where the bounds are 0 and infinity, which is no JSON. */
function refuseTimeLimit(config: Config): void {
  const limit = config.get("time_step_limit");
  if (limit === undefined) return;
  const [low, high] = Array.isArray(limit) ? limit : [];
  if (low === 0 && (high === null || high === Infinity || high === "inf")) return;
  throw config.wrong(`time_step_limit is ${JSON.stringify(limit)}`, "UNSUPPORTED");
}
