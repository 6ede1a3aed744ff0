/**
 * mu: github.com/microsoft/encoder-decoder-slm. Its state dict as safetensors, beside a config.json with the fields of its
 * MuConfig and "model_type": "mu".
 */
import { countOf, linear, matrix, named, requireHead, vector } from "../decoder.ts";
import type { Config } from "../folder.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

interface Sizes {
  readonly hidden: number;
  readonly width: number;
  readonly keys: number;
  readonly ffn: number;
  /** The row of q in the checkpoint that a row of the file is. */
  readonly rowOf: (row: number) => number;
}

export function planMu(config: Config, checkpoint: Checkpoint): Plan {
  config.refuse("rope_factor", 1);
  const hidden = config.size("n_embd", 1024);
  const heads = config.size("n_head", 6);
  const kvHeads = config.size("n_kv_head", 3);
  const width = config.isNull("qkv_embd") ? hidden : config.size("qkv_embd", 384);
  const head = width / heads;
  if (width % heads || heads % kvHeads) {
    throw config.wrong(`${width} values and ${kvHeads} heads of keys do not divide into n_head, ${heads}`);
  }
  requireHead(config, head);
  const group = heads / kvHeads;
  // Where heads of keys repeat as a whole set, query head j has keys j mod n_kv_head; files have them side by side.
  const isInterleaved = config.get("is_interleaved") === true;
  const rowOf = (row: number) => {
    const place = Math.floor(row / head);
    return ((place % group) * kvHeads + Math.floor(place / group)) * head + (row % head);
  };
  const sizes: Sizes = {
    ...{ hidden, width, keys: kvHeads * head, ffn: config.size("hidden_dim", 4096) },
    rowOf: isInterleaved ? (row) => row : rowOf,
  };
  const own = config.with({
    n_encoder_layer: config.size("n_encoder_layer", 20),
    n_decoder_layer: config.size("n_decoder_layer", 10),
  });
  const [layers, below] = ["n_encoder_layer", "n_decoder_layer"].map((key) => countOf(own, key, checkpoint));
  const vocabulary = config.size("vocab_size", 32128);
  return {
    architecture: "mu",
    vocabulary,
    metadata: named("mu", [
      ["context_length", "u32", config.size("block_size", 1024)],
      ["embedding_length", "u32", hidden],
      ["feed_forward_length", "u32", sizes.ffn],
      ["block_count", "u32", layers],
      ["decoder_block_count", "u32", below],
      ["attention.head_count", "u32", heads],
      ["attention.head_count_kv", "u32", kvHeads],
      ["attention.key_length", "u32", head],
      ["attention.value_length", "u32", head],
      ["attention.layer_norm_rms_epsilon", "f32", 1e-6],
      ["rope.freq_base", "f32", config.number("rope_theta", 10000)],
      ["rope.dimension_count", "u32", head],
      ["decoder_start_token_id", "u32", config.number("bos_token_id", 1)],
    ]),
    ownMetadata: [],
    tensors: [
      matrix("token_embd.weight", "transformer.wte.weight", hidden, vocabulary),
      vector("enc.output_norm.weight", "transformer.ln_e.weight", hidden),
      vector("dec.output_norm.weight", "transformer.ln_f.weight", hidden),
      ...Array.from({ length: layers }, (_, i) =>
        layer(`enc.blk.${i}.`, `transformer.e.${i}.`, ["attn"], sizes),
      ).flat(),
      ...Array.from({ length: below }, (_, i) =>
        layer(`dec.blk.${i}.`, `transformer.h.${i}.`, ["causal_attn", "cross_attn"], sizes),
      ).flat(),
    ],
  };
}

function layer(to: string, from: string, modules: readonly string[], sizes: Sizes): PlannedTensor[] {
  const { hidden, ffn } = sizes;
  return [
    ...modules.flatMap((module, i) => [
      vector(`${to}${i ? "cross_" : ""}attn_norm.weight`, `${from}ln${i + 1}.weight`, hidden),
      ...attention(`${to}${i ? "cross_" : ""}attn_`, `${from}${module}.`, sizes),
    ]),
    vector(`${to}ffn_norm.weight`, `${from}ln${modules.length + 1}.weight`, hidden),
    ...linear(`${to}ffn_up`, `${from}mlp.fc1`, hidden, ffn),
    ...linear(`${to}ffn_down`, `${from}mlp.fc2`, ffn, hidden),
  ];
}

function attention(to: string, from: string, { hidden, width, keys, rowOf }: Sizes): PlannedTensor[] {
  const columns = (value: number) => value - (value % width) + rowOf(value % width);
  return [
    ...linear(`${to}q`, `${from}q_linear`, hidden, width, { rowOf }),
    ...linear(`${to}k`, `${from}k_linear`, hidden, keys),
    ...linear(`${to}v`, `${from}v_linear`, hidden, keys),
    { ...matrix(`${to}o.weight`, `${from}out_linear.weight`, width, hidden), rowOf: columns, singly: true },
    vector(`${to}o.bias`, `${from}out_linear.bias`, hidden),
  ];
}
