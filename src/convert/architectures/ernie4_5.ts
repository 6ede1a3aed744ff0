/** ernie4_5: the values of a pair lie next to each other in the checkpoint as in the file. */
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planErnie45(config: Config, checkpoint: Checkpoint): Plan {
  return planGrouped("ernie4_5", config, checkpoint);
}
