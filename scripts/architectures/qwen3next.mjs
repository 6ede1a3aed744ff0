/** qwen3next: qwen35 with experts, and a shared one behind a gate. */
import { expertKeys, FEW_TYPES } from "../architecture-keys.mjs";
import { gatedExperts, sharedExpert } from "../random-parts.mjs";
import { DELTA, keys, mixer, renameNorm } from "./qwen35.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const qwen3next = {
  models: "Qwen3-Next-80B-A3B, Qwen3-Coder-Next",
  refuses: "heads that predict more tokens (`nextn_predict_layers`)",
  shapes: {
    "qwen3next-tiny": { ...DELTA, tied: false, experts: 6, used: 2, expertWidth: 96, sharedWidth: 64 },
  },
  block(w) {
    mixer(w, { grouped: true });
    gatedExperts(w);
    renameNorm(w);
    w.add("ffn_gate_inp_shexp.weight", [w.shape.hidden], "F32", w.unit);
    sharedExpert(w);
  },
  keys: (shape) => [
    ...keys(shape),
    ...expertKeys(shape),
    ["expert_shared_feed_forward_length", "u32", shape.sharedWidth ?? 0],
  ],
  types: FEW_TYPES,
  recurrent: true,
  peers: ["llama.cpp"],
};
