/** Experts in place of a feed-forward network: what a config says of them, and their tensors. */
import type { GgufEntry } from "../load/gguf-entries.ts";
import { expertMatrix, router } from "./decoder.ts";
import type { Config } from "./folder.ts";
import type { PlannedTensor } from "./plan.ts";

/** Keys of a config by which experts are another feed-forward network in some layers only; limpet has them in all. */
const IN_SOME_LAYERS: readonly (readonly [key: string, ...neutral: unknown[]])[] = [
  ["decoder_sparse_step", 1],
  ["mlp_only_layers"],
  ["first_k_dense_replace", 0],
];

/**
 * The keys of experts of `width`, without the architecture's name. `normalised` is whether the architecture means, where
 * a file does not say, that the weights of those that a token goes to add up to 1.
 */
export function expertKeys(config: Config, experts: number, width: number, normalised: boolean): GgufEntry[] {
  for (const [key, ...neutral] of IN_SOME_LAYERS) config.refuse(key, ...neutral);
  const says = Boolean(config.get("norm_topk_prob"));
  const keys: GgufEntry[] = [
    ["expert_count", "u32", experts],
    ["expert_used_count", "u32", config.size("num_experts_per_tok")],
    ["expert_feed_forward_length", "u32", width],
  ];
  return says === normalised ? keys : [...keys, ["expert_weights_norm", "bool", says]];
}

/** The router of a layer and its gated experts, as Qwen's checkpoints call them. */
export function gatedExperts(
  to: string,
  from: string,
  hidden: number,
  width: number,
  experts: number,
): PlannedTensor[] {
  const matrices = (name: string, source: string, columns: number, rows: number) =>
    expertMatrix(`${to}${name}.weight`, `${from}mlp.experts.#.${source}.weight`, columns, rows, experts);
  return [
    router(`${to}ffn_gate_inp.weight`, `${from}mlp.gate.weight`, hidden, experts),
    matrices("ffn_gate_exps", "gate_proj", hidden, width),
    matrices("ffn_up_exps", "up_proj", hidden, width),
    matrices("ffn_down_exps", "down_proj", width, hidden),
  ];
}
