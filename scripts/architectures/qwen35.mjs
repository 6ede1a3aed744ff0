/** qwen35: gated delta nets, and in every fourth layer attention with a gate. */
import { FEW_TYPES, groupedKeys, QWEN } from "../architecture-keys.mjs";
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
  peers: ["llama.cpp"],
};
