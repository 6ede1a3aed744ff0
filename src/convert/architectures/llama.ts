/** llama: the file has the values of a pair next to each other. */
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planLlama(config: Config, checkpoint: Checkpoint): Plan {
  return planGrouped("llama", config, checkpoint, {
    paired: true,
    ownMetadata: ({ vocabulary, head }) => [
      ["vocab_size", "u32", vocabulary],
      ["rope.dimension_count", "u32", head],
    ],
  });
}
