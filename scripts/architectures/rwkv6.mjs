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
  checkpoint: {
    config: (key) => ({
      head_size: key("wkv.head_size"),
      attention_hidden_size: key("embedding_length"),
      layer_norm_epsilon: key("attention.layer_norm_epsilon"),
      rescale_every: key("rescale_every_n_layers"),
    }),
    // Two rows of ranks are their columns there; vectors have two dimensions of one before theirs.
    transposed: /time_mix_(w1|decay_w1|decay_w2)/,
    times(name, key) {
      const [, layer] = /^blk\.(\d+)\.(?:time_mix_output|channel_mix_value)/.exec(name) ?? [];
      const halvings = Math.floor(Number(layer) / key("rescale_every_n_layers"));
      return layer === undefined ? undefined : () => 2 ** -halvings;
    },
    layout(name, key) {
      const hidden = key("embedding_length");
      const placeOf = (/** @type {number} */ value) => value;
      if (/lerp_fused/.test(name)) return undefined;
      if (/lerp|time_mix_decay\.weight/.test(name)) return { shape: [1, 1, hidden], placeOf };
      if (!/time_mix_w2/.test(name)) return undefined;
      const size = EXTRA * hidden;
      // [5, rank, hidden] for [5, hidden, rank].
      return {
        shape: [5, EXTRA, hidden],
        placeOf: (value) => value - (value % size) + (value % EXTRA) * hidden + Math.floor((value % size) / EXTRA),
      };
    },
    letters: "wkvrg",
    names: [
      [/^token_embd_norm/, "rwkv.blocks.0.pre_ln"],
      [/^token_embd/, "rwkv.embeddings"],
      [/^output_norm/, "rwkv.ln_out"],
      [/^output/, "head"],
      [/^blk\.(\d+)\.attn_norm_2/, "rwkv.blocks.$1.ln2"],
      [/^blk\.(\d+)\.attn_norm/, "rwkv.blocks.$1.ln1"],
      [/^blk\.(\d+)\.time_mix_lerp_fused\.weight/, "rwkv.blocks.$1.attention.time_maa_#"],
      [/^blk\.(\d+)\.time_mix_lerp_x\.weight/, "rwkv.blocks.$1.attention.time_maa_x"],
      [/^blk\.(\d+)\.time_mix_(w1|w2)\.weight/, "rwkv.blocks.$1.attention.time_maa_$2"],
      [/^blk\.(\d+)\.time_mix_first\.weight/, "rwkv.blocks.$1.attention.time_faaaa"],
      [/^blk\.(\d+)\.time_mix_(decay(?:_w[12])?)\.weight/, "rwkv.blocks.$1.attention.time_$2"],
      [/^blk\.(\d+)\.time_mix_ln/, "rwkv.blocks.$1.attention.ln_x"],
      [/^blk\.(\d+)\.time_mix_(receptance|key|value|gate|output)/, "rwkv.blocks.$1.attention.$2"],
      [/^blk\.(\d+)\.channel_mix_lerp_(k|r)\.weight/, "rwkv.blocks.$1.feed_forward.time_maa_$2"],
      [/^blk\.(\d+)\.channel_mix_(key|value|receptance)/, "rwkv.blocks.$1.feed_forward.$2"],
    ],
  },
};
