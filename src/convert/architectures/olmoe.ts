/** olmoe: experts as wide as the config says of a feed-forward network. */
import { expertKeys, gatedExperts } from "../experts.ts";
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planOlmoe(config: Config, checkpoint: Checkpoint): Plan {
  const experts = config.size("num_experts");
  return planGrouped("olmoe", config, checkpoint, {
    claims: ["num_experts"],
    headNorms: "row",
    feedForward: ({ hidden, ffn }, to, from) => gatedExperts(to, from, hidden, ffn, experts),
    ownMetadata: ({ ffn }) => expertKeys(config, experts, ffn, false),
  });
}
