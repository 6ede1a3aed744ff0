/** falcon-h1: attention and Mamba-2 side by side; what the config multiplies by goes into the weights. */
import {
  commonKeys,
  embedding,
  endTensors,
  matrix,
  named,
  readDecoder,
  requireActivation,
  requireHead,
  vector,
} from "../decoder.ts";
import type { Config } from "../folder.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import { readRope, refusePartial } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";
import { dualMixer, readDualHeads, stateKeys } from "../state-space.ts";

/** Biases that no file has room for. */
const BIASES = ["attention_bias", "mlp_bias", "projectors_bias"];

export function planFalconH1(config: Config, checkpoint: Checkpoint): Plan {
  requireActivation(config, "silu");
  refusePartial(config);
  for (const key of BIASES) config.refuse(key);
  if (config.get("mamba_rms_norm") === true && config.get("mamba_norm_before_gate") !== false) {
    throw config.wrong("mamba_norm_before_gate is not false: limpet norms behind the gate", "UNSUPPORTED");
  }
  const decoder = readDecoder(config, checkpoint, ["embedding_multiplier"]);
  const { layers, hidden, heads, vocabulary, prefix } = decoder;
  const kvHeads = config.size("num_key_value_heads", heads);
  const head = config.size("head_dim", hidden / heads);
  requireHead(config, head);
  const ffn = config.size("intermediate_size");
  const sizes = readDualHeads(config, hidden);
  const one = (key: string) => config.number(key, 1);
  const [gate, down] = list(config, "mlp_multipliers", 2);
  const zones = list(config, "ssm_multipliers", 5);
  const { inner, state, groups = 1 } = sizes;
  // z, x, B, C and Δ.
  const ends = [inner, 2 * inner, 2 * inner + groups * state, 2 * inner + 2 * groups * state];
  const into = (row: number) => one("ssm_in_multiplier") * zones[ends.filter((end) => row >= end).length];
  const [before, behind] = [one("attention_in_multiplier"), one("attention_out_multiplier")];
  const times = (planned: PlannedTensor, factor: number): PlannedTensor => ({ ...planned, times: () => factor });
  const tensors: PlannedTensor[] = [times(embedding(decoder), one("embedding_multiplier"))];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}layers.${layer}.`];
    const project = (name: string, source: string, columns: number, rows: number, factor: number) =>
      times(matrix(`${to}${name}.weight`, `${from}${source}.weight`, columns, rows), factor);
    tensors.push(
      vector(`${to}attn_norm.weight`, `${from}input_layernorm.weight`, hidden),
      project("attn_q", "self_attn.q_proj", hidden, heads * head, before),
      project("attn_k", "self_attn.k_proj", hidden, kvHeads * head, before * one("key_multiplier")),
      project("attn_v", "self_attn.v_proj", hidden, kvHeads * head, before),
      project("attn_output", "self_attn.o_proj", heads * head, hidden, behind),
      ...dualMixer(to, `${from}mamba.`, sizes, { into, out: one("ssm_out_multiplier") }),
      // llama.cpp's converter gives this norm no suffix.
      vector(`${to}ffn_norm`, `${from}pre_ff_layernorm.weight`, hidden),
      project("ffn_gate", "feed_forward.gate_proj", hidden, ffn, gate),
      project("ffn_up", "feed_forward.up_proj", hidden, ffn, 1),
      project("ffn_down", "feed_forward.down_proj", ffn, hidden, down),
    );
  }
  const output = one("lm_head_multiplier");
  if (config.get("tie_word_embeddings") === true && output !== one("embedding_multiplier")) {
    throw config.wrong("the head is the embedding, and they are multiplied by different numbers", "UNSUPPORTED");
  }
  const { keys } = readRope(config, head, { theta: 1e5 });
  return {
    architecture: "falcon-h1",
    vocabulary,
    metadata: [
      ...commonKeys("falcon-h1", decoder, config, kvHeads),
      ...named("falcon-h1", [
        ...keys,
        ["attention.layer_norm_rms_epsilon", "f32", config.number("rms_norm_eps", 1e-5)],
        ["attention.key_length", "u32", head],
        ["attention.value_length", "u32", head],
        ...stateKeys(sizes),
      ]),
    ],
    ownMetadata: named("falcon-h1", [["vocab_size", "u32", vocabulary]]),
    tensors: [
      ...tensors,
      ...endTensors(decoder, config, { norm: `${prefix}final_layernorm` }).map((planned) =>
        planned.name === "output.weight" ? times(planned, output) : planned,
      ),
    ],
  };
}

/** A list of so many numbers; ones where the config has none. */
function list(config: Config, key: string, count: number): number[] {
  const given = config.get(key) ?? Array.from({ length: count }, () => 1);
  const isSound = Array.isArray(given) && given.length === count && given.every((one) => Number.isFinite(one));
  if (isSound) return given as number[];
  throw config.wrong(`${key} is no list of ${count} numbers`);
}
