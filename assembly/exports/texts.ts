/**
 * The exports of vectors of texts: contexts whose passes make them, with the conventions of exports/model.ts.
 */
import { openForTexts } from "../engine/open";
import { Model, isModel } from "../engine/model";
import { pairTokens } from "../engine/pairs";
import { HAS_VECTORS } from "../parts";
import { Core, ErrorCode, fail } from "../memory/core";
import { Context, isContext } from "../pass/context";
import { NOTHING } from "../program/program";
import { copy, normalize } from "../kernels/float/vector";

/** Values of a text's vector, or scores of a model that ranks. */
export function model_vector_width(model: Model): u32 {
  return HAS_VECTORS && model.hasProgram ? model.program.value(model.program.vectors).width : 0;
}

/** How the file says that a text's rows become one: 0 a vector a token, 1 mean, 2 the first, 3 the last, 4 it ranks. */
export function model_pooling(model: Model): u32 {
  return model.hasProgram ? model.program.pooling : 0;
}

/** 1 when the model makes logits: it can write text. */
export function model_has_logits(model: Model): u32 {
  return model.hasProgram && model.program.logits != NOTHING ? 1 : 0;
}

/** 1 when an encoder reads a source before a decoder writes. */
export function model_has_encoder(model: Model): u32 {
  return model.hasProgram && model.program.decoderLayer != 0 ? 1 : 0;
}

/** 1 when a pass must hold a text whole: its tokens see those behind them. */
export function model_is_within(model: Model): u32 {
  return model.hasProgram ? model.program.isWithin : 0;
}

/**
 * As `context_create`, for vectors of texts: a sequence of the batch is a text, its tokens stand side by side, and
 * their positions count from 0. `pooling` as in `model_pooling`.
 */
export function context_create_for_texts(
  core: Core, model: Model, rows: u32, batch: u32, sequences: u32, kvType: u32, pooling: u32,
): usize {
  if (!isModel(model)) {
    fail(core, ErrorCode.BAD_ARGUMENT, "that handle is not a model");
    return 0;
  }
  if (HAS_VECTORS) return changetype<usize>(openForTexts(core, model, rows, batch, sequences, kvType, pooling));
  fail(core, ErrorCode.UNSUPPORTED, "this build makes no vectors of texts; take limpet.wasm");
  return 0;
}

/** How rows are pooled in this context: which tokens of a text are to be asked for. */
export function context_pooling(c: Context): u32 {
  return c.pooling;
}

/** After a pass for texts: how many vectors there are, in batch order. */
export function context_vector_count(c: Context): u32 {
  return isContext(c) && c.isForTexts ? c.active : 0;
}

/**
 * target f32[dimensions] ← the first values of vector `index`; `normalised` 1: divided by their length, where it is not
 * 0.
 */
export function context_put_vector(c: Context, index: u32, dimensions: u32, normalised: u32, target: usize): i32 {
  if (!HAS_VECTORS) return 0;
  const p = c.program;
  if (!c.isForTexts || index >= c.active || dimensions < 1 || dimensions > p.value(p.vectors).width) {
    return fail(c.core, ErrorCode.BAD_ARGUMENT, "there is no vector {} of {} values", index, dimensions);
  }
  copy(target, c.at(p.vectors) + <usize>index * c.stride(p.vectors), dimensions);
  if (normalised) normalize(target, dimensions);
  return 0;
}

/**
 * The tokens of a query and a document as the model ranks them, u32[capacity], of which there may be more; below zero:
 * an error.
 */
export function model_tokenize_pair(
  core: Core, model: Model, query: usize, queryLength: u32, document: usize, documentLength: u32, target: usize,
  capacity: u32,
): i32 {
  if (!HAS_VECTORS) return 0;
  return pairTokens(core, model, query, queryLength, document, documentLength, target, capacity);
}
