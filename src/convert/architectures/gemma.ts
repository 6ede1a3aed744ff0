/** gemma: the checkpoint's norms lack the 1 that is added to them; the head is the embedding. */
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

/** Refuses a head of its own: the file has no place for it. */
export function requireTiedHead(config: Config): void {
  if (config.get("tie_word_embeddings") !== false) return;
  throw config.wrong("tie_word_embeddings is false: the head of such a model is its embedding", "UNSUPPORTED");
}
