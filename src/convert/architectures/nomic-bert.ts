/** nomic-bert and jina-bert-v3: flash attention's own BERT, whose layers have words of their own. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import { layerNorm, linear, matrix, named, requireHead } from "../decoder.ts";
import { type Encoder, encoderKeys, partRows, planEncoder, readEncoder, requireOneOf } from "../encoder.ts";
import type { Config } from "../folder.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import { readRope, refusePartial, refuseScaling } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";

/** What such a checkpoint may ask for and no file says, with the values that do nothing. */
const REFUSED: readonly (readonly [key: string, ...neutral: unknown[]])[] = [
  ["causal"],
  ["num_experts", 0],
  ["parallel_block"],
  ["prenorm"],
  ["rotary_emb_fraction", 1],
  ["rotary_emb_interleaved"],
  ["rotary_emb_scale_base"],
  ["rotary_scaling_factor"],
  ["use_rms_norm"],
];

/** The names that configs of the makers' own code have for what BERT's call otherwise. */
const NAMES = {
  num_hidden_layers: "n_layer",
  num_attention_heads: "n_head",
  hidden_size: "n_embd",
  intermediate_size: "n_inner",
  max_position_embeddings: "n_positions",
  layer_norm_eps: "layer_norm_epsilon",
  rope_theta: "rotary_emb_base",
} as const;

const WORDS = "embeddings.word_embeddings.weight";
const WITHOUT = /(^|\.)(pooler\.|cls\.predictions\.|lm_head\.)/;

export function planNomicBert(given: Config, checkpoint: Checkpoint): Plan {
  const own = Object.entries(NAMES).map(([key, name]) => [key, given.get(key) ?? given.get(name)]);
  const config = given.with(Object.fromEntries(own));
  requireOneOf(config, config.get("activation_function") === undefined ? "hidden_act" : "activation_function", [
    "silu",
    "swiglu",
  ]);
  return planFlash("nomic-bert", config, checkpoint, "attn", 1000, [
    ["ffn_up", "fc11"],
    ["ffn_gate", "fc12"],
    ["ffn_down", "fc2"],
  ]);
}

export function planJinaBertV3(config: Config, checkpoint: Checkpoint): Plan {
  requireOneOf(config, "hidden_act", ["gelu"]);
  return planFlash("jina-bert-v3", config, checkpoint, "mixer", 20000, [
    ["ffn_up", "fc1"],
    ["ffn_down", "fc2"],
  ]);
}

function planFlash(
  architecture: string,
  config: Config,
  checkpoint: Checkpoint,
  attention: string,
  theta: number,
  network: readonly (readonly [name: string, source: string])[],
): Plan {
  for (const [key, ...neutral] of REFUSED) config.refuse(key, ...neutral);
  refusePartial(config);
  refuseScaling(config);
  const encoder: Encoder = readEncoder(architecture, config, checkpoint, WORDS, ["", "roberta.", "nomic_bert."]);
  const { prefix, layers, hidden, heads, ffn, vocabulary } = encoder;
  requireHead(config, hidden / heads);
  const parts = partRows(config, encoder, `${prefix}embeddings.token_type_embeddings.weight`);
  const rope = readRope(config, hidden / heads, { theta });
  const tensors: PlannedTensor[] = [
    matrix("token_embd.weight", `${prefix}${WORDS}`, hidden, vocabulary),
    ...parts.tensors,
    ...layerNorm("token_embd_norm", `${prefix}emb_ln`, hidden),
  ];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}encoder.layers.${layer}.`];
    const optional = (name: string, source: string, columns: number, rows: number) =>
      linear(`${to}${name}`, `${from}${source}`, columns, rows, { optional: true }).map((planned) =>
        planned.name.endsWith(".weight") ? { ...planned, optional: false } : planned,
      );
    tensors.push(
      ...optional("attn_qkv", `${attention}.Wqkv`, hidden, 3 * hidden),
      ...optional("attn_output", `${attention}.out_proj`, hidden, hidden),
      ...layerNorm(`${to}attn_output_norm`, `${from}norm1`, hidden),
      ...network.flatMap(([name, source]) =>
        optional(name, `mlp.${source}`, ...(name === "ffn_down" ? ([ffn, hidden] as const) : ([hidden, ffn] as const))),
      ),
      ...layerNorm(`${to}layer_output_norm`, `${from}norm2`, hidden),
    );
  }
  const keys: GgufEntry[] = [
    ...encoderKeys(encoder, config.number("layer_norm_eps", architecture === "nomic-bert" ? 1e-12 : 1e-5)),
    ...named(architecture, rope.keys),
    ...parts.keys,
  ];
  return planEncoder(encoder, keys, tensors, WITHOUT);
}
