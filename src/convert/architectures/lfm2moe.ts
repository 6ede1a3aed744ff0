/** lfm2moe: lfm2 with experts behind its first layers; checkpoints call it lfm2_moe. */
import { countOf, expertMatrix, router, vector } from "../decoder.ts";
import type { Config } from "../folder.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";
import { gated, planHybrid } from "./lfm2.ts";

export function planLfm2moe(config: Config, checkpoint: Checkpoint): Plan {
  const ffn = config.size("intermediate_size");
  const experts = countOf(config, "num_experts", checkpoint);
  const width = config.size("moe_intermediate_size");
  const dense = Number(config.get("num_dense_layers") ?? 0);
  if (config.get("use_expert_bias") === false) throw config.wrong("use_expert_bias is false", "UNSUPPORTED");
  if (config.get("norm_topk_prob") === false) throw config.wrong("norm_topk_prob is false", "UNSUPPORTED");
  config.refuse("routed_scaling_factor", 1);
  const mixture = (to: string, from: string, hidden: number): PlannedTensor[] => [
    router(`${to}ffn_gate_inp.weight`, `${from}gate.weight`, hidden, experts),
    vector(`${to}exp_probs_b.bias`, `${from}expert_bias`, experts),
    expertMatrix(`${to}ffn_gate_exps.weight`, `${from}experts.#.w1.weight`, hidden, width, experts),
    expertMatrix(`${to}ffn_down_exps.weight`, `${from}experts.#.w2.weight`, width, hidden, experts),
    expertMatrix(`${to}ffn_up_exps.weight`, `${from}experts.#.w3.weight`, hidden, width, experts),
  ];
  return planHybrid(
    "lfm2moe",
    config,
    checkpoint,
    ffn,
    [
      ["expert_count", "u32", experts],
      ["expert_used_count", "u32", config.size("num_experts_per_tok")],
      ["expert_feed_forward_length", "u32", width],
      ["leading_dense_block_count", "u32", dense],
      ["expert_gating_func", "u32", 2],
    ],
    ({ hidden }) =>
      (layer, to, from) =>
        layer < dense ? gated(to, from, hidden, ffn) : mixture(to, from, hidden),
  );
}
