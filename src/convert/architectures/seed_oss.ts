/** seed_oss: the norm before the feed-forward network has another name in the file. */
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planSeedOss(config: Config, checkpoint: Checkpoint): Plan {
  return planGrouped("seed_oss", config, checkpoint, {
    names: { ffn_norm: null, post_attention_norm: "post_attention_layernorm" },
  });
}
