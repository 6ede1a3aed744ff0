/** granitehybrid: granite, most of whose layers are Mamba-2; checkpoints call it granitemoehybrid. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import {
  commonKeys,
  embedding,
  endTensors,
  matrix,
  named,
  readDecoder,
  requireActivation,
  vector,
} from "../decoder.ts";
import type { Config } from "../folder.ts";
import { type Plan, type PlannedTensor, pairedRows } from "../plan.ts";
import { readRope, refusePartial } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";
import { attendingLayers, dualMixer, readDualHeads, stateKeys } from "../state-space.ts";
import { SCALES } from "./granite.ts";
import { halves, mixture } from "./granitemoe.ts";
import { attention } from "./jamba.ts";

export function planGranitehybrid(given: Config, checkpoint: Checkpoint): Plan {
  requireActivation(given, "silu");
  refusePartial(given);
  given.refuse("attention_bias");
  const experts = given.get("num_local_experts") ? given.size("num_local_experts") : 0;
  const shared = given.size("shared_intermediate_size");
  // Without experts the shared one is the feed-forward network.
  const config = experts ? given : given.with({ intermediate_size: shared });
  const claims = ["num_experts", "sliding_window", ...SCALES.map(([key]) => key)];
  const decoder = readDecoder(config, checkpoint, claims);
  const { layers, hidden, heads, vocabulary, prefix } = decoder;
  const kvHeads = config.size("num_key_value_heads", heads);
  const head = hidden / heads;
  const ffn = config.size("intermediate_size");
  const sizes = readDualHeads(config, hidden);
  const attends = attendingLayers(config, layers, "layer_types", "attention", "mamba");
  const turns = config.get("position_embedding_type") === "rope";
  // RoPE turns halves in the checkpoint, and pairs in the file: rows lie so even where nothing turns.
  const paired = (planned: PlannedTensor): PlannedTensor =>
    /attn_[qk]\./.test(planned.name) ? { ...planned, rowOf: pairedRows(head) } : planned;
  const tensors: PlannedTensor[] = [embedding(decoder)];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}layers.${layer}.`];
    const mlp = `${from}shared_mlp.`;
    tensors.push(
      vector(`${to}attn_norm.weight`, `${from}input_layernorm.weight`, hidden),
      ...(attends[layer]
        ? attention(to, `${from}self_attn.`, hidden, hidden, kvHeads * head).map(paired)
        : dualMixer(to, `${from}mamba.`, sizes)),
      vector(`${to}ffn_norm.weight`, `${from}post_attention_layernorm.weight`, hidden),
      ...(experts
        ? mixture(to, from, hidden, ffn, experts, shared)
        : [
            ...halves(`${to}ffn_#.weight`, `${mlp}input_linear.weight`, hidden, ffn, []),
            matrix(`${to}ffn_down.weight`, `${mlp}output_linear.weight`, ffn, hidden),
          ]),
    );
  }
  const own: readonly GgufEntry[] = [
    ["expert_count", "u32", experts],
    ["expert_used_count", "u32", experts && config.size("num_experts_per_tok")],
    ["expert_feed_forward_length", "u32", ffn],
    ["expert_shared_feed_forward_length", "u32", shared],
  ];
  const { keys } = readRope(config, head);
  return {
    architecture: "granitehybrid",
    vocabulary,
    metadata: [
      ...commonKeys(
        "granitehybrid",
        decoder,
        config,
        attends.map((one) => (one ? kvHeads : 0)),
      ),
      ...named("granitehybrid", [
        ...keys,
        ["rope.dimension_count", "u32", head],
        ["rope.scaling.finetuned", "bool", turns],
        ["attention.layer_norm_rms_epsilon", "f32", config.number("rms_norm_eps")],
        ["attention.key_length", "u32", head],
        ["attention.value_length", "u32", head],
        ...stateKeys(sizes),
      ]),
    ],
    ownMetadata: named("granitehybrid", [
      ["vocab_size", "u32", vocabulary],
      ...(experts ? own : []),
      ...SCALES.map(([key, name]): GgufEntry => [name, "f32", config.number(key, 1)]),
    ]),
    tensors: [...tensors, ...endTensors(decoder, config)],
  };
}
