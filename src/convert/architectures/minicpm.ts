/** minicpm: llama with three scales. */
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";
import { llamaKeys } from "./llama.ts";

export function planMinicpm(config: Config, checkpoint: Checkpoint): Plan {
  return planGrouped("minicpm", config, checkpoint, {
    paired: true,
    tied: true,
    claims: ["scale_emb"],
    ownMetadata: (sizes) => [
      ...llamaKeys(sizes),
      ["embedding_scale", "f32", config.number("scale_emb")],
      ["residual_scale", "f32", config.number("scale_depth") / Math.sqrt(sizes.layers)],
      ["logit_scale", "f32", sizes.hidden / config.size("dim_model_base")],
    ],
  });
}
