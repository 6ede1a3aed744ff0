/** qwen35: gated delta nets, and in every fourth layer attention with a gate. */
import { FEW_TYPES, groupedKeys, headConfig, PEERS, QWEN } from "../architecture-keys.mjs";
import { gatedFeedForward } from "../random-parts.mjs";
import { deltaNet, gatedAttention, stateKeys } from "../recurrent-parts.mjs";

/** @typedef {import("../random-models.mjs").Weights} Weights */
/** @typedef {import("../architectures.mjs").Shape} Shape */

/** More value heads than key heads. */
export const DELTA = {
  ...{ ...QWEN, layers: 4, hidden: 128, heads: 4, kvHeads: 2, headSize: 32, ffn: 192, kvHeadsOf: [0, 0, 0, 2] },
  ...{ taps: 4, inner: 128, stateSize: 32, timeRank: 4, groups: 2, rope: 8 },
};

/** A delta net, or attention. @param {Weights} w @param {{ grouped?: boolean }} [more] */
export function mixer(w, more) {
  if (w.layer % 4 === 3) gatedAttention(w);
  else deltaNet(w, more);
}

/** @param {Weights} w */
export function renameNorm(w) {
  const norm = w.tensors.find(({ name }) => name === `blk.${w.layer}.ffn_norm.weight`);
  if (norm) norm.name = `blk.${w.layer}.post_attention_norm.weight`;
}

/** @param {Shape} shape @returns {import("../vocabulary.mjs").Entry[]} */
export const keys = (shape) => [
  ...groupedKeys(shape).map((entry) =>
    entry[0] === "rope.dimension_count"
      ? /** @type {import("../vocabulary.mjs").Entry} */ ([entry[0], "u32", shape.rope ?? 0])
      : entry,
  ),
  ...stateKeys(shape),
  ["full_attention_interval", "u32", 4],
];

/** What a checkpoint says of delta nets. @type {import("../architectures.mjs").Checkpoint["config"]} */
export const deltaConfig = (key) => ({
  ...headConfig(key),
  linear_num_key_heads: key("ssm.group_count"),
  linear_num_value_heads: key("ssm.time_step_rank"),
  linear_key_head_dim: key("ssm.state_size"),
  linear_value_head_dim: key("ssm.state_size"),
  linear_conv_kernel_dim: key("ssm.conv_kernel"),
  full_attention_interval: key("full_attention_interval"),
  partial_rotary_factor: key("rope.dimension_count") / key("attention.key_length"),
});

/** Names of tensors of delta nets, under the prefix of layers. @param {string} layers */
export const deltaNames = (layers) =>
  /** @type {[RegExp, string][]} */ ([
    [/^blk\.(\d+)\.ssm_conv1d/, `${layers}.$1.linear_attn.conv1d`],
    [/^blk\.(\d+)\.ssm_dt\.bias/, `${layers}.$1.linear_attn.dt_bias`],
    [/^blk\.(\d+)\.ssm_a$/, `${layers}.$1.linear_attn.A_log`],
    [/^blk\.(\d+)\.ssm_norm/, `${layers}.$1.linear_attn.norm`],
    [/^blk\.(\d+)\.ssm_out/, `${layers}.$1.linear_attn.out_proj`],
    [/^blk\.(\d+)\.post_attention_norm/, `${layers}.$1.post_attention_layernorm`],
  ]);

/** Norms whose weights are 1 less in checkpoints: all but those of delta nets. */
export const PLUS_ONE = /(attn_norm|attn_[qk]_norm|post_attention_norm|output_norm)\.weight$/;

/** @type {import("../architectures.mjs").Architecture} */
export const qwen35 = {
  models: "Qwen3.5 0.8B to 27B",
  refuses: "heads that predict more tokens (`nextn_predict_layers`); what sees",
  shapes: { "qwen35-tiny": DELTA },
  block(w) {
    mixer(w);
    gatedFeedForward(w);
    renameNorm(w);
  },
  keys: (shape) => [...keys(shape), ["rope.dimension_sections", "i32[]", [2, 1, 1, 0]]],
  types: FEW_TYPES,
  recurrent: true,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      ...{ ...deltaConfig(key), model_type: "qwen3_5_text", attn_output_gate: true },
      rope_parameters: {
        rope_type: "default",
        rope_theta: key("rope.freq_base"),
        partial_rotary_factor: key("rope.dimension_count") / key("attention.key_length"),
        mrope_section: key("rope.dimension_sections").slice(0, 3),
        mrope_interleaved: true,
      },
    }),
    negatedExp: /ssm_a$/,
    plusOne: PLUS_ONE,
    // The file gives each head of keys a head of values in turn; in the checkpoint those of one head of keys stand together.
    layout(name, key) {
      const size = key("ssm.state_size");
      const [keys, values] = [key("ssm.group_count"), key("ssm.time_step_rank")];
      const [hidden, inner, first] = [key("embedding_length"), values * size, 2 * keys * size];
      const headOf = (/** @type {number} */ head) => {
        const [round, of] = [Math.floor(head / keys), head % keys];
        return of * (values / keys) + round;
      };
      const among =
        (/** @type {number} */ width, before = 0) =>
        (/** @type {number} */ row) =>
          row < before ? row : before + headOf(Math.floor((row - before) / width)) * width + ((row - before) % width);
      if (/attn_qkv/.test(name)) return { shape: [first + inner, hidden], rowOf: among(size, first) };
      if (/attn_gate/.test(name)) return { shape: [inner, hidden], rowOf: among(size) };
      if (/ssm_(alpha|beta)/.test(name)) return { shape: [values, hidden], rowOf: among(1) };
      if (/ssm_(dt\.bias|a)$/.test(name)) return { shape: [values], rowOf: among(1) };
      if (/ssm_conv1d/.test(name)) {
        return { shape: [first + inner, 1, key("ssm.conv_kernel")], rowOf: among(size, first) };
      }
      if (!/ssm_out/.test(name)) return undefined;
      const column = among(size);
      return { shape: [hidden, inner], placeOf: (value) => value - (value % inner) + column(value % inner) };
    },
    names: [
      [/^blk\.(\d+)\.attn_qkv/, "model.layers.$1.linear_attn.in_proj_qkv"],
      [/^blk\.(\d+)\.attn_gate/, "model.layers.$1.linear_attn.in_proj_z"],
      [/^blk\.(\d+)\.ssm_beta/, "model.layers.$1.linear_attn.in_proj_b"],
      [/^blk\.(\d+)\.ssm_alpha/, "model.layers.$1.linear_attn.in_proj_a"],
      ...deltaNames("model.layers"),
    ],
  },
};
