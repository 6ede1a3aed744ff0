/** modern-bert: ModernBERT, and what ranks by the mean of its rows. */
import type { GgufEntry } from "../../load/gguf-entries.ts";
import { matrix, named, requireHead, vector } from "../decoder.ts";
import { classifier, encoderKeys, planEncoder, readEncoder, requireOneOf } from "../encoder.ts";
import { type Config, said } from "../folder.ts";
import type { Plan, PlannedTensor } from "../plan.ts";
import { refuseScaling, ropeObject, ropeTheta } from "../rope.ts";
import type { Checkpoint } from "../safetensors.ts";

const WORDS = "embeddings.tok_embeddings.weight";
const LOCAL_THETA = 10000;
/** Of so many layers the first sees all. */
const PATTERN = 3;

export function planModernBert(config: Config, checkpoint: Checkpoint): Plan {
  for (const key of ["attention_bias", "classifier_bias", "mlp_bias", "norm_bias"]) config.refuse(key);
  const activation = requireOneOf(config, "hidden_activation", ["gelu", "silu"]);
  const encoder = readEncoder("modern-bert", config, checkpoint, WORDS, ["", "model."]);
  const { prefix, layers, hidden, heads, ffn, vocabulary } = encoder;
  requireHead(config, hidden / heads);
  const head = classifier(encoder, config, checkpoint, {
    dense: "head.dense",
    norm: "head.norm",
    output: "classifier",
  });
  if (head.keys.length > 0) {
    const pooling = config.get("classifier_pooling") ?? "cls";
    if (pooling !== "mean") {
      const words = `classifier_pooling is ${said(pooling)}, and a file of modern-bert means "mean"`;
      throw config.wrong(words, "UNSUPPORTED");
    }
    requireOneOf(config, "classifier_activation", ["gelu"]);
  }
  const tensors: PlannedTensor[] = [
    matrix("token_embd.weight", `${prefix}${WORDS}`, hidden, vocabulary),
    vector("token_embd_norm.weight", `${prefix}embeddings.norm.weight`, hidden),
  ];
  for (let layer = 0; layer < layers; layer++) {
    const [to, from] = [`blk.${layer}.`, `${prefix}layers.${layer}.`];
    if (layer > 0) tensors.push(vector(`${to}attn_norm.weight`, `${from}attn_norm.weight`, hidden));
    tensors.push(
      matrix(`${to}attn_qkv.weight`, `${from}attn.Wqkv.weight`, hidden, 3 * hidden),
      matrix(`${to}attn_output.weight`, `${from}attn.Wo.weight`, hidden, hidden),
      vector(`${to}ffn_norm.weight`, `${from}mlp_norm.weight`, hidden),
      matrix(`${to}ffn_up.weight`, `${from}mlp.Wi.weight`, hidden, 2 * ffn),
      matrix(`${to}ffn_down.weight`, `${from}mlp.Wo.weight`, ffn, hidden),
    );
  }
  tensors.push(vector("output_norm.weight", `${prefix}final_norm.weight`, hidden));
  const keys = [
    ...encoderKeys(encoder, config.number("norm_eps", 1e-5)),
    ...named("modern-bert", [...ropes(config), ...windows(config, layers)]),
    ...(activation === "silu" ? named("modern-bert", [["hidden_activation", "string", "silu"]]) : []),
    ...head.keys,
  ];
  // Heads that guess masked tokens; of a model without a classifier their norm goes too.
  const without = head.keys.length > 0 ? /^decoder\./ : /^(decoder|head)\./;
  return planEncoder(encoder, keys, [...tensors, ...head.tensors], without);
}

/** The base of layers that see all, and of those with a window where it is another one than the file means. */
function ropes(config: Config): GgufEntry[] {
  const theta = (type: "full_attention" | "sliding_attention", key: string, otherwise: number) => {
    const given = config.get("rope_parameters") === undefined ? {} : ropeObject(config, type);
    return ropeTheta(config.with({ rope_theta: config.get(key) }), given, otherwise);
  };
  if (config.get("rope_parameters") === undefined) refuseScaling(config);
  const local = theta("sliding_attention", "local_rope_theta", LOCAL_THETA);
  return [
    ["rope.freq_base", "f32", theta("full_attention", "global_rope_theta", 160000)],
    ...(local === LOCAL_THETA ? [] : [["rope.freq_base_swa", "f32", local] as GgufEntry]),
  ];
}

/** The window, and which layers have one where it is not two of three. */
function windows(config: Config, layers: number): GgufEntry[] {
  const every = config.size("global_attn_every_n_layers", PATTERN);
  const types = config.get("layer_types");
  if (types !== undefined && !(Array.isArray(types) && types.length === layers)) {
    throw config.wrong(`layer_types is no list of ${layers}, one for each of num_hidden_layers`);
  }
  const local = Array.from({ length: layers }, (_, layer) =>
    Array.isArray(types) ? types[layer] === "sliding_attention" : layer % every !== 0,
  );
  const isUsual = local.every((flag, layer) => flag === (layer % PATTERN !== 0));
  return [
    ["attention.sliding_window", "u32", config.size("local_attention", 128)],
    ...(isUsual ? [] : [["attention.sliding_window_pattern", "bool[]", local] as GgufEntry]),
  ];
}
