/** command-r: checkpoints of Command R and Aya, whose `model_type` is cohere. */
import { requireTiedHead } from "../decoder.ts";
import type { Config } from "../folder.ts";
import { type Grouped, planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import { refuseScaling, ropeTheta } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planCommandR(given: Config, checkpoint: Checkpoint): Plan {
  // Contexts were longer in the end than positions are said to be.
  const config = given.with({
    max_position_embeddings: given.get("model_max_length") ?? given.get("max_position_embeddings"),
  });
  requireTiedHead(config);
  return planGrouped("command-r", config, checkpoint, {
    ...parallel(config),
    claims: ["logit_scale", "use_qk_norm"],
    headNorms: config.get("use_qk_norm") ? "own" : undefined,
    ownMetadata: () => [["logit_scale", "f32", config.number("logit_scale", 0.0625)]],
  });
}

/** What command-r and cohere2 have alike: one LayerNorm before both halves, and a RoPE that nothing scales. */
export function parallel(config: Config): Grouped {
  return {
    epsilon: ["attention.layer_norm_epsilon", "layer_norm_eps"],
    names: { ffn_norm: null },
    tied: true,
    rope() {
      refuseScaling(config);
      const keys = [
        ["rope.freq_base", "f32", ropeTheta(config)],
        ["rope.scaling.type", "string", "none"],
      ] as const;
      return { keys, tensors: [] };
    },
  };
}
