/** arcee: llama with a squared ReLU without a gate. */
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";
import { llamaKeys } from "./llama.ts";

export function planArcee(config: Config, checkpoint: Checkpoint): Plan {
  return planGrouped("arcee", config, checkpoint, {
    paired: true,
    activation: "relu2",
    names: { ffn_gate: null },
    ownMetadata: llamaKeys,
  });
}
