/** nomic-bert-moe: every so many layers experts without a gate. */
import { FEW_TYPES } from "../architecture-keys.mjs";
import { attentionBehind, bertLayer, encoderKeys, endTensors, partKeys, TINY } from "../encoder-parts.mjs";
import { layerNorm } from "../random-parts.mjs";

/** @type {import("../encoders.mjs").Encoder} */
export const nomicBertMoe = {
  models: "Nomic Embed v2",
  shapes: {
    "nomic-bert-moe-tiny": {
      ...{ ...TINY, layers: 4, context: 600, theta: 1000, fused: true, parts: 1 },
      ...{ experts: 5, used: 2, every: 2 },
    },
    // llama.cpp wants the first layer without experts.
    "nomic-bert-moe-all": { ...TINY, layers: 2, context: 600, theta: 1000, parts: 2, experts: 3, used: 1, every: 1 },
  },
  variants: { "nomic-bert-moe-all": [] },
  block(w) {
    const { hidden, ffn, experts = 0, every = 1 } = w.shape;
    if (w.layer % every !== 1 % every) return bertLayer(w);
    attentionBehind(w);
    w.add("ffn_gate_inp.weight", [hidden, experts], "F32", 2 * w.unit);
    w.experts("ffn_up_exps.weight", hidden, ffn, w.unit);
    w.experts("ffn_down_exps.weight", ffn, hidden, (2 * w.added) / Math.sqrt(ffn), w.sensitive);
    layerNorm(w, "layer_output_norm");
  },
  ends: endTensors,
  keys: (shape) => [
    ...encoderKeys(shape),
    ["moe_every_n_layers", "u32", shape.every ?? 1],
    ["expert_count", "u32", shape.experts ?? 0],
    ["expert_used_count", "u32", shape.used ?? 0],
  ],
  plainKeys: partKeys,
  types: FEW_TYPES,
  peers: ["llama.cpp"],
};
