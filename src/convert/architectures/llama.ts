/** llama: the file has the values of a pair next to each other. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import type { Config } from "../folder.ts";
import { type GroupedDecoder, planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planLlama(config: Config, checkpoint: Checkpoint): Plan {
  return planGrouped("llama", config, checkpoint, { paired: true, ownMetadata: llamaKeys });
}

/** What llama.cpp's converter writes more of llama, and of what is nearly llama. */
export function llamaKeys({ vocabulary, head }: GroupedDecoder): GgufEntry[] {
  return [
    ["vocab_size", "u32", vocabulary],
    ["rope.dimension_count", "u32", head],
  ];
}
