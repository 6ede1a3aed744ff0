/** glm4: gate and up stay in one matrix, and a part of each head turns. */
import { matrix } from "../decoder.ts";
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import { readRope, rotaryShare } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";

/** The share of a head that turns where the config does not say. */
const SHARE = 0.5;

export function planGlm4(config: Config, checkpoint: Checkpoint): Plan {
  const turned = (head: number) => Math.floor(head * rotaryShare(config, undefined, SHARE));
  return planGrouped("glm4", config, checkpoint, {
    claims: ["partial_rotary_factor"],
    names: { post_attention_norm: "post_self_attn_layernorm", post_ffw_norm: "post_mlp_layernorm" },
    rope: (head) => readRope(config, turned(head)),
    feedForward: ({ hidden, ffn }, to, from) => [
      matrix(`${to}ffn_up.weight`, `${from}mlp.gate_up_proj.weight`, hidden, 2 * ffn),
      matrix(`${to}ffn_down.weight`, `${from}mlp.down_proj.weight`, ffn, hidden),
    ],
    ownMetadata: ({ head }) => [["rope.dimension_count", "u32", turned(head)]],
  });
}
