/** qwen2moe: qwen2 with experts and a shared one behind a gate; checkpoints call it qwen2_moe. */
import { countOf, matrix, vector } from "../decoder.ts";
import { expertKeys, gatedExperts } from "../experts.ts";
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planQwen2moe(config: Config, checkpoint: Checkpoint): Plan {
  const experts = countOf(config, "num_experts", checkpoint);
  const width = config.size("moe_intermediate_size");
  const shared = config.size("shared_expert_intermediate_size");
  return planGrouped("qwen2moe", config, checkpoint, {
    claims: ["num_experts"],
    feedForward({ hidden }, to, from) {
      const own = `${from}mlp.shared_expert`;
      return [
        ...gatedExperts(to, from, hidden, width, experts),
        // A matrix of one row.
        { ...vector(`${to}ffn_gate_inp_shexp.weight`, `${own}_gate.weight`, hidden), sourceShape: [1, hidden] },
        matrix(`${to}ffn_gate_shexp.weight`, `${own}.gate_proj.weight`, hidden, shared),
        matrix(`${to}ffn_up_shexp.weight`, `${own}.up_proj.weight`, hidden, shared),
        matrix(`${to}ffn_down_shexp.weight`, `${own}.down_proj.weight`, shared, hidden),
      ];
    },
    ownMetadata: () => [
      ...expertKeys(config, experts, width, false),
      ["expert_shared_feed_forward_length", "u32", shared],
    ],
  });
}
