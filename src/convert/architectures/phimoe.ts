/** phimoe: biases everywhere, LayerNorms by the ε of RMSNorm, experts as Mixtral calls them. */
import { expertMatrix, layerNorm, readDecoder, router, vector } from "../decoder.ts";
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

export function planPhimoe(config: Config, checkpoint: Checkpoint): Plan {
  if (config.get("attention_bias") === false) throw config.wrong("attention_bias is false", "UNSUPPORTED");
  const used = config.size("num_experts_per_tok", 2);
  const jitter = config.number("router_jitter_noise", 0.01);
  if (used !== 2) throw config.wrong("num_experts_per_tok is not 2: SparseMixer chooses two", "UNSUPPORTED");
  if (jitter !== 0.01) throw config.wrong("router_jitter_noise is not 0.01", "UNSUPPORTED");
  const experts = config.size("num_local_experts");
  const plan = planGrouped("phimoe", config, checkpoint, {
    claims: ["num_experts"],
    names: { attn_norm: null, ffn_norm: null },
    feedForward: ({ hidden, ffn }, to, from) => [
      ...layerNorm(`${to}attn_norm`, `${from}input_layernorm`, hidden),
      ...layerNorm(`${to}ffn_norm`, `${from}post_attention_layernorm`, hidden),
      ...mixture(to, `${from}block_sparse_moe.`, hidden, ffn, experts),
    ],
    ownMetadata: () => [
      ["expert_count", "u32", experts],
      ["expert_used_count", "u32", used],
    ],
  });
  const { hidden, vocabulary, prefix, output } = readDecoder(config, checkpoint, ["num_experts"]);
  const ends = [vector("output_norm.bias", `${prefix}norm.bias`, hidden)];
  if (config.get("lm_head_bias") !== false) ends.push(vector("output.bias", `${output}.bias`, vocabulary));
  return { ...plan, tensors: [...plan.tensors, ...ends] };
}

function mixture(to: string, from: string, hidden: number, width: number, experts: number): PlannedTensor[] {
  const matrices = (name: string, source: string, columns: number, rows: number) =>
    expertMatrix(`${to}${name}.weight`, `${from}experts.#.${source}.weight`, columns, rows, experts);
  return [
    router(`${to}ffn_gate_inp.weight`, `${from}gate.weight`, hidden, experts),
    matrices("ffn_gate_exps", "w1", hidden, width),
    matrices("ffn_up_exps", "w3", hidden, width),
    matrices("ffn_down_exps", "w2", width, hidden),
  ];
}
