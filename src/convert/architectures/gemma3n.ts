/** gemma3n: the text part of gemma3n, or a gemma3n_text; four streams, a low-rank branch, inputs of layers. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import { expertMatrix, matrix, vector } from "../decoder.ts";
import type { Config } from "../folder.ts";
import { planGrouped } from "../grouped.ts";
import { inputOfLayer, inputTensors, sharingKeys } from "../layer-inputs.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import { localTheta, readRope, ropeObject } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";
import { layersWithWindow } from "../windows.ts";
import { FOUR_NORMS } from "./gemma2.ts";

const STREAMS = 4;
/** What a share of 0.95 is in deviations, as a float has it. */
const MULTIPLE = 1.6448533535003662;
const SHARE = 0.95;

export function planGemma3n(whole: Config, checkpoint: Checkpoint): Plan {
  const text = whole.part("text_config");
  const config = text.with({ intermediate_size: widthOf(text) });
  const layers = config.size("num_hidden_layers");
  const width = config.size("hidden_size_per_layer_input", 256);
  const rank = config.size("laurel_rank", 64);
  if (rank !== 64) throw config.wrong(`laurel_rank is ${rank}, not 64`, "UNSUPPORTED");
  if (config.size("altup_num_inputs", STREAMS) !== STREAMS || config.get("altup_active_idx")) {
    throw config.wrong("altup_num_inputs and altup_active_idx: limpet knows 4 and 0", "UNSUPPORTED");
  }
  let decoder: Parameters<typeof inputTensors>[0] | undefined;
  const plan = planGrouped("gemma3n", config, checkpoint, {
    activation: "gelu_pytorch_tanh",
    tied: true,
    claims: ["final_logit_softcapping", "sliding_window", "query_pre_attn_scalar"],
    names: FOUR_NORMS,
    headNorms: "head",
    rope(head) {
      const rope = readRope(config, head, { given: ropeObject(config, "full_attention"), theta: 1e6 });
      const local = localTheta(config) ?? 10000;
      return local === 10000 ? rope : { ...rope, keys: [...rope.keys, ["rope.freq_base_swa", "f32", local]] };
    },
    feedForward(sizes, to, from) {
      decoder = sizes;
      return ownOfLayer(to, from, sizes.hidden, sizes.ffn, width);
    },
    ownMetadata: () => [
      ...sharingKeys(config, width, layersWithWindow(config, layers, 5)),
      ["altup.num_inputs", "u32", STREAMS],
      ["altup.active_idx", "u32", 0],
      ["activation_sparsity_scale", "f32[]", multiples(config, layers)],
      ...capKeys(config),
    ],
  });
  const { hidden, prefix } = decoder!;
  const streams = ["altup_projections", "altup_unembed_projections"].map((source, i) =>
    expertMatrix(
      `altup_${["proj", "unembd_proj"][i]}.weight`,
      `${prefix}${source}.#.weight`,
      hidden,
      hidden,
      STREAMS - 1,
    ),
  );
  return {
    ...plan,
    tensors: [...plan.tensors, ...inputTensors(decoder!, config, width), ...streams],
    without: /^(model\.)?(vision_tower|audio_tower|embed_vision|embed_audio)\./,
  };
}

/** The one width of all layers. */
function widthOf(config: Config): unknown {
  const given = config.get("intermediate_size");
  if (!Array.isArray(given)) return given;
  if (given.some((width) => width !== given[0])) throw config.wrong("intermediate_size differs", "UNSUPPORTED");
  return given[0];
}

/** How many deviations above the mean a gate's value must lie, for each layer; what is no bound is −∞. */
function multiples(config: Config, layers: number): number[] {
  const given = config.get("activation_sparsity_pattern") ?? 0;
  const shares = Array.isArray(given) ? given : Array.from({ length: layers }, () => given);
  if (shares.length !== layers || shares.some((share) => share !== 0 && share !== SHARE)) {
    throw config.wrong(`activation_sparsity_pattern is no list of ${layers} times 0 or ${SHARE}`, "UNSUPPORTED");
  }
  return shares.map((share) => (share === SHARE ? MULTIPLE : -Infinity));
}

/** The cap of logits; none where the config says null. */
function capKeys(config: Config): GgufEntry[] {
  const cap = config.isNull("final_logit_softcapping") ? 0 : config.number("final_logit_softcapping", 30);
  return [["final_logit_softcapping", "f32", cap]];
}

function ownOfLayer(to: string, from: string, hidden: number, ffn: number, width: number): PlannedTensor[] {
  const floats = (name: string, source: string, columns: number, rows: number): PlannedTensor => ({
    ...matrix(`${to}${name}.weight`, `${from}${source}.weight`, columns, rows),
    kind: "floats",
  });
  return [
    matrix(`${to}ffn_gate.weight`, `${from}mlp.gate_proj.weight`, hidden, ffn),
    matrix(`${to}ffn_up.weight`, `${from}mlp.up_proj.weight`, hidden, ffn),
    matrix(`${to}ffn_down.weight`, `${from}mlp.down_proj.weight`, ffn, hidden),
    floats("altup_correct_coef", "altup.correction_coefs", STREAMS, STREAMS),
    vector(`${to}altup_correct_scale.weight`, `${from}altup.correct_output_scale`, hidden),
    floats("altup_predict_coef", "altup.prediction_coefs", STREAMS, STREAMS * STREAMS),
    floats("altup_router", "altup.modality_router", hidden, STREAMS),
    vector(`${to}altup_router_norm.weight`, `${from}altup.router_norm.weight`, hidden),
    matrix(`${to}laurel_l.weight`, `${from}laurel.linear_left.weight`, hidden, 64),
    matrix(`${to}laurel_r.weight`, `${from}laurel.linear_right.weight`, 64, hidden),
    vector(`${to}laurel_post_norm.weight`, `${from}laurel.post_laurel_norm.weight`, hidden),
    ...inputOfLayer(to, from, hidden, width),
  ];
}
