/** smollm3: llama, but every fourth layer turns nothing, which no key of a file says. */
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";
import { llamaKeys } from "./llama.ts";

const INTERVAL = 4;

export function planSmollm3(config: Config, checkpoint: Checkpoint): Plan {
  const list = config.get("no_rope_layers");
  const isUsual = Array.isArray(list)
    ? list.every((turns, layer) => Boolean(turns) === layer % INTERVAL < INTERVAL - 1)
    : config.size("no_rope_layer_interval", INTERVAL) === INTERVAL;
  if (!isUsual) throw config.wrong("no_rope_layers names others than every fourth layer", "UNSUPPORTED");
  return planGrouped("smollm3", config, checkpoint, { paired: true, tied: true, ownMetadata: llamaKeys });
}
