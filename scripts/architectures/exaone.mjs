/** exaone: llama whose heads turn by halves, and whose checkpoints have names of their own. */
import { FEW_TYPES, groupedKeys, LLAMA3 } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const exaone = {
  models: "EXAONE 3.0, EXAONE 3.5 2.4B to 32B",
  // Heads wider than hidden / heads, and one for all keys.
  shapes: {
    "exaone-tiny": {
      ...{ layers: 3, hidden: 128, heads: 4, kvHeads: 1, headSize: 48, ffn: 320, ropeFactors: true },
      ...{ vocabulary: 512, context: 1024, theta: 5e5, epsilon: 1e-5, pre: "gpt-2", tied: true },
    },
  },
  block(w) {
    groupedAttention(w);
    gatedFeedForward(w);
  },
  keys: groupedKeys,
  types: FEW_TYPES,
  // transformers has no class of its own for it.
  peers: ["llama.cpp"],
  checkpoint: {
    config: (key) => ({
      activation_function: "silu",
      head_dim: key("attention.key_length"),
      layer_norm_epsilon: key("attention.layer_norm_rms_epsilon"),
      num_layers: key("block_count"),
      rope_scaling: LLAMA3,
    }),
    names: [
      [/^token_embd/, "transformer.wte"],
      [/^output_norm/, "transformer.ln_f"],
      [/^blk\.(\d+)\.attn_norm/, "transformer.h.$1.ln_1"],
      [/^blk\.(\d+)\.attn_output/, "transformer.h.$1.attn.attention.out_proj"],
      [/^blk\.(\d+)\.attn_(q|k|v)\./, "transformer.h.$1.attn.attention.$2_proj."],
      [/^blk\.(\d+)\.ffn_norm/, "transformer.h.$1.ln_2"],
      [/^blk\.(\d+)\.ffn_gate/, "transformer.h.$1.mlp.c_fc_0"],
      [/^blk\.(\d+)\.ffn_up/, "transformer.h.$1.mlp.c_fc_1"],
      [/^blk\.(\d+)\.ffn_down/, "transformer.h.$1.mlp.c_proj"],
    ],
  },
};
