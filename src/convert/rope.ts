/** What a configuration says of RoPE: its base, its scaling, and how much of a head turns. */
import type { GgufEntry } from "../load/gguf-entries.ts";
import { type Config, isObject, type Json, refuseUnless } from "./folder.ts";

interface Scaling {
  /** Llama 3's factors, which divide the angles: one a pair. */
  readonly factors?: Float32Array;
  readonly keys: readonly GgufEntry[];
}

/** What yarn and others may say more of themselves, with the values that do nothing. */
const ROPE_REFUSED: readonly (readonly [key: string, ...neutral: unknown[]])[] = [
  ["attention_factor"],
  ["beta_fast", 32],
  ["beta_slow", 1],
  ["mscale"],
  ["mscale_all_dim"],
];

/** Newer configurations keep what belongs to RoPE in one object. */
export function ropeObject(config: Config): Json {
  const given = config.get("rope_parameters") ?? config.get("rope_scaling");
  return isObject(given) ? given : {};
}

export function ropeTheta(config: Config): number {
  const theta = config.get("rope_theta") ?? ropeObject(config)["rope_theta"] ?? 10000;
  if (typeof theta === "number" && theta > 0) return theta;
  throw config.wrong(`rope_theta is ${JSON.stringify(theta)}`);
}

/** Refuses a config whose RoPE turns a part of a head. */
export function refusePartial(config: Config): void {
  config.refuse("partial_rotary_factor", 1);
  refuseUnless(ropeObject(config), "partial_rotary_factor", [1], "config.json, rope_parameters");
}

/** The scaling of RoPE: keys for the file, or factors for its tensor; another kind is refused. */
export function readScaling(config: Config, dimensions: number): Scaling {
  const rope = ropeObject(config);
  const type = rope["rope_type"] ?? rope["type"] ?? "default";
  const number = (key: string): number => {
    const value = rope[key];
    if (typeof value === "number" && value > 0) return value;
    throw config.wrong(`${key} of rope_scaling is ${JSON.stringify(value)}`);
  };
  for (const [key, ...neutral] of ROPE_REFUSED) refuseUnless(rope, key, neutral, "config.json, rope_scaling");
  if (type === "default") return { keys: [] };
  if (type === "linear" || type === "yarn") {
    const keys: GgufEntry[] = [
      ["rope.scaling.type", "string", type],
      ["rope.scaling.factor", "f32", number("factor")],
    ];
    if (type === "yarn") {
      keys.push(["rope.scaling.original_context_length", "u32", number("original_max_position_embeddings")]);
    }
    return { keys };
  }
  if (type !== "llama3") throw config.wrong(`rope_scaling is ${JSON.stringify(type)}`, "UNSUPPORTED");
  const factor = number("factor");
  const low = number("low_freq_factor");
  const high = number("high_freq_factor");
  const context = number("original_max_position_embeddings");
  const theta = ropeTheta(config);
  const factors = Float32Array.from({ length: dimensions / 2 }, (_, i) => {
    const wave = 2 * Math.PI * theta ** ((2 * i) / dimensions);
    if (wave < context / high) return 1;
    if (wave > context / low) return factor;
    const share = (context / wave - low) / (high - low);
    return 1 / ((1 - share) / factor + share);
  });
  return { keys: [], factors };
}
