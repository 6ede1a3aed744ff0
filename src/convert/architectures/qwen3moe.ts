/** qwen3moe: qwen3 with experts; checkpoints call it qwen3_moe. */
import { countOf } from "../decoder.ts";
import { expertKeys, gatedExperts } from "../experts.ts";
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planQwen3moe(config: Config, checkpoint: Checkpoint): Plan {
  const experts = countOf(config, "num_experts", checkpoint);
  const width = config.size("moe_intermediate_size");
  return planGrouped("qwen3moe", config, checkpoint, {
    claims: ["num_experts"],
    headNorms: "head",
    feedForward: ({ hidden }, to, from) => gatedExperts(to, from, hidden, width, experts),
    ownMetadata: () => expertKeys(config, experts, width, true),
  });
}
