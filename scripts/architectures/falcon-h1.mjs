/** falcon-h1: attention and Mamba-2 side by side in every layer. */
import { FEW_TYPES, groupedKeys, headConfig, PEERS } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";
import { dualConfig, dualMixer, dualStep, mixerLayout, mixerNames, stateKeys } from "../recurrent-parts.mjs";

/** What the checkpoint multiplies by: powers of 2, so that weights lose no bit on their way there and back. */
const TIMES = { embedding: 2, head: 0.25, key: 0.5, before: 2, behind: 0.5, into: 4, out: 0.125, gate: 0.5, down: 2 };
const ZONES = [0.5, 2, 0.25, 4, 1];

/** @type {import("../architectures.mjs").Architecture} */
export const falconH1 = {
  models: "Falcon-H1 0.5B to 34B, Falcon-H1-Tiny",
  shapes: {
    "falcon-h1-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, kvHeads: 2, headSize: 32, ffn: 160 },
      ...{ taps: 4, inner: 192, stateSize: 16, timeRank: 6, groups: 1 },
      ...{ vocabulary: 512, context: 1024, theta: 1e6, epsilon: 1e-5, pre: "falcon-h1", tied: false },
    },
  },
  block(w) {
    groupedAttention(w);
    dualMixer(w, { norm: false });
    gatedFeedForward(w);
    // llama.cpp's converter gives this norm no suffix.
    const norm = w.tensors.find(({ name }) => name === `blk.${w.layer}.ffn_norm.weight`);
    if (norm) norm.name = `blk.${w.layer}.ffn_norm`;
  },
  keys: (shape) => [...groupedKeys(shape), ...stateKeys(shape)],
  types: FEW_TYPES,
  recurrent: true,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({
      ...{ ...headConfig(key), ...dualConfig(key), model_type: "falcon_h1" },
      ...{ mamba_rms_norm: true, mamba_norm_before_gate: false, projectors_bias: false },
      embedding_multiplier: TIMES.embedding,
      lm_head_multiplier: TIMES.head,
      key_multiplier: TIMES.key,
      attention_in_multiplier: TIMES.before,
      attention_out_multiplier: TIMES.behind,
      ssm_in_multiplier: TIMES.into,
      ssm_out_multiplier: TIMES.out,
      ssm_multipliers: ZONES,
      mlp_multipliers: [TIMES.gate, TIMES.down],
    }),
    negatedExp: /ssm_a$/,
    layout: mixerLayout,
    // Rows of ssm_in are z, x, B, C and Δ.
    times(name, key) {
      const [inner, state] = [key("ssm.inner_size"), key("ssm.group_count") * key("ssm.state_size")];
      const ends = [inner, 2 * inner, 2 * inner + state, 2 * inner + 2 * state];
      const zone = (/** @type {number} */ row) => ends.reduce((found, end) => found + (row >= end ? 1 : 0), 0);
      if (/ssm_in/.test(name)) return (row) => TIMES.into * ZONES[zone(row)];
      const all = /** @type {[RegExp, number][]} */ ([
        [/^token_embd/, TIMES.embedding],
        [/^output\.weight/, TIMES.head],
        [/attn_k\./, TIMES.before * TIMES.key],
        [/attn_[qv]\./, TIMES.before],
        [/attn_output/, TIMES.behind],
        [/ssm_out/, TIMES.out],
        [/ffn_gate/, TIMES.gate],
        [/ffn_down/, TIMES.down],
      ]);
      const [, times] = all.find(([pattern]) => pattern.test(name)) ?? [];
      return times === undefined ? undefined : () => times;
    },
    names: [
      [/^output_norm/, "model.final_layernorm"],
      [/^blk\.(\d+)\.ffn_norm/, "model.layers.$1.pre_ff_layernorm.weight"],
      [/^blk\.(\d+)\.ffn_(gate|up|down)/, "model.layers.$1.feed_forward.$2_proj"],
      ...mixerNames("mamba", "model.layers"),
      dualStep("mamba", "model.layers"),
    ],
  },
};
