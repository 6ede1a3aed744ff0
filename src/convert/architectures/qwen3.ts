/** qwen3: queries and keys are normed head by head. */
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planQwen3(config: Config, checkpoint: Checkpoint): Plan {
  return planGrouped("qwen3", config, checkpoint, { headNorms: "head" });
}
