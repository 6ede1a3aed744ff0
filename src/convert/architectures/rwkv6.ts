/** rwkv6: checkpoints of RWKV-6 in the layout of its makers' own code for transformers. */
import { countOf, layerNorm, matrix, named, vector } from "../decoder.ts";
import type { Config } from "../folder.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";
import { ENDLESS } from "./mamba2.ts";

/** What is mixed with the token before, in the order of the file. */
const MIXED = ["w", "k", "v", "r", "g"];

export function planRwkv6(config: Config, checkpoint: Checkpoint): Plan {
  config.refuse("quantization_config");
  config.refuse("tie_word_embeddings");
  const hidden = config.size("hidden_size");
  const attention = config.size("attention_hidden_size", hidden);
  if (attention !== hidden) throw config.wrong(`attention_hidden_size is ${attention}, not ${hidden}`, "UNSUPPORTED");
  const head = config.size("head_size", 64);
  if (hidden % head) throw config.wrong(`head_size ${head} does not divide hidden_size ${hidden}`);
  const layers = countOf(config, "num_hidden_layers", checkpoint);
  const vocabulary = config.size("vocab_size");
  const usual = 32 * Math.floor((hidden * 3.5) / 32);
  const ffn = config.get("intermediate_size") === undefined ? usual : config.size("intermediate_size");
  const extra = rankOf(checkpoint, "time_maa_w1") / MIXED.length;
  const decay = rankOf(checkpoint, "time_decay_w1");
  const rescale = config.number("rescale_every", 6);
  if (!Number.isInteger(rescale) || rescale < 0) throw config.wrong(`rescale_every is ${rescale}`);
  const tensors: PlannedTensor[] = [
    matrix("token_embd.weight", "rwkv.embeddings.weight", hidden, vocabulary),
    ...layerNorm("token_embd_norm", "rwkv.blocks.0.pre_ln", hidden),
  ];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `rwkv.blocks.${layer}.`];
    const [time, channel] = [`${from}attention.`, `${from}feed_forward.`];
    // What halves the stream every few layers has these products halved before.
    const halvings = rescale ? 2 ** -Math.floor(layer / rescale) : 1;
    const halved = (planned: PlannedTensor): PlannedTensor => ({ ...planned, times: () => halvings });
    const mix = (name: string) => `${to}time_mix_${name}.weight`;
    const lerp = (name: string, source: string): PlannedTensor => ({
      ...vector(name, source, 0),
      shape: [hidden, 1, 1],
      sourceShape: [1, 1, hidden],
    });
    const turned = (name: string, source: string, columns: number, rows: number): PlannedTensor => ({
      ...matrix(mix(name), `${time}${source}`, columns, rows),
      transposed: true,
    });
    tensors.push(
      ...layerNorm(`${to}attn_norm`, `${from}ln1`, hidden),
      ...layerNorm(`${to}attn_norm_2`, `${from}ln2`, hidden),
      lerp(mix("lerp_x"), `${time}time_maa_x`),
      {
        ...vector(mix("lerp_fused"), "", 0),
        shape: [hidden, 1, 1, MIXED.length],
        sources: MIXED.map((name) => `${time}time_maa_${name}`),
        sourceShape: [1, 1, hidden],
      },
      turned("w1", "time_maa_w1", hidden, MIXED.length * extra),
      {
        ...turned("w2", "time_maa_w2", extra, hidden),
        shape: [extra, hidden, MIXED.length],
        sourceShape: [MIXED.length, extra, hidden],
      },
      { ...matrix(mix("first"), `${time}time_faaaa`, head, hidden / head), kind: "floats" },
      { ...vector(mix("decay"), `${time}time_decay`, hidden), sourceShape: [1, 1, hidden] },
      turned("decay_w1", "time_decay_w1", hidden, decay),
      turned("decay_w2", "time_decay_w2", decay, hidden),
      ...["receptance", "key", "value", "gate"].map((name) =>
        matrix(mix(name), `${time}${name}.weight`, hidden, hidden),
      ),
      halved(matrix(mix("output"), `${time}output.weight`, hidden, hidden)),
      ...layerNorm(`${to}time_mix_ln`, `${time}ln_x`, hidden),
      lerp(`${to}channel_mix_lerp_k.weight`, `${channel}time_maa_k`),
      lerp(`${to}channel_mix_lerp_r.weight`, `${channel}time_maa_r`),
      matrix(`${to}channel_mix_key.weight`, `${channel}key.weight`, hidden, ffn),
      halved(matrix(`${to}channel_mix_value.weight`, `${channel}value.weight`, ffn, hidden)),
      matrix(`${to}channel_mix_receptance.weight`, `${channel}receptance.weight`, hidden, hidden),
    );
  }
  return {
    architecture: "rwkv6",
    vocabulary,
    metadata: named("rwkv6", [
      ["context_length", "u32", config.size("max_position_embeddings", ENDLESS)],
      ["embedding_length", "u32", hidden],
      ["block_count", "u32", layers],
      ["attention.layer_norm_epsilon", "f32", config.number("layer_norm_epsilon", 1e-5)],
      ["rescale_every_n_layers", "u32", rescale],
      ["wkv.head_size", "u32", head],
      ["time_mix_extra_dim", "u32", extra],
      ["time_decay_extra_dim", "u32", decay],
      ["feed_forward_length", "u32", ffn],
      ["attention.head_count", "u32", 0],
      ["token_shift_count", "u32", 2],
    ]),
    ownMetadata: [],
    tensors: [
      ...tensors,
      ...layerNorm("output_norm", "rwkv.ln_out", hidden),
      matrix("output.weight", "head.weight", hidden, vocabulary),
    ],
  };
}

/** The columns of a matrix of the first layer, which no config says. */
function rankOf({ tensors }: Checkpoint, name: string): number {
  return tensors.get(`rwkv.blocks.0.attention.${name}`)?.shape.at(-1) ?? 1;
}
