/** What gemma3n and gemma4 share: inputs of layers, and keys of layers before. */
import type { GgufEntry } from "../load/gguf-entries.ts";
import { type Decoder, matrix, vector } from "./decoder.ts";
import type { Config } from "./folder.ts";
import type { PlannedTensor } from "./plan.ts";

/** Keys without the architecture's name. */
export function sharingKeys(config: Config, width: number, locals: readonly boolean[]): GgufEntry[] {
  return [
    ["attention.sliding_window", "u32", config.size("sliding_window")],
    ["attention.sliding_window_pattern", "bool[]", locals],
    ["attention.shared_kv_layers", "u32", config.number("num_kv_shared_layers", 0)],
    ["embedding_length_per_layer_input", "u32", width],
  ];
}

/** The tensors of no layer that inputs of `width` are made with. */
export function inputTensors(decoder: Decoder, config: Config, width: number): PlannedTensor[] {
  const { layers, hidden, vocabulary, prefix } = decoder;
  const given = config.size("vocab_size_per_layer_input", vocabulary);
  const all = width * layers;
  const table = matrix("per_layer_token_embd.weight", `${prefix}embed_tokens_per_layer.weight`, all, vocabulary);
  // A token that the table lacks has the input of the first.
  const rowOf = (row: number) => (row < given ? row : 0);
  return [
    given === vocabulary ? table : { ...table, rowOf, sourceShape: [given, all] },
    matrix("per_layer_model_proj.weight", `${prefix}per_layer_model_projection.weight`, hidden, all),
    vector("per_layer_proj_norm.weight", `${prefix}per_layer_projection_norm.weight`, width),
  ];
}

/** The tensors of a layer that take its input. */
export function inputOfLayer(to: string, from: string, hidden: number, width: number): PlannedTensor[] {
  return [
    matrix(`${to}inp_gate.weight`, `${from}per_layer_input_gate.weight`, hidden, width),
    matrix(`${to}proj.weight`, `${from}per_layer_projection.weight`, width, hidden),
    vector(`${to}post_norm.weight`, `${from}post_per_layer_input_norm.weight`, hidden),
  ];
}
