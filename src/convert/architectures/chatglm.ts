/** chatglm: GLM-4 9B and GLM-Edge as transformers has them, whose `model_type` is glm. */
import { matrix } from "../decoder.ts";
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import { readRope, rotaryShare } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planChatglm(config: Config, checkpoint: Checkpoint): Plan {
  const turned = (head: number) => Math.floor(rotaryShare(config, undefined, 0.5) * head);
  return planGrouped("chatglm", config, checkpoint, {
    claims: ["partial_rotary_factor"],
    rope: (head) => readRope(config, turned(head)),
    feedForward: ({ hidden, ffn }, to, from) => [
      matrix(`${to}ffn_up.weight`, `${from}mlp.gate_up_proj.weight`, hidden, 2 * ffn),
      matrix(`${to}ffn_down.weight`, `${from}mlp.down_proj.weight`, ffn, hidden),
    ],
    ownMetadata: ({ head }) => [["rope.dimension_count", "u32", turned(head)]],
  });
}
