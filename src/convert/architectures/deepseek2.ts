/** deepseek2: DeepSeek-V2 and V3; checkpoints call it deepseek_v2 or deepseek_v3. The file has W_UK and W_UV apart. */
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
import { type Config, said } from "../folder.ts";
import { latentTensors, readLatent } from "../latent.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import { readRope, refusePartial, ropeObject } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";

/** What a file calls the functions that make gates of scores. */
const GATES: Readonly<Record<string, number>> = { softmax: 1, sigmoid: 2 };

interface Experts {
  readonly count: number;
  readonly width: number;
  readonly shared: number;
  readonly biased: boolean;
  readonly keys: readonly GgufEntry[];
}

export function planDeepseek2(config: Config, checkpoint: Checkpoint): Plan {
  requireActivation(config, "silu");
  refusePartial(config);
  config.refuse("attention_bias");
  config.refuse("moe_layer_freq", 1);
  if (config.get("rope_interleave") === false) throw config.wrong("rope_interleave is false", "UNSUPPORTED");
  const decoder = readDecoder(config, checkpoint, ["num_experts"]);
  const { layers, hidden, vocabulary, prefix } = decoder;
  const sizes = readLatent(config, decoder);
  const { nope, rope: turned, value, rank, queryRank } = sizes;
  const ffn = config.size("intermediate_size");
  const experts = config.get("n_routed_experts") ? readExperts(config) : undefined;
  const dense = experts ? Number(config.get("first_k_dense_replace") ?? 0) : layers;
  const own: GgufEntry[] = [
    ["leading_dense_block_count", "u32", dense],
    ["vocab_size", "u32", vocabulary],
    ...(queryRank ? ([["attention.q_lora_rank", "u32", queryRank]] as GgufEntry[]) : []),
    ["attention.kv_lora_rank", "u32", rank],
    ["attention.key_length", "u32", rank + turned],
    ["attention.value_length", "u32", rank],
    ["attention.key_length_mla", "u32", nope + turned],
    ["attention.value_length_mla", "u32", value],
    // llama.cpp asks for both of any such file.
    ["expert_feed_forward_length", "u32", experts?.width ?? ffn],
    ["expert_shared_count", "u32", experts?.shared ?? 0],
    ...(experts?.keys ?? []),
    ["rope.dimension_count", "u32", turned],
  ];
  const { keys, multiplier } = scaling(config, turned);
  const epsilon: GgufEntry = ["attention.layer_norm_rms_epsilon", "f32", config.number("rms_norm_eps", 1e-6)];
  const tensors: PlannedTensor[] = [embedding(decoder)];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}layers.${layer}.`];
    tensors.push(
      ...latentTensors(sizes, to, from, true),
      vector(`${to}ffn_norm.weight`, `${from}post_attention_layernorm.weight`, hidden),
      ...(experts && layer >= dense
        ? mixture(experts, to, from, hidden)
        : gated(`${to}ffn_#.weight`, `${from}mlp`, hidden, ffn)),
    );
  }
  return {
    architecture: "deepseek2",
    vocabulary,
    // A row of latents serves all heads.
    metadata: [...commonKeys("deepseek2", decoder, config, 1), ...named("deepseek2", [...keys, epsilon])],
    ownMetadata: named("deepseek2", [...own, ...multiplier]),
    tensors: [...tensors, ...endTensors(decoder, config)],
  };
}

function readExperts(config: Config): Experts {
  const gate = String(
    config.get("scoring_func") ?? (config.get("model_type") === "deepseek_v3" ? "sigmoid" : "softmax"),
  );
  const groups = config.size("n_group", 1);
  const factor = config.number("routed_scaling_factor", 1);
  const normalised = Boolean(config.get("norm_topk_prob"));
  if (!Object.hasOwn(GATES, gate)) throw config.wrong(`scoring_func is ${said(gate)}`, "UNSUPPORTED");
  if (groups > 1 && gate === "softmax") {
    throw config.wrong("n_group is above 1 with softmax, whose groups count by their best expert alone", "UNSUPPORTED");
  }
  // V2's own code scales those weights alone that it does not bring to the sum of 1.
  if (gate === "softmax" && normalised && factor !== 1) {
    throw config.wrong("routed_scaling_factor and norm_topk_prob exclude each other with softmax", "UNSUPPORTED");
  }
  const count = config.size("n_routed_experts");
  const shared = config.get("n_shared_experts") ? config.size("n_shared_experts") : 0;
  return {
    count,
    width: config.size("moe_intermediate_size"),
    shared,
    biased: gate === "sigmoid",
    keys: [
      ["expert_count", "u32", count],
      ["expert_used_count", "u32", config.size("num_experts_per_tok")],
      ["expert_group_count", "u32", groups],
      ["expert_group_used_count", "u32", config.size("topk_group", groups)],
      ["expert_weights_scale", "f32", factor],
      ["expert_weights_norm", "bool", normalised],
      ["expert_gating_func", "u32", GATES[gate]],
    ],
  };
}

/** YaRN's gain: a file says by one number that it counts in the scores, and not in cosines and sines. */
function scaling(config: Config, turned: number): { keys: readonly GgufEntry[]; multiplier: GgufEntry[] } {
  const given = ropeObject(config);
  const { mscale, mscale_all_dim: all } = given;
  if (!all) return { keys: readRope(config, turned, { given: { ...given, mscale: undefined } }).keys, multiplier: [] };
  if (mscale !== all || given["attention_factor"]) {
    const words = `mscale ${mscale} and mscale_all_dim ${all} of rope_scaling are not one number, or stand beside`;
    throw config.wrong(`${words} attention_factor: no file says that`, "UNSUPPORTED");
  }
  const { keys } = readRope(config, turned, { given: { ...given, mscale: undefined, mscale_all_dim: undefined } });
  return { keys, multiplier: [["rope.scaling.yarn_log_multiplier", "f32", 0.1 * Number(all)]] };
}

function mixture(experts: Experts, to: string, from: string, hidden: number): PlannedTensor[] {
  const { count, width, shared, biased } = experts;
  const parts = [
    ["gate", hidden, width],
    ["up", hidden, width],
    ["down", width, hidden],
  ] as const;
  const bias = vector(`${to}exp_probs_b.bias`, `${from}mlp.gate.e_score_correction_bias`, count);
  return [
    router(`${to}ffn_gate_inp.weight`, `${from}mlp.gate.weight`, hidden, count),
    ...(biased ? [bias] : []),
    ...parts.map(([name, columns, rows]) =>
      expertMatrix(`${to}ffn_${name}_exps.weight`, `${from}mlp.experts.#.${name}_proj.weight`, columns, rows, count),
    ),
    ...(shared ? gated(`${to}ffn_#_shexp.weight`, `${from}mlp.shared_experts`, hidden, shared * width) : []),
  ];
}

/** The three matrices of a gated network: # stands in the file's names for gate, up and down. */
function gated(name: string, from: string, hidden: number, width: number): PlannedTensor[] {
  const part = (which: string, columns: number, rows: number) =>
    matrix(name.replace("#", which), `${from}.${which}_proj.weight`, columns, rows);
  return [part("gate", hidden, width), part("up", hidden, width), part("down", width, hidden)];
}
