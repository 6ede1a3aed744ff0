/** nemotron_h: each layer is one of Mamba-2, attention without positions, and a feed-forward network of relu². */
import { commonKeys, countOf, matrix, named, vector } from "../decoder.ts";
import { type Config, said } from "../folder.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import type { Checkpoint } from "../safetensors.ts";
import { dualMixer, refuseTimeLimit, type StateSpace, stateKeys } from "../state-space.ts";
import { attention } from "./jamba.ts";

/** What a layer may be, as `layers_block_type` calls it, as older lists do, and as the letters of a pattern do. */
const KINDS: Readonly<Record<string, "mixer" | "attention" | "network">> = {
  ...{ linear_attention: "mixer", full_attention: "attention", mlp: "network" },
  ...{ mamba: "mixer", attention: "attention" },
  ...{ M: "mixer", "*": "attention", "-": "network" },
};

/** What changes answers and no file says. */
const REFUSED: readonly (readonly [key: string, ...neutral: unknown[]])[] = [
  ["attention_bias"],
  ["mamba_proj_bias"],
  ["mlp_bias"],
  ["num_nextn_predict_layers", 0],
  ["quantization_config"],
  ["sliding_window"],
  ["use_bias"],
];

export function planNemotronH(config: Config, checkpoint: Checkpoint): Plan {
  for (const [key, ...neutral] of REFUSED) config.refuse(key, ...neutral);
  const activation = config.get("mlp_hidden_act") ?? "relu2";
  if (activation !== "relu2") throw config.wrong(`mlp_hidden_act is ${said(activation)}`, "UNSUPPORTED");
  refuseTimeLimit(config);
  const { tensors: given } = checkpoint;
  const prefix = given.has("backbone.embeddings.weight") ? "backbone." : "model.";
  const kinds = kindsOf(config, checkpoint);
  const hidden = config.size("hidden_size");
  const heads = config.size("num_attention_heads");
  const kvHeads = config.size("num_key_value_heads", heads);
  const head = config.size(config.get("head_dim") === undefined ? "attention_head_dim" : "head_dim", hidden / heads);
  const ffn = config.size("intermediate_size");
  const vocabulary = config.size("vocab_size");
  const inner = config.size("mamba_num_heads") * config.size("mamba_head_dim");
  const sizes: StateSpace = {
    hidden,
    inner,
    rank: config.size("mamba_num_heads"),
    groups: config.size("n_groups", 1),
    state: config.size("ssm_state_size"),
    taps: config.size("conv_kernel", 4),
  };
  const tensors: PlannedTensor[] = [matrix("token_embd.weight", `${prefix}embeddings.weight`, hidden, vocabulary)];
  for (const [layer, kind] of kinds.entries()) {
    const [to, from] = [`blk.${layer}.`, `${prefix}layers.${layer}.`];
    const own = `${from}mixer.`;
    tensors.push(vector(`${to}attn_norm.weight`, `${from}norm.weight`, hidden));
    if (kind === "mixer") tensors.push(...dualMixer(to, own, sizes));
    else if (kind === "attention") tensors.push(...attention(to, own, hidden, heads * head, kvHeads * head));
    else {
      tensors.push(
        matrix(`${to}ffn_up.weight`, `${own}up_proj.weight`, hidden, ffn),
        matrix(`${to}ffn_down.weight`, `${own}down_proj.weight`, ffn, hidden),
      );
    }
  }
  const epsilon = config.number("layer_norm_epsilon", config.number("rms_norm_eps", 1e-5));
  const decoder = { layers: kinds.length, hidden, heads, vocabulary, prefix, output: "lm_head" };
  const common = commonKeys(
    "nemotron_h",
    decoder,
    config,
    kinds.map((kind) => (kind === "attention" ? kvHeads : 0)),
  );
  const widths = kinds.map((kind) => (kind === "network" ? ffn : 0));
  return {
    architecture: "nemotron_h",
    vocabulary,
    metadata: [
      ...common.map((entry) =>
        entry[0].endsWith("feed_forward_length") ? ([entry[0], "i32[]", widths] as const) : entry,
      ),
      ...named("nemotron_h", [
        ["attention.layer_norm_rms_epsilon", "f32", epsilon],
        ["attention.layer_norm_epsilon", "f32", epsilon],
        ["attention.key_length", "u32", head],
        ["attention.value_length", "u32", head],
        ...stateKeys(sizes),
      ]),
    ],
    ownMetadata: named("nemotron_h", [["vocab_size", "u32", vocabulary]]),
    tensors: [
      ...tensors,
      vector("output_norm.weight", `${prefix}norm_f.weight`, hidden),
      ...(config.get("tie_word_embeddings") === true
        ? []
        : [matrix("output.weight", "lm_head.weight", hidden, vocabulary)]),
    ],
  };
}

/** What each layer is. */
function kindsOf(config: Config, checkpoint: Checkpoint): (typeof KINDS)[string][] {
  const given = config.get("layers_block_type") ?? config.get("layer_types") ?? config.get("hybrid_override_pattern");
  const list = typeof given === "string" ? [...given] : given;
  if (!Array.isArray(list) || list.length === 0) throw config.wrong("layers_block_type is no list of layers");
  if (list.length > checkpoint.tensors.size) throw config.wrong(`layers_block_type has ${list.length} layers`);
  if (
    config.get("num_hidden_layers") !== undefined &&
    countOf(config, "num_hidden_layers", checkpoint) !== list.length
  ) {
    throw config.wrong(`layers_block_type has ${list.length} layers, and num_hidden_layers is another number`);
  }
  return list.map((word) => {
    if (typeof word === "string" && Object.hasOwn(KINDS, word)) return KINDS[word];
    throw config.wrong(`a layer is ${said(word)}: limpet knows no experts in such a model`, "UNSUPPORTED");
  });
}
