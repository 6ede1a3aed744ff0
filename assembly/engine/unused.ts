/**
 * What a file says and no program does: a tensor that nobody reads, or a key that changes the answer, would give the
 * answers of another model. Both are refused by name. What is left alone:
 *
 *     …attn_rot_embd.weight    old llama files: angles of RoPE, which the base says too
 *     every other key          describes the file, its making or its text, not the forward pass; or parts that stand in
 *                              tensors (experts' groups, latents, recurrences), which are refused themselves
 */
import { Model } from "./model";
import { ErrorCode, bytesOf, fail } from "../memory/core";
import { Entry, ValueType, findKey, findUnread, floatAt, nameOf, tensorAt } from "../files/gguf";
import { endsWithText } from "../memory/bytes";

/** Status 0, or the error: every tensor of the file is used, and no key asks for what limpet does not do. */
export function refuseUnused(model: Model): i32 {
  const status = refuseTensors(model);
  return status ? status : refuseKeys(model);
}

function refuseTensors(model: Model): i32 {
  const g = model.gguf;
  for (let i: u32 = 0; i < <u32>g.tensorCount; i++) {
    const tensor = tensorAt(g, i);
    if (tensor.isUsed || endsWithText(tensor.name, tensor.nameLength, ".attn_rot_embd.weight")) continue;
    return fail(
      model.core, ErrorCode.UNSUPPORTED,
      "the file has a tensor {s}, which limpet does not use for the architecture {s}: without it the answers would be \
those of another model", nameOf(tensor), bytesOf(g.architecture, g.architectureLength),
    );
  }
  return 0;
}

/** Keys that change the forward pass: one that the architecture has not read is refused unless it changes nothing. */
function refuseKeys(model: Model): i32 {
  let s = refuseNumber(model, ".expert_count", 0);
  if (!s) s = refuseNumber(model, ".expert_used_count", 0);
  if (!s) s = refuseNumber(model, ".attention.max_alibi_bias", 0);
  if (!s) s = refuseNumber(model, ".attention.clamp_kqv", 0);
  if (!s) s = refuseNumber(model, ".attention.q_lora_rank", 0);
  if (!s) s = refuseNumber(model, ".attention.shared_kv_layers", 0);
  if (!s) s = refuseNumber(model, ".attention.temperature_length", 0);
  if (!s) s = refuseNumber(model, ".attention.temperature_scale", 0);
  if (!s) s = refuseNumber(model, ".attn_logit_softcapping", 0);
  if (!s) s = refuseNumber(model, ".final_logit_softcapping", 0);
  if (!s) s = refuseNumber(model, ".nextn_predict_layers", 0);
  if (!s) s = refuseNumber(model, ".embedding_length_per_layer_input", 0);
  if (!s) s = refuseNumber(model, ".logit_scale", 1);
  if (!s) s = refuseNumber(model, ".embedding_scale", 1);
  if (!s) s = refuseNumber(model, ".residual_scale", 1);
  if (!s) s = refuseNumber(model, ".rope.scale_linear", 1);
  if (!s) s = refuseNumber(model, ".rope.scaling.attn_factor", 1);
  if (!s) s = refuseNumber(model, ".attention.causal", 1);
  if (!s) s = refuseNumber(model, ".use_parallel_residual", 0);
  if (!s) s = refuseNumber(model, ".attention.output_scale", 0);
  if (!s) s = refuseNumber(model, ".router_logit_softcapping", 0);
  if (!s) s = refuseNumber(model, ".swiglu_clamp_exp", 0);
  if (!s) s = refuseNumber(model, ".swiglu_clamp_shexp", 0);
  if (!s) s = refuseNumber(model, ".rope.scaling.yarn_attn_factor", 1);
  if (!s) s = refuseNumber(model, ".rope.scaling.yarn_log_multiplier", 0);
  if (!s) s = refuseOther(model, ".rope.scaling.yarn_beta_fast", 32, 32);
  if (!s) s = refuseOther(model, ".rope.scaling.yarn_beta_slow", 1, 1);
  // Below zero it is the type of the scaling that says it.
  if (!s) s = refuseOther(model, ".rope.scaling.yarn_ext_factor", -1, 1);
  if (!s) s = refuseTwin(model, ".rope.freq_base_swa", ".rope.freq_base", 10000);
  if (!s) s = refuseTwin(model, ".rope.dimension_count_swa", ".rope.dimension_count", 0);
  if (!s) s = refuseTwin(model, ".attention.key_length_swa", ".attention.key_length", 0);
  if (!s) s = refuseTwin(model, ".attention.value_length_swa", ".attention.value_length", 0);
  return s ? s : refuseWindow(model);
}

/** A number or flag that is there and is neither `neutral` nor, where it multiplies, 0, which is none. */
function refuseNumber(model: Model, key: string, neutral: f64): i32 {
  const entry = findUnread(model.gguf, key);
  const isFlag = entry != null && entry.type == ValueType.BOOL;
  return refuseOther(model, key, neutral, neutral == 1 && !isFlag ? 0 : neutral);
}

/** What is there and is neither of the numbers: a list or a text is neither. */
function refuseOther(model: Model, key: string, neutral: f64, another: f64): i32 {
  const entry = findUnread(model.gguf, key);
  if (!entry) return 0;
  const value = numberIn(entry);
  return value == neutral || value == another ? 0 : refuse(model, entry);
}

/** What layers with a window have otherwise than those without, whose number is `otherwise` where the file has none. */
function refuseTwin(model: Model, key: string, plain: string, otherwise: f64): i32 {
  const entry = findKey(model.gguf, plain);
  const value = entry ? numberIn(entry) : otherwise;
  return refuseOther(model, key, value, value);
}

/** NaN, which equals nothing, where the value is no number or flag. */
function numberIn(entry: Entry): f64 {
  return entry.type == ValueType.ARRAY || entry.type == ValueType.STRING ? NaN : floatAt(entry, 0);
}

/** A window as long as the context hides nothing. */
function refuseWindow(model: Model): i32 {
  const entry = findUnread(model.gguf, ".attention.sliding_window");
  if (!entry) return 0;
  const window = numberIn(entry);
  return window == 0 || window >= <f64>model.program.contextLength ? 0 : refuse(model, entry);
}

function refuse(model: Model, entry: Entry): i32 {
  return fail(
    model.core, ErrorCode.UNSUPPORTED,
    "the metadata key {s} asks for what limpet does not do yet: without it the answers would be those of another model",
    bytesOf(entry.key, entry.keyLength),
  );
}
