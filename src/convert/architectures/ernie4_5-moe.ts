/** ernie4_5-moe: experts from a layer on, in every so many layers; checkpoints call it ernie4_5_moe. */
import { expertMatrix, matrix, router, vector } from "../decoder.ts";
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

const PARTS = ["gate", "up", "down"] as const;

export function planErnie45Moe(config: Config, checkpoint: Checkpoint): Plan {
  const experts = config.size("moe_num_experts");
  const width = config.size("moe_intermediate_size");
  const shared = config.get("moe_num_shared_experts") ? config.size("moe_num_shared_experts") : 0;
  const first = Number(config.get("moe_layer_start_index") ?? 1);
  const every = config.size("moe_layer_interval", 1);
  const layers = config.size("num_hidden_layers");
  const last = Number(config.get("moe_layer_end_index") ?? -1);
  if (last !== -1 && last !== layers - 1) throw config.wrong("moe_layer_end_index is not the last", "UNSUPPORTED");
  const hasExperts = (layer: number) => layer >= first && (layer + 1) % every === 0;
  return planGrouped("ernie4_5-moe", config, checkpoint, {
    claims: ["num_experts"],
    feedForward({ hidden, ffn }, to, from) {
      const sizes = (name: string, inner: number) =>
        (name === "down" ? [inner, hidden] : [hidden, inner]) as [number, number];
      const plain = (suffix: string, source: string, inner: number): PlannedTensor[] =>
        PARTS.map((name) =>
          matrix(`${to}ffn_${name}${suffix}.weight`, `${source}.${name}_proj.weight`, ...sizes(name, inner)),
        );
      if (!hasExperts(Number(to.split(".")[1]))) return plain("", `${from}mlp`, ffn);
      return [
        router(`${to}ffn_gate_inp.weight`, `${from}mlp.gate.weight`, hidden, experts),
        {
          ...vector(`${to}exp_probs_b.bias`, `${from}mlp.moe_statics.e_score_correction_bias`, experts),
          sourceShape: [1, experts],
        },
        ...PARTS.map((name) =>
          expertMatrix(
            `${to}ffn_${name}_exps.weight`,
            `${from}mlp.experts.#.${name}_proj.weight`,
            ...sizes(name, width),
            experts,
          ),
        ),
        ...(shared ? plain("_shexp", `${from}mlp.shared_experts`, shared * width) : []),
      ];
    },
    ownMetadata: () => [
      ["expert_count", "u32", experts],
      ["expert_used_count", "u32", config.size("moe_k")],
      ["expert_feed_forward_length", "u32", width],
      ["expert_shared_feed_forward_length", "u32", shared * width],
      ["leading_dense_block_count", "u32", first],
      ["interleave_moe_layer_step", "u32", every],
    ],
  });
}
