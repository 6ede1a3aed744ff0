/** gemma: the checkpoint's norms lack the 1 that is added to them; the head is the embedding. */
import { requireTiedHead } from "../decoder.ts";
import type { Config } from "../folder.ts";
import { type Grouped, planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

/** What gemma, gemma2 and gemma3 have alike. */
export const GEMMA: Grouped = { activation: "gelu_pytorch_tanh", plus: 1, tied: true };

export function planGemma(config: Config, checkpoint: Checkpoint): Plan {
  requireTiedHead(config);
  return planGrouped("gemma", config, checkpoint, GEMMA);
}
