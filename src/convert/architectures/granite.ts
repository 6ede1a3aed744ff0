/** granite: llama with four scales. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import type { Config } from "../folder.ts";
import { type Grouped, planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";
import { llamaKeys } from "./llama.ts";

/** The keys of a config that are scales, and those of a file. */
export const SCALES = [
  ["attention_multiplier", "attention.scale"],
  ["embedding_multiplier", "embedding_scale"],
  ["residual_multiplier", "residual_scale"],
  ["logits_scaling", "logit_scale"],
] as const;

/** What granite and granitemoe have; `own` are further keys of the file. */
export function graniteOf(config: Config, own: readonly GgufEntry[] = []): Grouped {
  return {
    paired: true,
    claims: SCALES.map(([key]) => key),
    ownMetadata: (sizes) => [
      ...llamaKeys(sizes),
      ...own,
      ...SCALES.map(([key, name]): GgufEntry => [name, "f32", config.number(key, 1)]),
    ],
  };
}

export function planGranite(config: Config, checkpoint: Checkpoint): Plan {
  return planGrouped("granite", config, checkpoint, graniteOf(config));
}
