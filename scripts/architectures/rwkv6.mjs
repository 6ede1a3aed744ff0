/** rwkv6: RWKV-6 in every layer. */
import { FEW_TYPES } from "../architecture-keys.mjs";
import { layerNorm } from "../random-parts.mjs";
import { channelMix, ends, keys, RWKV } from "./rwkv7.mjs";

/** Ranks of what a token is mixed by, and of its decay. */
const [EXTRA, DECAY] = [16, 24];

/** @type {import("../architectures.mjs").Architecture} */
export const rwkv6 = {
  models: "RWKV-6 Finch 1.6B to 14B",
  refuses: "Qwen's layers (RWKV6Qwen2)",
  shapes: { "rwkv6-tiny": { ...RWKV, layers: 4, kvHeadsOf: [0, 0, 0, 0] } },
  ends,
  block(w) {
    const { hidden, headSize = 1 } = w.shape;
    layerNorm(w, "attn_norm");
    w.add("time_mix_lerp_x.weight", [hidden, 1, 1], "F32", 0.3, 0.5);
    w.add("time_mix_lerp_fused.weight", [hidden, 1, 1, 5], "F32", 0.3, 0.5);
    w.matrix("time_mix_w1.weight", hidden, 5 * EXTRA, w.unit);
    w.slabs("time_mix_w2.weight", EXTRA, hidden, 5, 0.5 / Math.sqrt(EXTRA));
    w.add("time_mix_first.weight", [headSize, hidden / headSize], "F32", 0.5);
    w.add("time_mix_decay.weight", [hidden], "F32", 0.5, -2);
    w.matrix("time_mix_decay_w1.weight", hidden, DECAY, w.unit);
    w.matrix("time_mix_decay_w2.weight", DECAY, hidden, 0.5 / Math.sqrt(DECAY));
    for (const name of ["receptance", "key", "value", "gate"]) {
      w.matrix(`time_mix_${name}.weight`, hidden, hidden, w.unit);
    }
    w.matrix("time_mix_output.weight", hidden, hidden, 2 * w.added * w.unit);
    w.norm("time_mix_ln.weight", hidden);
    w.add("time_mix_ln.bias", [hidden], "F32", 0.3);
    channelMix(w, true);
  },
  keys: (shape) => [
    ...keys(shape),
    ["time_mix_extra_dim", "u32", EXTRA],
    ["time_decay_extra_dim", "u32", DECAY],
    ["rescale_every_n_layers", "u32", 2],
  ],
  types: FEW_TYPES,
  recurrent: true,
  peers: ["llama.cpp"],
};
