/** olmo: norms have no weights, and their ε is in no config. */
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planOlmo(config: Config, checkpoint: Checkpoint): Plan {
  const plan = planGrouped("olmo", config.with({ norm_eps: 1e-5 }), checkpoint, {
    paired: true,
    claims: ["clip_qkv"],
    epsilon: ["attention.layer_norm_epsilon", "norm_eps"],
    names: { attn_norm: null, ffn_norm: null },
    ownMetadata: () => (config.isNull("clip_qkv") ? [] : [["attention.clamp_kqv", "f32", config.number("clip_qkv")]]),
  });
  return { ...plan, tensors: plan.tensors.filter(({ name }) => name !== "output_norm.weight") };
}
