/** apertus: norms of heads, and xIELU without a gate. */
import { FEW_TYPES, groupedKeys, headConfig, PEERS } from "../architecture-keys.mjs";
import { groupedAttention, xieluFeedForward } from "../random-parts.mjs";

/** Numbers of xIELU of a layer, as floats hold them. */
const XIELU = [
  { alpha_p: 0.5, alpha_n: -0.75, beta: 0.5, eps: -1 / (1 << 20) },
  { alpha_p: -1.25, alpha_n: 1.5, beta: 0.5, eps: -1 / (1 << 20) },
  { alpha_p: 0.25, alpha_n: 0.125, beta: 0.25, eps: -0.0625 },
];

/** @type {import("../architectures.mjs").Architecture} */
export const apertus = {
  models: "Apertus 8B and 70B",
  shapes: {
    "apertus-tiny": {
      ...{ layers: XIELU.length, hidden: 128, heads: 4, kvHeads: 1, headSize: 48, ffn: 320, vocabulary: 512 },
      ...{ context: 1024, theta: 5e5, epsilon: 1e-5, pre: "gpt-2" },
    },
  },
  block(w) {
    groupedAttention(w, { norms: true });
    xieluFeedForward(w);
  },
  keys: groupedKeys,
  plainKeys: () =>
    /** @type {const} */ (["alpha_p", "alpha_n", "beta", "eps"]).map((name) => [
      `xielu.${name}`,
      "f32[]",
      XIELU.map((layer) => layer[name]),
    ]),
  types: FEW_TYPES,
  peers: PEERS,
  checkpoint: {
    config: (key) => ({ ...headConfig(key), hidden_act: "xielu", rope_scaling: { rope_type: "default" } }),
    names: [
      [/^blk\.(\d+)\.attn_norm/, "model.layers.$1.attention_layernorm"],
      [/^blk\.(\d+)\.ffn_norm/, "model.layers.$1.feedforward_layernorm"],
    ],
    scalars: Object.fromEntries(
      XIELU.flatMap((layer, l) =>
        Object.entries(layer).map(([name, value]) => [
          `model.layers.${l}.mlp.act_fn.${name}`,
          name.startsWith("alpha") ? [value] : value,
        ]),
      ),
    ),
  },
};
