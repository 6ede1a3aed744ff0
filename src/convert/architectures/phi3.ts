/** phi3: fused matrices stay fused; Phi-4-mini turns a part of each head. */
import { linear, matrix } from "../decoder.ts";
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import { readRope, rotaryShare } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planPhi3(config: Config, checkpoint: Checkpoint): Plan {
  const turned = (head: number) => Math.floor(rotaryShare(config) * head);
  return planGrouped("phi3", config, checkpoint, {
    claims: ["sliding_window", "partial_rotary_factor"],
    rope: (head) => readRope(config, turned(head)),
    projections({ hidden, heads, kvHeads, head }, to, from) {
      const rows = (heads + 2 * kvHeads) * head;
      return linear(`${to}attn_qkv`, `${from}self_attn.qkv_proj`, hidden, rows, { optional: true });
    },
    feedForward: ({ hidden, ffn }, to, from) => [
      matrix(`${to}ffn_up.weight`, `${from}mlp.gate_up_proj.weight`, hidden, 2 * ffn),
      matrix(`${to}ffn_down.weight`, `${from}mlp.down_proj.weight`, ffn, hidden),
    ],
    ownMetadata: ({ head }) => [
      ["rope.dimension_count", "u32", turned(head)],
      // The file says it, and neither llama.cpp nor limpet heeds it.
      ["attention.sliding_window", "u32", config.get("sliding_window") ? config.size("sliding_window") : 0],
    ],
  });
}
