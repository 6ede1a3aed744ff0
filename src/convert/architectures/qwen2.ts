/** qwen2: queries, keys and values have biases. */
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planQwen2(config: Config, checkpoint: Checkpoint): Plan {
  return planGrouped("qwen2", config, checkpoint);
}
