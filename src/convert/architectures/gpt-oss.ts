/** gpt-oss: sinks, windows, experts whose gate and up are fused row by row; checkpoints call it gpt_oss. */
import { linear, vector } from "../decoder.ts";
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import { readRope } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";
import { windowKeys } from "../windows.ts";

export function planGptOss(config: Config, checkpoint: Checkpoint): Plan {
  config.refuse("swiglu_limit", 7);
  const experts = config.size("num_local_experts");
  const method = (config.get("quantization_config") as { quant_method?: unknown } | undefined)?.quant_method;
  return planGrouped("gpt-oss", config, checkpoint, {
    claims: ["num_experts", "sliding_window", ...(method === "mxfp4" ? ["quantization_config"] : [])],
    names: { ffn_norm: null, post_attention_norm: "post_attention_layernorm" },
    // llama.cpp, and so every file, rounds the pairs between which YaRN's ramp lies, which the released code does not.
    rope: (head) => readRope(config, head, { claims: ["truncate"] }),
    feedForward: ({ hidden, heads, ffn }, to, from) => [
      vector(`${to}attn_sinks.weight`, `${from}self_attn.sinks`, heads),
      ...mixture(to, `${from}mlp.`, hidden, ffn, experts).map((planned) => inBlocks(planned, checkpoint)),
    ],
    ownMetadata: ({ layers, ffn }) => [
      ...windowKeys(config, layers, 2),
      ["expert_count", "u32", experts],
      ["expert_used_count", "u32", config.size("num_experts_per_tok")],
      ["expert_feed_forward_length", "u32", ffn],
    ],
  });
}

/** In a checkpoint of floats a row is an input, and gate and up take turns in it. */
function mixture(to: string, from: string, hidden: number, width: number, experts: number): PlannedTensor[] {
  const half = (name: string, place: number): PlannedTensor[] => {
    const shared = { rowOf: (row: number) => 2 * row + place };
    return [
      {
        ...{ name: `${to}${name}.weight`, sources: [`${from}experts.gate_up_proj`], kind: "matrix", transposed: true },
        ...{ shape: [hidden, width, experts], sourceShape: [experts, hidden, 2 * width], ...shared },
      },
      {
        ...{ name: `${to}${name}.bias`, sources: [`${from}experts.gate_up_proj_bias`], kind: "floats", singly: true },
        ...{ shape: [width, experts], sourceShape: [experts, 2 * width], ...shared },
      },
    ];
  };
  const down = `${to}ffn_down_exps`;
  const [weight, bias] = linear(`${to}ffn_gate_inp`, `${from}router`, hidden, experts);
  return [
    { ...weight, kind: "floats" },
    bias,
    ...half("ffn_gate_exps", 0),
    ...half("ffn_up_exps", 1),
    {
      ...{ name: `${down}.weight`, sources: [`${from}experts.down_proj`], kind: "matrix", transposed: true },
      shape: [width, hidden, experts],
    },
    {
      ...{ name: `${down}.bias`, sources: [`${from}experts.down_proj_bias`], kind: "floats" },
      shape: [hidden, experts],
    },
  ];
}

/** Matrices of experts as they are released: in MXFP4, whose rows are outputs. */
function inBlocks(planned: PlannedTensor, { tensors }: Checkpoint): PlannedTensor {
  const [source] = planned.sources;
  if (!planned.transposed || !tensors.has(`${source}_blocks`)) return planned;
  const { name, shape, rowOf } = planned;
  const [columns, rows, experts] = shape;
  return {
    ...{ name, shape, rowOf, kind: "mxfp4", sources: [`${source}_blocks`, `${source}_scales`] },
    sourceShape: [experts, rowOf ? 2 * rows : rows, columns],
  };
}
