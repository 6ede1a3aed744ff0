/** Windows of layers: which layers see the last tokens only, as a config says it and as a file does. */
import type { GgufEntry } from "../load/gguf-entries.ts";
import type { Config } from "./folder.ts";

const FULL = "full_attention";
const SLIDING = "sliding_attention";

/** Refuses windows, for architectures without: one that no layer has, or as long as the context, hides nothing. */
export function refuseWindows(config: Config): void {
  const types = config.get("layer_types");
  const other = Array.isArray(types) ? types.find((type) => type !== FULL) : undefined;
  if (other !== undefined) throw config.wrong(`layer_types has ${JSON.stringify(other)}`, "UNSUPPORTED");
  const used = config.get("use_sliding_window");
  // qwen's window is off unless it is said to be on, and begins behind max_window_layers.
  const off = used === false || (used === undefined && /^qwen/.test(String(config.get("model_type"))));
  if (off || Number(config.get("max_window_layers") ?? 0) >= config.size("num_hidden_layers")) return;
  const window = config.get("sliding_window");
  if (typeof window === "number" && window >= config.size("max_position_embeddings")) return;
  config.refuse("sliding_window");
}

/**
 * Whether each layer has a window: as `layer_types` says, or all but each n-th, where n is what the config calls its
 * pattern, or else `pattern`.
 */
export function layersWithWindow(config: Config, layers: number, pattern: number): boolean[] {
  const types = config.get("layer_types");
  if (types === undefined) {
    const given =
      config.get("sliding_window_pattern") === undefined ? "_sliding_window_pattern" : "sliding_window_pattern";
    return patterned(layers, config.size(given, pattern));
  }
  if (!Array.isArray(types) || types.length !== layers) {
    throw config.wrong(`layer_types is no list of ${layers}, one for each of num_hidden_layers`);
  }
  const other = types.find((type) => type !== FULL && type !== SLIDING);
  if (other !== undefined) throw config.wrong(`layer_types has ${JSON.stringify(other)}`, "UNSUPPORTED");
  return types.map((type) => type === SLIDING);
}

/**
 * The keys of an architecture with windows, without its name: their length, and a list of the layers that have one where
 * it is not all but each n-th, `pattern`, as the architecture means it.
 */
export function windowKeys(config: Config, layers: number, pattern: number): GgufEntry[] {
  const flags = layersWithWindow(config, layers, pattern);
  if (config.get("sliding_window") === undefined) {
    if (config.get("layer_types") === undefined || !flags.includes(true)) return [];
    throw config.wrong(`sliding_window is missing, and layer_types has "${SLIDING}"`);
  }
  const keys: GgufEntry[] = [["attention.sliding_window", "u32", config.size("sliding_window")]];
  const usual = patterned(layers, pattern);
  if (flags.some((flag, layer) => flag !== usual[layer])) {
    keys.push(["attention.sliding_window_pattern", "bool[]", flags]);
  }
  return keys;
}

function patterned(layers: number, pattern: number): boolean[] {
  return Array.from({ length: layers }, (_, layer) => layer % pattern < pattern - 1);
}
