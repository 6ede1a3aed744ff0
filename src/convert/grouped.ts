/** Decoders with heads in groups and SwiGLU: llama, and those that differ from it by what `Grouped` has. */
import type { GgufEntry } from "../load/gguf-entries.ts";
import {
  commonKeys,
  type Decoder,
  embedding,
  endTensors,
  matrix,
  readDecoder,
  requireActivation,
  requireHead,
  vector,
} from "./decoder.ts";
import type { Config } from "./folder.ts";
import type { Plan, PlannedTensor } from "./plan.ts";
import { readScaling, refusePartial, ropeTheta } from "./rope.ts";
import type { Checkpoint } from "./safetensors.ts";

/** What such a decoder has beside what all of them have. */
export interface Grouped {
  /** RoPE turns halves in the checkpoint, and pairs in the file. */
  readonly paired?: boolean;
  /** Queries and keys are normed head by head. */
  readonly headNorms?: boolean;
  /** Keys that the others do not write. */
  readonly ownMetadata?: (decoder: Decoder, head: number) => GgufEntry[];
}

/** The plan of such a decoder. */
export function planGrouped(
  architecture: string,
  config: Config,
  checkpoint: Checkpoint,
  { paired = false, headNorms = false, ownMetadata = () => [] }: Grouped = {},
): Plan {
  requireActivation(config, "silu");
  refusePartial(config);
  const decoder = readDecoder(config, checkpoint);
  const { layers, hidden, heads, vocabulary, prefix } = decoder;
  const ffn = config.size("intermediate_size");
  const kvHeads = config.size("num_key_value_heads", heads);
  const given = config.get("head_dim") !== undefined;
  const head = config.size("head_dim", hidden / heads);
  requireHead(config, head);
  const scaling = readScaling(config, head);
  const metadata: GgufEntry[] = [
    ...commonKeys(architecture, decoder, config, kvHeads),
    ...scaling.keys.map(([key, type, value]): GgufEntry => [`${architecture}.${key}`, type, value]),
    [`${architecture}.rope.freq_base`, "f32", ropeTheta(config)],
    [`${architecture}.attention.layer_norm_rms_epsilon`, "f32", config.number("rms_norm_eps")],
  ];
  if (given) {
    metadata.push([`${architecture}.attention.key_length`, "u32", head]);
    metadata.push([`${architecture}.attention.value_length`, "u32", head]);
  }
  const tensors: PlannedTensor[] = [embedding(decoder)];
  if (scaling.factors) {
    const shape = [scaling.factors.length];
    tensors.push({ name: "rope_freqs.weight", source: "", shape, kind: "vector", values: scaling.factors });
  }
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}layers.${layer}.`];
    const project = (name: string, source: string, columns: number, rows: number, pairs?: number): PlannedTensor[] => [
      { ...matrix(`${to}${name}.weight`, `${from}self_attn.${source}.weight`, columns, rows), paired: pairs },
      { ...vector(`${to}${name}.bias`, `${from}self_attn.${source}.bias`, rows), paired: pairs, optional: true },
    ];
    tensors.push(
      vector(`${to}attn_norm.weight`, `${from}input_layernorm.weight`, hidden),
      ...project("attn_q", "q_proj", hidden, heads * head, paired ? heads : undefined),
      ...project("attn_k", "k_proj", hidden, kvHeads * head, paired ? kvHeads : undefined),
      ...project("attn_v", "v_proj", hidden, kvHeads * head),
      ...project("attn_output", "o_proj", heads * head, hidden),
    );
    if (headNorms) {
      tensors.push(vector(`${to}attn_q_norm.weight`, `${from}self_attn.q_norm.weight`, head));
      tensors.push(vector(`${to}attn_k_norm.weight`, `${from}self_attn.k_norm.weight`, head));
    }
    tensors.push(
      vector(`${to}ffn_norm.weight`, `${from}post_attention_layernorm.weight`, hidden),
      matrix(`${to}ffn_gate.weight`, `${from}mlp.gate_proj.weight`, hidden, ffn),
      matrix(`${to}ffn_up.weight`, `${from}mlp.up_proj.weight`, hidden, ffn),
      matrix(`${to}ffn_down.weight`, `${from}mlp.down_proj.weight`, ffn, hidden),
    );
  }
  return {
    architecture,
    vocabulary,
    metadata,
    ownMetadata: ownMetadata(decoder, head),
    tensors: [...tensors, ...endTensors(decoder, config)],
  };
}
