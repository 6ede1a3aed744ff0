/** t5 and t5encoder: T5, Flan-T5, mT5, UMT5, and encoders of them that were saved alone. */
import { countOf, matrix, named, vector } from "../decoder.ts";
import { type Config, said } from "../folder.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";

/** Where the embedding may stand, which both stacks share. */
const EMBEDDINGS = ["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"];

/** Copies of it, and a bias of attention across, which nobody ever read. */
const WITHOUT =
  /^(shared|(encoder|decoder)\.embed_tokens|decoder\.block\.\d+\.layer\.1\.EncDecAttention\.relative_attention_bias)\.weight$/;

/** The buckets end there, and no key of a file says where. */
const FARTHEST = 128;

interface Sizes {
  readonly hidden: number;
  readonly width: number;
  readonly heads: number;
  readonly ffn: number;
  readonly buckets: number;
  readonly isGated: boolean;
}

export function planT5(config: Config, checkpoint: Checkpoint): Plan {
  config.refuse("quantization_config");
  config.refuse("relative_attention_max_distance", FARTHEST);
  const forward = config.get("feed_forward_proj") ?? (config.get("model_type") === "t5" ? "relu" : "gated-gelu");
  if (forward !== "relu" && forward !== "gated-gelu") {
    throw config.wrong(`feed_forward_proj is ${said(forward)}, not "relu" or "gated-gelu"`, "UNSUPPORTED");
  }
  const { tensors } = checkpoint;
  const hasDecoder = tensors.has("decoder.final_layer_norm.weight");
  const architecture = hasDecoder ? "t5" : "t5encoder";
  const head = config.size("d_kv");
  const heads = config.size("num_heads");
  const layers = countOf(config, "num_layers", checkpoint);
  const below =
    config.get("num_decoder_layers") === undefined ? layers : countOf(config, "num_decoder_layers", checkpoint);
  const vocabulary = config.size("vocab_size");
  const sizes: Sizes = {
    hidden: config.size("d_model"),
    width: heads * head,
    heads,
    ffn: config.size("d_ff"),
    buckets: config.size("relative_attention_num_buckets", 32),
    isGated: forward === "gated-gelu",
  };
  const { hidden, ffn } = sizes;
  // The first models take their embedding for a head, behind a scale that files say by having neither head nor gate.
  const isTied = config.get("tie_word_embeddings") !== false;
  if (hasDecoder && isTied && sizes.isGated) {
    const words = "tie_word_embeddings is not false, and feed_forward_proj is gated-gelu: no file says their scale";
    throw config.wrong(words, "UNSUPPORTED");
  }
  const epsilon = config.number("layer_norm_epsilon", 1e-6);
  const metadata = named(architecture, [
    ["context_length", "u32", config.size("n_positions", 512)],
    ["embedding_length", "u32", hidden],
    ["feed_forward_length", "u32", ffn],
    ["block_count", "u32", layers],
    ...(hasDecoder ? ([["decoder_block_count", "u32", below]] as const) : []),
    ["attention.head_count", "u32", heads],
    ["attention.key_length", "u32", head],
    ["attention.value_length", "u32", head],
    ["attention.layer_norm_epsilon", "f32", epsilon],
    ["attention.relative_buckets_count", "u32", sizes.buckets],
    ["attention.layer_norm_rms_epsilon", "f32", epsilon],
    ...(hasDecoder
      ? ([
          ["decoder_start_token_id", "u32", config.number("decoder_start_token_id", config.number("pad_token_id", 0))],
        ] as const)
      : []),
  ]);
  const embedding = EMBEDDINGS.find((name) => tensors.has(name)) ?? EMBEDDINGS[0];
  return {
    architecture,
    vocabulary,
    metadata,
    ownMetadata: [],
    tensors: [
      matrix("token_embd.weight", embedding, hidden, vocabulary),
      ...(hasDecoder && !isTied ? [matrix("output.weight", "lm_head.weight", hidden, vocabulary)] : []),
      ...stack("enc", "encoder", layers, sizes),
      ...(hasDecoder ? stack("dec", "decoder", below, sizes) : []),
    ],
    without: WITHOUT,
  };
}

function stack(to: "enc" | "dec", from: string, layers: number, sizes: Sizes): PlannedTensor[] {
  const { hidden, ffn, heads, buckets, isGated } = sizes;
  const tensors = [vector(`${to}.output_norm.weight`, `${from}.final_layer_norm.weight`, hidden)];
  for (let i = 0; i < layers; i++) {
    const [name, block] = [`${to}.blk.${i}.`, `${from}.block.${i}.layer.`];
    const last = `${block}${to === "enc" ? 1 : 2}.`;
    const dense = `${last}DenseReluDense.`;
    tensors.push(
      ...attention(`${name}attn_`, `${block}0.`, "SelfAttention", sizes),
      {
        ...matrix(`${name}attn_rel_b.weight`, `${block}0.SelfAttention.relative_attention_bias.weight`, heads, buckets),
        ...{ kind: "floats", optional: i > 0 },
      },
      ...(to === "dec" ? attention(`${name}cross_attn_`, `${block}1.`, "EncDecAttention", sizes) : []),
      vector(`${name}ffn_norm.weight`, `${last}layer_norm.weight`, hidden),
      ...(isGated ? [matrix(`${name}ffn_gate.weight`, `${dense}wi_0.weight`, hidden, ffn)] : []),
      matrix(`${name}ffn_up.weight`, `${dense}${isGated ? "wi_1" : "wi"}.weight`, hidden, ffn),
      matrix(`${name}ffn_down.weight`, `${dense}wo.weight`, ffn, hidden),
    );
  }
  return tensors;
}

function attention(to: string, from: string, module: string, { hidden, width }: Sizes): PlannedTensor[] {
  const part = (name: string, columns: number, rows: number) =>
    matrix(`${to}${name}.weight`, `${from}${module}.${name}.weight`, columns, rows);
  return [
    vector(`${to}norm.weight`, `${from}layer_norm.weight`, hidden),
    ...["q", "k", "v"].map((name) => part(name, hidden, width)),
    part("o", width, hidden),
  ];
}
