/** internlm2: llama under another name, and with other names in its checkpoints. */
import { FEW_TYPES, groupedKeys, headConfig } from "../architecture-keys.mjs";
import { gatedFeedForward, groupedAttention } from "../random-parts.mjs";

/** @type {import("../architectures.mjs").Architecture} */
export const internlm2 = {
  models: "InternLM 2 and 2.5, 1.8B to 20B",
  // llama.cpp knows no heads of another width than hidden / heads.
  shapes: {
    "internlm2-tiny": {
      ...{ layers: 3, hidden: 128, heads: 8, kvHeads: 2, ffn: 320 },
      ...{ vocabulary: 512, context: 1024, theta: 1e6, epsilon: 1e-5, pre: "gpt-2" },
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
    config: (key) => ({ ...headConfig(key), bias: false }),
    names: [
      [/^token_embd/, "model.tok_embeddings"],
      [/^output\./, "output."],
      [/^blk\.(\d+)\.attn_norm/, "model.layers.$1.attention_norm"],
      [/^blk\.(\d+)\.attn_(q|k|v)\./, "model.layers.$1.attention.wqkv."],
      [/^blk\.(\d+)\.attn_output/, "model.layers.$1.attention.wo"],
      [/^blk\.(\d+)\.ffn_norm/, "model.layers.$1.ffn_norm"],
      [/^blk\.(\d+)\.ffn_gate/, "model.layers.$1.feed_forward.w1"],
      [/^blk\.(\d+)\.ffn_down/, "model.layers.$1.feed_forward.w2"],
      [/^blk\.(\d+)\.ffn_up/, "model.layers.$1.feed_forward.w3"],
    ],
    // Each key's queries, the key, its value; values i and i + n/2 of a head turn.
    layout(name, key) {
      const part = /attn_(q|k|v)\./.exec(name)?.[1];
      if (!part) return undefined;
      const [heads, kvHeads] = [key("attention.head_count"), key("attention.head_count_kv")];
      const [head, perKey] = [key("attention.key_length"), heads / kvHeads];
      const stride = (perKey + 2) * head;
      return {
        shape: [kvHeads * stride, key("embedding_length")],
        rowOf(row) {
          const [number, place] = [Math.floor(row / head), row % head];
          const turned = part === "v" ? place : Math.floor(place / 2) + (place % 2) * (head / 2);
          if (part !== "q") return number * stride + (part === "k" ? perKey : perKey + 1) * head + turned;
          return Math.floor(number / perKey) * stride + (number % perKey) * head + turned;
        },
      };
    },
  },
};
