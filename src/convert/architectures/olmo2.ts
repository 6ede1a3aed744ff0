/** olmo2: checkpoints of OLMo 2, and of OLMo 3, whose `model_type` is olmo3 and which have windows. */
import type { Config } from "../folder.ts";
import { type Grouped, planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import { localTheta, readRope, ropeObject, ropeTheta } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";
import { windowKeys } from "../windows.ts";

/** Norms behind both halves of a layer, and none before them. */
export const NORMS_BEHIND: Grouped["names"] = {
  attn_norm: null,
  post_attention_norm: "post_attention_layernorm",
  ffn_norm: null,
  post_ffw_norm: "post_feedforward_layernorm",
};

export function planOlmo2(given: Config, checkpoint: Checkpoint): Plan {
  const has = given.get("model_type") === "olmo3";
  const config = has ? given.with({ sliding_window: given.size("sliding_window", 4096) }) : given;
  return planGrouped("olmo2", config, checkpoint, {
    claims: has ? ["sliding_window"] : [],
    headNorms: "row",
    names: NORMS_BEHIND,
    rope(head) {
      const whole = ropeObject(config, "full_attention");
      const local = localTheta(config);
      if (local !== undefined && local !== ropeTheta(config, whole)) {
        throw config.wrong(`layers with a window have another rope_theta, ${local}`, "UNSUPPORTED");
      }
      return readRope(config, head, { given: whole });
    },
    ownMetadata: ({ layers }) => (has ? windowKeys(config, layers, 4) : []),
  });
}
