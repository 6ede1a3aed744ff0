/** granitemoe: granite with experts; with one that every token goes to, checkpoints call it granitemoeshared. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import { matrix, router } from "../decoder.ts";
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import { type Plan, type PlannedTensor, partOfRows } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";
import { graniteOf } from "./granite.ts";

export function planGranitemoe(config: Config, checkpoint: Checkpoint): Plan {
  const experts = config.size("num_local_experts");
  const shared = config.get("shared_intermediate_size") ? config.size("shared_intermediate_size") : 0;
  const own: GgufEntry[] = [
    ["expert_count", "u32", experts],
    ["expert_used_count", "u32", config.size("num_experts_per_tok")],
  ];
  if (shared) own.push(["expert_shared_feed_forward_length", "u32", shared]);
  const base = graniteOf(config, own);
  return planGrouped("granitemoe", config, checkpoint, {
    ...base,
    claims: [...(base.claims ?? []), "num_experts"],
    feedForward: ({ hidden, ffn }, to, from) => mixture(to, from, hidden, ffn, experts, shared),
  });
}

/** The experts of a layer, and the shared one, of width 0: there is none. */
export function mixture(
  to: string,
  from: string,
  hidden: number,
  ffn: number,
  experts: number,
  shared: number,
): PlannedTensor[] {
  const moe = `${from}block_sparse_moe`;
  return [
    router(`${to}ffn_gate_inp.weight`, `${moe}.router.layer.weight`, hidden, experts),
    ...halves(`${to}ffn_#_exps.weight`, `${moe}.input_linear.weight`, hidden, ffn, [experts]),
    {
      ...matrix(`${to}ffn_down_exps.weight`, `${moe}.output_linear.weight`, ffn, hidden),
      shape: [ffn, hidden, experts],
    },
    ...(shared ? sharedExpert(to, from, hidden, shared) : []),
  ];
}

function sharedExpert(to: string, from: string, hidden: number, width: number): PlannedTensor[] {
  return [
    ...halves(`${to}ffn_#_shexp.weight`, `${from}shared_mlp.input_linear.weight`, hidden, width, []),
    matrix(`${to}ffn_down_shexp.weight`, `${from}shared_mlp.output_linear.weight`, width, hidden),
  ];
}

/** Gate and up, which lie one behind the other in a matrix, or in that of each expert: `name` has # for either word. */
export function halves(
  name: string,
  source: string,
  hidden: number,
  width: number,
  experts: number[],
): PlannedTensor[] {
  return ["gate", "up"].map((word, i) => ({
    ...matrix(name.replace("#", word), source, hidden, width),
    shape: [hidden, width, ...experts],
    sourceShape: [...experts, 2 * width, hidden],
    rowOf: partOfRows(i * width, width, 2 * width),
  }));
}
