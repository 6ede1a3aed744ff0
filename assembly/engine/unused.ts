/**
 * What a file says and no program does: a tensor that nobody reads, or a key that changes the answer, would give the
 * answers of another model. Both are refused by name. What is left alone:
 *
 *     …attn_rot_embd.weight    old llama files: angles of RoPE, which the base says too
 *     every other key          describes the file, its making or its text, not the forward pass
 */
import { Model } from "./model";
import { ErrorCode, bytesOf, fail } from "../memory/core";
import { Entry, ValueType, findUnread, floatAt, nameOf, tensorAt } from "../files/gguf";
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
  return s ? s : refuseWindow(model);
}

/** A number or flag that is there and is neither 0, which is none, nor `neutral`. An array counts as there. */
function refuseNumber(model: Model, key: string, neutral: f64): i32 {
  const entry = findUnread(model.gguf, key);
  if (!entry || entry.type == ValueType.STRING) return 0;
  if (entry.type != ValueType.ARRAY) {
    const value = floatAt(entry, 0);
    if (value == neutral || (value == 0 && neutral == 1 && entry.type != ValueType.BOOL)) return 0;
  }
  return refuse(model, entry);
}

/** A window as long as the context hides nothing. */
function refuseWindow(model: Model): i32 {
  const entry = findUnread(model.gguf, ".attention.sliding_window");
  if (!entry || entry.type == ValueType.STRING) return 0;
  if (entry.type == ValueType.ARRAY) return refuse(model, entry);
  const window = floatAt(entry, 0);
  return window == 0 || window >= <f64>model.program.contextLength ? 0 : refuse(model, entry);
}

function refuse(model: Model, entry: Entry): i32 {
  return fail(
    model.core, ErrorCode.UNSUPPORTED,
    "the metadata key {s} asks for what limpet does not do yet: without it the answers would be those of another model",
    bytesOf(entry.key, entry.keyLength),
  );
}
