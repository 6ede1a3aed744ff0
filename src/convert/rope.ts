/** What a configuration says of RoPE: its base, its scaling, and how much of a head turns. */
import type { GgufEntry } from "../load/gguf-entries.ts";
import { type Config, isObject, type Json, refuseUnless, said } from "./folder.ts";
import type { PlannedTensor } from "./plan.ts";

/** How positions turn, as a file says it. */
export interface Rope {
  /** Without the architecture's name. */
  readonly keys: readonly GgufEntry[];
  /** What divides the angles, one value a pair: Llama 3's factors, or LongRoPE's for long contexts and for short ones. */
  readonly tensors: readonly PlannedTensor[];
}

interface RopeOptions {
  /** The part of the configuration that says it. */
  readonly given?: Json;
  /** The base, where the configuration has none. */
  readonly theta?: number;
  /** Keys of it that the architecture reads itself. */
  readonly claims?: readonly string[];
}

/** What no key of a file says, with the values that do nothing. */
const ROPE_REFUSED: readonly (readonly [key: string, ...neutral: unknown[]])[] = [
  ["alpha", 1],
  ["beta_fast", 32],
  ["beta_slow", 1],
  ["llama_4_scaling_beta", 0],
  ["long_mscale"],
  ["short_mscale"],
];

/** Layers see all tokens, or those of a window: newer configurations may have a rope for each kind. */
type LayerType = "full_attention" | "sliding_attention";

/** What belongs to RoPE, which newer configurations keep in one object: of all layers, or of those of a type. */
export function ropeObject(config: Config, type?: LayerType): Json {
  const given = config.get("rope_parameters") ?? config.get("rope_scaling");
  if (!isObject(given)) return {};
  if (!isObject(given["full_attention"]) && !isObject(given["sliding_attention"])) return given;
  if (type === undefined) throw config.wrong("rope_parameters differ from layer to layer", "UNSUPPORTED");
  return isObject(given[type]) ? given[type] : {};
}

export function ropeTheta(config: Config, given: Json = ropeObject(config), otherwise = 10000): number {
  const theta = given["rope_theta"] ?? config.get("rope_theta") ?? otherwise;
  if (typeof theta === "number" && theta > 0) return theta;
  throw config.wrong(`rope_theta is ${said(theta)}`);
}

/** The base of layers with a window, where they have a rope of their own, which nothing scales; undefined: they have not. */
export function localTheta(config: Config): number | undefined {
  const given = config.get("rope_parameters");
  const nested = isObject(given) && isObject(given["sliding_attention"]);
  const own = nested ? ropeObject(config, "sliding_attention") : {};
  refuseUnless(own, "rope_type", ["default"], "config.json, rope_parameters of sliding_attention");
  const theta = own["rope_theta"] ?? config.get("rope_local_base_freq");
  if (theta === undefined) return undefined;
  if (typeof theta === "number" && theta > 0) return theta;
  throw config.wrong(`rope_local_base_freq is ${said(theta)}`);
}

/** The share of a head that RoPE turns, `otherwise` where the configuration does not say. */
export function rotaryShare(config: Config, given: Json = ropeObject(config), otherwise = 1): number {
  const key = config.get("rotary_pct") === undefined ? "partial_rotary_factor" : "rotary_pct";
  const share = config.get(key) ?? given["partial_rotary_factor"] ?? otherwise;
  if (typeof share === "number" && share > 0 && share <= 1) return share;
  throw config.wrong(`${key} is ${said(share)}`);
}

/** Refuses a config whose RoPE turns a part of a head. */
export function refusePartial(config: Config): void {
  config.refuse("partial_rotary_factor", 1);
  for (const type of ["full_attention", "sliding_attention"] as const) {
    refuseUnless(ropeObject(config, type), "partial_rotary_factor", [1], "config.json, rope_parameters");
  }
}

/** Refuses a config that scales RoPE. */
export function refuseScaling(config: Config): void {
  for (const key of ["rope_type", "type"])
    refuseUnless(ropeObject(config), key, ["default"], "config.json, rope_scaling");
}

/** The rope that turns `turned` values of a head; what no file can say is refused. */
export function readRope(config: Config, turned: number, options: RopeOptions = {}): Rope {
  const { given = ropeObject(config), claims = [] } = options;
  const type = given["rope_type"] ?? given["type"] ?? "default";
  const number = (key: string, otherwise?: unknown): number => {
    const value = given[key] ?? otherwise;
    if (typeof value === "number" && value > 0) return value;
    throw config.wrong(`${key} of rope_scaling is ${said(value)}`);
  };
  for (const [key, ...neutral] of ROPE_REFUSED) {
    if (!claims.includes(key)) refuseUnless(given, key, neutral, "config.json, rope_scaling");
  }
  if (given["truncate"] === false && !claims.includes("truncate")) {
    throw config.wrong("truncate of rope_scaling is false, which no file says", "UNSUPPORTED");
  }
  const theta = ropeTheta(config, given, options.theta);
  const rope = (keys: readonly GgufEntry[], tensors: PlannedTensor[] = []): Rope => ({
    keys: [...keys, ["rope.freq_base", "f32", theta]],
    tensors,
  });
  const original = (otherwise?: unknown) =>
    number("original_max_position_embeddings", config.get("original_max_position_embeddings") ?? otherwise);
  switch (type) {
    case "default":
    // Beyond the context alone.
    case "dynamic":
      return rope([]);
    case "linear":
      return rope([
        ["rope.scaling.type", "string", "linear"],
        ["rope.scaling.factor", "f32", number("factor")],
      ]);
    case "yarn":
      return rope([
        ["rope.scaling.type", "string", "yarn"],
        ["rope.scaling.factor", "f32", number("factor")],
        // Without it, the context is what the model was trained on.
        ["rope.scaling.original_context_length", "u32", original(config.get("max_position_embeddings"))],
        ...magnitudeKeys(yarnMagnitude(given, number) / growth(number("factor"))),
      ]);
    case "su":
    case "longrope": {
      const lists = ["long", "short"].map((which) => factorList(config, given, which, turned / 2));
      const context = original();
      const factor = config.size("max_position_embeddings") / context;
      const usual = factor > 1 ? Math.sqrt(1 + Math.log(factor) / Math.log(context)) : 1;
      const keys: GgufEntry[] = [
        ["rope.scaling.type", "string", "longrope"],
        ["rope.scaling.original_context_length", "u32", context],
      ];
      return rope([...keys, ...magnitudeKeys(number("attention_factor", usual))], lists);
    }
    case "llama3": {
      const factors = llamaFactors(turned, theta, number, original());
      return rope([], [made("rope_freqs.weight", factors)]);
    }
    default:
      throw config.wrong(`rope_scaling is ${said(type)}`, "UNSUPPORTED");
  }
}

/** What cosines and sines are multiplied with, besides what the type of the scaling means. */
function magnitudeKeys(magnitude: number): GgufEntry[] {
  return Math.abs(magnitude - 1) < 1e-9 ? [] : [["rope.scaling.attn_factor", "f32", magnitude]];
}

/** YaRN's √(1/t) for contexts that are `factor` times as long. */
function growth(factor: number, times = 1): number {
  return factor <= 1 ? 1 : 0.1 * times * Math.log(factor) + 1;
}

function yarnMagnitude(given: Json, number: (key: string) => number): number {
  const factor = number("factor");
  if (given["attention_factor"] !== undefined && given["attention_factor"] !== null) return number("attention_factor");
  if (!given["mscale"] || !given["mscale_all_dim"]) return growth(factor);
  return growth(factor, number("mscale")) / growth(factor, number("mscale_all_dim"));
}

function factorList(config: Config, given: Json, which: string, pairs: number): PlannedTensor {
  const list = given[`${which}_factor`];
  const sound =
    Array.isArray(list) && list.length === pairs && list.every((value) => Number.isFinite(value) && value > 0);
  if (!sound) throw config.wrong(`${which}_factor of rope_scaling is no list of ${pairs} numbers above 0`);
  return made(`rope_factors_${which}.weight`, Float32Array.from(list));
}

function made(name: string, values: Float32Array): PlannedTensor {
  return { name, sources: [], shape: [values.length], kind: "floats", values };
}

function llamaFactors(turned: number, theta: number, number: (key: string) => number, context: number): Float32Array {
  const [factor, low, high] = ["factor", "low_freq_factor", "high_freq_factor"].map(number);
  return Float32Array.from({ length: turned / 2 }, (_, i) => {
    const wave = 2 * Math.PI * theta ** ((2 * i) / turned);
    if (wave < context / high) return 1;
    if (wave > context / low) return factor;
    const share = (context / wave - low) / (high - low);
    return 1 / ((1 - share) / factor + share);
  });
}
