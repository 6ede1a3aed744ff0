/**
 * What a file says and no program does: a tensor that nobody reads, or a key that changes the answer, would give the
 * answers of another model. Both are refused by name. What is left alone:
 *
 *     …attn_rot_embd.weight    old llama files: angles of RoPE, which the base says too
 *     every other key          describes the file, its making or its text, not the forward pass
 */
import { Model } from "./model";
import { ErrorCode, bytesOf, fail } from "../memory/core";
import { Entry, ValueType, findKey, floatAt, nameOf, stringBytes, stringLength, tensorAt } from "../files/gguf";
import { endsWithText, sameText } from "../memory/bytes";
import { Weights } from "../weights/weight";

/** Status 0, or the error: every tensor of the file is used, and no key asks for what limpet does not do. */
export function refuseUnused(model: Model): i32 {
  const status = refuseTensors(model);
  return status ? status : refuseKeys(model);
}

function refuseTensors(model: Model): i32 {
  const g = model.gguf;
  const weights = model.weights;
  // A weight is a tensor: as many of one as of the other, and all are used.
  if (g.tensorCount == weights.count) return 0;
  for (let i: u32 = 0; i < <u32>g.tensorCount; i++) {
    const tensor = tensorAt(g, i);
    if (isUsed(weights, tensor.fileIndex, tensor.offset)) continue;
    if (endsWithText(tensor.name, tensor.nameLength, ".attn_rot_embd.weight")) continue;
    return fail(
      model.core, ErrorCode.UNSUPPORTED,
      "the file has a tensor {s}, which limpet does not use for the architecture {s}: without it the answers would be \
those of another model", nameOf(tensor), bytesOf(g.architecture, g.architectureLength),
    );
  }
  return 0;
}

function isUsed(weights: Weights, file: u32, offset: u64): bool {
  for (let i: u32 = 0; i < weights.count; i++) {
    if (weights.at(i).offset == offset && weights.at(i).file == file) return true;
  }
  return false;
}

/** Keys that change the forward pass, and that no architecture here reads: refused unless they say that they do not. */
function refuseKeys(model: Model): i32 {
  let s = refuseNumber(model, ".expert_count", 0);
  if (!s) s = refuseNumber(model, ".expert_used_count", 0);
  if (!s) s = refuseNumber(model, ".attention.max_alibi_bias", 0);
  if (!s) s = refuseNumber(model, ".attention.clamp_kqv", 0);
  if (!s) s = refuseNumber(model, ".attention.q_lora_rank", 0);
  if (!s) s = refuseNumber(model, ".attention.shared_kv_layers", 0);
  if (!s) s = refuseNumber(model, ".attention.temperature_length", 0);
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
  if (!s) s = refuseWindow(model);
  return s ? s : refuseScaling(model);
}

/** A number or flag that is there and is neither 0, which is none, nor `neutral`. An array counts as there. */
function refuseNumber(model: Model, key: string, neutral: f64): i32 {
  const entry = findKey(model.gguf, key);
  if (!entry || entry.type == ValueType.STRING) return 0;
  if (entry.type != ValueType.ARRAY) {
    const value = floatAt(entry, 0);
    if (value == neutral || (value == 0 && neutral == 1 && entry.type != ValueType.BOOL)) return 0;
  }
  return refuse(model, entry);
}

/** A window as long as the context hides nothing. */
function refuseWindow(model: Model): i32 {
  const entry = findKey(model.gguf, ".attention.sliding_window");
  if (!entry || entry.type == ValueType.STRING) return 0;
  if (entry.type == ValueType.ARRAY) return refuse(model, entry);
  const window = floatAt(entry, 0);
  return window == 0 || window >= <f64>model.program.contextLength ? 0 : refuse(model, entry);
}

/** Of the ways to scale RoPE, linear by no factor is none. */
function refuseScaling(model: Model): i32 {
  const entry = findKey(model.gguf, ".rope.scaling.type");
  if (!entry || entry.type != ValueType.STRING) return 0;
  const name = stringBytes(entry.value);
  const length = stringLength(entry.value);
  return sameText(name, length, "none") || sameText(name, length, "linear") ? 0 : refuse(model, entry);
}

function refuse(model: Model, entry: Entry): i32 {
  return fail(
    model.core, ErrorCode.UNSUPPORTED,
    "the metadata key {s} asks for what limpet does not do yet: without it the answers would be those of another model",
    bytesOf(entry.key, entry.keyLength),
  );
}
