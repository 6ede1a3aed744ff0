/** eurobert: llama's checkpoint, without a head, over whole texts. */
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planEurobert(config: Config, checkpoint: Checkpoint): Plan {
  config.refuse("attention_bias");
  config.refuse("mlp_bias");
  return asEncoder(planGrouped("eurobert", config.with({ tie_word_embeddings: true }), checkpoint));
}

/** The plan of a decoder without its head, whose file says that tokens see all of a text. */
export function asEncoder(plan: Plan): Plan {
  const causal = [`${plan.architecture}.attention.causal`, "bool", false] as const;
  const { metadata } = plan;
  return { ...plan, metadata: [...metadata, causal], without: /^(lm_head|classifier|dense)\./ };
}
