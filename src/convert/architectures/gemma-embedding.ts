/** gemma-embedding: a gemma3_text that says `use_bidirectional_attention`. */
import type { Config } from "../folder.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";
import { asEncoder } from "./eurobert.ts";
import { planGemma3As } from "./gemma3.ts";

export function planGemmaEmbedding(config: Config, checkpoint: Checkpoint): Plan {
  return asEncoder(planGemma3As("gemma-embedding", config.with({ use_bidirectional_attention: null }), checkpoint));
}
