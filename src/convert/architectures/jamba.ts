/** jamba: Mamba with norms, and between its layers some that attend; some have experts. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import {
  commonKeys,
  embedding,
  endTensors,
  expertMatrix,
  matrix,
  named,
  readDecoder,
  requireActivation,
  router,
  vector,
} from "../decoder.ts";
import type { Config } from "../folder.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";
import { mambaMixer, stateKeys } from "../state-space.ts";
import { readMamba } from "./mamba.ts";

export function planJamba(config: Config, checkpoint: Checkpoint): Plan {
  requireActivation(config, "silu");
  config.refuse("mamba_proj_bias");
  const decoder = readDecoder(config, checkpoint, ["num_experts"]);
  const { layers, hidden, heads, vocabulary, prefix } = decoder;
  const kvHeads = config.size("num_key_value_heads", heads);
  const head = config.size("head_dim", hidden / heads);
  const ffn = config.size("intermediate_size");
  const experts = config.size("num_experts", 16);
  const sizes = readMamba(config, hidden, {
    ...{ state: "mamba_d_state", taps: "mamba_d_conv", expand: "mamba_expand", rank: "mamba_dt_rank" },
  });
  const attends = inEvery(config, "attn_layer", 8, 4, layers);
  const isMixture = inEvery(config, "expert_layer", 2, 1, layers).map((is) => is && experts > 1);
  const tensors: PlannedTensor[] = [embedding(decoder)];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}layers.${layer}.`];
    const second = `${from}feed_forward.`;
    tensors.push(
      vector(`${to}attn_norm.weight`, `${from}input_layernorm.weight`, hidden),
      ...(attends[layer]
        ? attention(to, `${from}self_attn.`, hidden, heads * head, kvHeads * head)
        : mambaMixer(to, `${from}mamba.`, sizes, true)),
      vector(`${to}ffn_norm.weight`, `${from}pre_ff_layernorm.weight`, hidden),
      ...(isMixture[layer] ? mixture(to, second, hidden, ffn, experts) : gated(to, second, hidden, ffn)),
    );
  }
  const expertKeys: readonly GgufEntry[] = [
    ["expert_count", "u32", experts],
    ["expert_used_count", "u32", config.size("num_experts_per_tok", 2)],
    ["expert_feed_forward_length", "u32", ffn],
  ];
  return {
    architecture: "jamba",
    vocabulary,
    metadata: [
      ...commonKeys(
        "jamba",
        decoder,
        config,
        attends.map((one) => (one ? kvHeads : 0)),
      ),
      ...named("jamba", [
        ["attention.layer_norm_rms_epsilon", "f32", config.number("rms_norm_eps", 1e-6)],
        ["attention.key_length", "u32", head],
        ["attention.value_length", "u32", head],
        ...stateKeys(sizes),
        ...(experts > 1 ? expertKeys : []),
      ]),
    ],
    ownMetadata: named("jamba", [["vocab_size", "u32", vocabulary]]),
    tensors: [...tensors, ...endTensors(decoder, config, { norm: `${prefix}final_layernorm` })],
  };
}

/** The layers that one of some is, by its period and where it stands in it. */
function inEvery(config: Config, word: string, period: number, offset: number, layers: number): boolean[] {
  const every = config.size(`${word}_period`, period);
  const at = config.number(`${word}_offset`, offset);
  return Array.from({ length: layers }, (_, layer) => layer % every === at);
}

/** Queries, keys, values and their way out, without norms and biases. */
export function attention(to: string, from: string, hidden: number, queries: number, keys: number): PlannedTensor[] {
  return [
    matrix(`${to}attn_q.weight`, `${from}q_proj.weight`, hidden, queries),
    matrix(`${to}attn_k.weight`, `${from}k_proj.weight`, hidden, keys),
    matrix(`${to}attn_v.weight`, `${from}v_proj.weight`, hidden, keys),
    matrix(`${to}attn_output.weight`, `${from}o_proj.weight`, queries, hidden),
  ];
}

function gated(to: string, from: string, hidden: number, ffn: number): PlannedTensor[] {
  return [
    matrix(`${to}ffn_gate.weight`, `${from}gate_proj.weight`, hidden, ffn),
    matrix(`${to}ffn_up.weight`, `${from}up_proj.weight`, hidden, ffn),
    matrix(`${to}ffn_down.weight`, `${from}down_proj.weight`, ffn, hidden),
  ];
}

function mixture(to: string, from: string, hidden: number, ffn: number, experts: number): PlannedTensor[] {
  const matrices = (name: string, source: string, columns: number, rows: number) =>
    expertMatrix(`${to}ffn_${name}_exps.weight`, `${from}experts.#.${source}.weight`, columns, rows, experts);
  return [
    router(`${to}ffn_gate_inp.weight`, `${from}router.weight`, hidden, experts),
    matrices("gate", "gate_proj", hidden, ffn),
    matrices("down", "down_proj", ffn, hidden),
    matrices("up", "up_proj", hidden, ffn),
  ];
}
