/** cohere2: command-r with windows. */
import { requireTiedHead } from "../decoder.ts";
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";
import { windowKeys } from "../windows.ts";
import { parallel } from "./command-r.ts";

export function planCohere2(given: Config, checkpoint: Checkpoint): Plan {
  const config = given.with({ sliding_window: given.size("sliding_window", 4096) });
  requireTiedHead(config);
  config.refuse("rotary_pct", 1);
  return planGrouped("cohere2", config, checkpoint, {
    ...parallel(config),
    claims: ["logit_scale", "sliding_window"],
    ownMetadata: ({ head, layers, vocabulary }) => [
      ["logit_scale", "f32", config.number("logit_scale", 0.0625)],
      ...windowKeys(config, layers, 4),
      ["vocab_size", "u32", vocabulary],
      ["rope.dimension_count", "u32", head],
    ],
  });
}
