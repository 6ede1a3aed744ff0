/** lfm2: LFM2 and LFM2.5, whose layers are convolutions over a few tokens, or attend; `layer_types` says which. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import {
  commonKeys,
  type Decoder,
  embedding,
  endTensors,
  matrix,
  named,
  readDecoder,
  requireHead,
  vector,
} from "../decoder.ts";
import type { Config } from "../folder.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import { readRope } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";

/** A feed-forward network, or experts, of a layer. */
type FeedForward = (layer: number, to: string, from: string) => PlannedTensor[];

export function planLfm2(config: Config, checkpoint: Checkpoint): Plan {
  const ffn = feedForwardWidth(config);
  return planHybrid(
    "lfm2",
    config,
    checkpoint,
    ffn,
    [],
    ({ hidden }) =>
      (_, to, from) =>
        gated(to, from, hidden, ffn),
  );
}

/** The plan of lfm2 and lfm2moe, which differ in their second halves. */
export function planHybrid(
  architecture: string,
  given: Config,
  checkpoint: Checkpoint,
  ffn: number,
  own: readonly GgufEntry[],
  feedForward: (decoder: Decoder) => FeedForward,
): Plan {
  const config = given.with({ intermediate_size: ffn });
  config.refuse("conv_bias");
  config.refuse("sliding_window");
  const decoder = readDecoder(config, checkpoint, ["num_experts", "sliding_window"]);
  const { layers, hidden, heads, vocabulary, prefix } = decoder;
  const head = hidden / heads;
  const kvHeads = config.size("num_key_value_heads", heads);
  const taps = config.size("conv_L_cache", 3);
  requireHead(config, head);
  const attends = layerTypes(config, layers);
  const second = feedForward(decoder);
  const tensors: PlannedTensor[] = [embedding(decoder)];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}layers.${layer}.`];
    tensors.push(
      vector(`${to}attn_norm.weight`, `${from}operator_norm.weight`, hidden),
      ...(attends[layer] ? attention(to, from, hidden, heads, kvHeads) : convolution(to, from, hidden, taps)),
      vector(`${to}ffn_norm.weight`, `${from}ffn_norm.weight`, hidden),
      ...second(layer, to, `${from}feed_forward.`),
    );
  }
  const ends = endTensors(decoder, config, { norm: `${prefix}embedding_norm`, tied: true });
  const { keys } = readRope(config, head, { theta: 1e6 });
  const common = commonKeys(
    architecture,
    decoder,
    config,
    attends.map((one) => (one ? kvHeads : 0)),
  );
  return {
    architecture,
    vocabulary,
    metadata: [
      ...common,
      ...named(architecture, [...keys, ["attention.layer_norm_rms_epsilon", "f32", config.number("norm_eps", 1e-5)]]),
      // What `readRope` does not write: the file's heads are not what its width says where it says another size.
      ...named(architecture, [
        ["attention.key_length", "u32", head] as GgufEntry,
        ["attention.value_length", "u32", head],
      ]),
    ],
    ownMetadata: named(architecture, [["vocab_size", "u32", vocabulary], ["shortconv.l_cache", "u32", taps], ...own]),
    tensors: [
      ...tensors,
      ...ends.map((end) => ({ ...end, name: end.name.replace(/^output_norm/, "token_embd_norm") })),
    ],
  };
}

/** Of each layer whether it attends. */
function layerTypes(config: Config, layers: number): boolean[] {
  const indices = config.get("full_attn_idxs");
  const types =
    config.get("layer_types") ??
    (Array.isArray(indices)
      ? Array.from({ length: layers }, (_, i) => (indices.includes(i) ? "full_attention" : "conv"))
      : undefined);
  const known = Array.isArray(types) && types.every((type) => type === "full_attention" || type === "conv");
  if (known && types.length === layers) return types.map((type) => type === "full_attention");
  throw config.wrong('layer_types is no list of "conv" and "full_attention", one for each layer');
}

/** The width of the checkpoint's feed-forward network: two thirds of what it says, up to a whole multiple. */
function feedForwardWidth(config: Config): number {
  const width =
    config.get("block_ff_dim") === undefined ? config.size("intermediate_size") : config.size("block_ff_dim");
  if (config.get("block_auto_adjust_ff_dim") === false) return width;
  const multiple = config.size("block_multiple_of", 256);
  const wanted = Math.floor(config.number("block_ffn_dim_multiplier", 1) * Math.floor((2 * width) / 3));
  return multiple * Math.ceil(wanted / multiple);
}

function attention(to: string, from: string, hidden: number, heads: number, kvHeads: number): PlannedTensor[] {
  const own = `${from}self_attn.`;
  const head = hidden / heads;
  return [
    matrix(`${to}attn_q.weight`, `${own}q_proj.weight`, hidden, hidden),
    matrix(`${to}attn_k.weight`, `${own}k_proj.weight`, hidden, kvHeads * head),
    matrix(`${to}attn_v.weight`, `${own}v_proj.weight`, hidden, kvHeads * head),
    matrix(`${to}attn_output.weight`, `${own}out_proj.weight`, hidden, hidden),
    vector(`${to}attn_q_norm.weight`, `${own}q_layernorm.weight`, head),
    vector(`${to}attn_k_norm.weight`, `${own}k_layernorm.weight`, head),
  ];
}

function convolution(to: string, from: string, hidden: number, taps: number): PlannedTensor[] {
  const own = `${from}conv.`;
  const weight = { ...vector(`${to}shortconv.conv.weight`, `${own}conv.weight`, 0), shape: [taps, hidden] };
  return [
    matrix(`${to}shortconv.in_proj.weight`, `${own}in_proj.weight`, hidden, 3 * hidden),
    { ...weight, sourceShape: [hidden, 1, taps] },
    matrix(`${to}shortconv.out_proj.weight`, `${own}out_proj.weight`, hidden, hidden),
  ];
}

/** SwiGLU, whose matrices are called w1, w3 and w2. */
export function gated(to: string, from: string, hidden: number, ffn: number): PlannedTensor[] {
  return [
    matrix(`${to}ffn_gate.weight`, `${from}w1.weight`, hidden, ffn),
    matrix(`${to}ffn_up.weight`, `${from}w3.weight`, hidden, ffn),
    matrix(`${to}ffn_down.weight`, `${from}w2.weight`, ffn, hidden),
  ];
}
