/**
 * The exports of models, contexts and passes: thin functions on handles. A handle is the offset of a record; a call
 * that can fail returns a status below zero, and one that makes a handle returns 0, with the error set in the core.
 */
import { ErrorCode, fail } from "../memory/core";
import { blockBytes } from "../memory/arena";
import { Core } from "../memory/core";
import { List, canUnshare, checkOrder, dropRows, shareRows, unshare } from "../state/rows";
import {
  Context, POSITION_LIMIT, abortPass, beginPass, cacheRowBytes, contextBytes, createContext, isContext,
  releaseContext, resetContext,
} from "../pass/context";
import { createModel, releaseModel, setFileSize, stagingBytes, stepLoad, streamWeights } from "../engine/load";
import { stepPass } from "../run/run";
import { Model, ModelState, Slot, isModel } from "../engine/model";
import { requestAt } from "../weights/requests";
import { vectorBytes } from "../kernels/attention/kv_codec";
import { mergeRow, turnRow } from "../state/cache_rows";
import { isInterleaved } from "../models/registry";
import { OperandForm, formFor } from "../kernels/quant/activations/precision";

/** A model of `files` parts; `vocabularyOnly` 1 leaves the weights in the file. */
export function model_create(core: Core, files: u32, vocabularyOnly: u32): usize {
  return changetype<usize>(createModel(core, files, vocabularyOnly != 0));
}

/**
 * What stays in the file, so that each pass asks for it (context_request_*): 0 nothing, 1 all weights, 2 tables, which
 * are those of memory layers and an embedding that is not the head too. `rowCacheBytes`: memory for rows of tables that
 * were hit; 0: none. Before the first step.
 */
export function model_stream(model: Model, streamed: u32, rowCacheBytes: u32): i32 {
  return streamWeights(model, streamed, rowCacheBytes);
}

/** How many bytes part `index` has: told of every part before the first step. */
export function model_set_file_size(model: Model, index: u32, size: u64): i32 {
  return setFileSize(model, index, size);
}

/** The next slice of loading: 0 done, 1 more, 2 data needed (model_request_*), below 0 an error. */
export function model_step(model: Model): i32 {
  return stepLoad(model);
}

export function model_request_file(model: Model): u32 {
  return model.requestFile;
}

export function model_request_offset(model: Model): u64 {
  return model.requestOffset;
}

export function model_request_length(model: Model): u32 {
  return model.requestLength;
}

export function model_request_destination(model: Model): usize {
  return model.requestDestination;
}

/** Bytes of weights that stay in the file, known once planned. */
export function model_streamed_bytes(model: Model): u64 {
  return model.streamedBytes;
}

/** Rows of tables in the file: how many passes wanted so far, how many of them were read, and the bytes of those. */
export function model_rows_wanted(model: Model): u64 {
  return model.rowsWanted;
}

export function model_rows_read(model: Model): u64 {
  return model.rowsRead;
}

export function model_row_bytes_read(model: Model): u64 {
  return model.rowBytesRead;
}

/** 0 header, 1 planned, 2 weights, 3 ready, 4 failed. */
export function model_state(model: Model): u32 {
  return model.state;
}

/** Bytes of weights to be read from the files, known once planned, and how many of them are in memory. */
export function model_file_bytes(model: Model): u64 {
  return model.fileBytes;
}

export function model_loaded_bytes(model: Model): u64 {
  return model.loadedBytes;
}

/**
 * Bytes of memory that the weights and the staging buffer will take on top of what the header took, known once planned.
 */
export function model_plan_bytes(model: Model): u64 {
  return model.weightBytes + blockBytes(stagingBytes(model));
}

export function model_release(model: Model): i32 {
  return isModel(model) ? releaseModel(model) : 0;
}

/**
 * In which form activations meet the matrices of a slot, of all layers (slot Slot.COUNT: the head): 1 a byte, 2 two
 * where a block stands out, 3 two bytes, where the build has that for their type. For measuring what the rule in
 * runtime/precision.ts costs and saves.
 */
export function model_set_operands(model: Model, slot: u32, form: u32): i32 {
  if (slot > Slot.COUNT || form < OperandForm.BYTE || form > OperandForm.TWO_BYTES || model.contexts) {
    return fail(
      model.core, ErrorCode.BAD_ARGUMENT, "operands are set before a context is open, slot by slot, to 1, 2 or 3",
    );
  }
  if (slot == Slot.COUNT) {
    model.head.operandForm = formFor(model.head.type, form);
    return 0;
  }
  for (let layer: u32 = 0; layer < model.layers; layer++) {
    const weight = model.at(layer, slot);
    if (weight.present && !weight.plain && !weight.isTable) weight.operandForm = formFor(weight.type, form);
  }
  return 0;
}

/** The Gguf record, for gguf_* and entry_*; the tokenizer, for tokenizer_*. */
export function model_gguf(model: Model): usize {
  return changetype<usize>(model.gguf);
}

export function model_tokenizer(model: Model): usize {
  return model.tokenizer;
}

/** 1 when the file holds no weights, or they were not asked for. */
export function model_vocabulary_only(model: Model): u32 {
  return model.vocabularyOnly;
}

export function model_layers(model: Model): u32 {
  return model.layers;
}

export function model_hidden(model: Model): u32 {
  return model.hidden;
}

export function model_vocabulary(model: Model): u32 {
  return model.vocabulary;
}

/** Tokens of context that the model was trained for. */
export function model_context_length(model: Model): u32 {
  return model.contextLength;
}

/** Bytes of a cache row of one layer, and what full keys and values of all heads would take; kvType is Q8_0 8. */
export function model_row_bytes(model: Model, kvType: u32): u32 {
  return cacheRowBytes(model, kvType);
}

export function model_full_row_bytes(model: Model, kvType: u32): u32 {
  return model.heads * (vectorBytes(kvType, model.keySize) + vectorBytes(kvType, model.valueSize));
}

/** Tokens of a batch that suit the architecture: long enough for MLA's expanded form where there is one. */
export function model_batch(model: Model): u32 {
  return model.rank ? 256 : 128;
}

/** Bytes that such a context will take; 0 while the model's sizes are not known, or when it has no weights. */
export function context_bytes(model: Model, rows: u32, batch: u32, logitRows: u32, sequences: u32, kvType: u32): u64 {
  if (model.vocabularyOnly || model.state < ModelState.PLANNED || model.state > ModelState.READY) return 0;
  return contextBytes(model, rows, batch, logitRows, sequences, kvType);
}

/** A context of `rows` cache rows a layer (kvType 0 F32, 1 F16, 8 Q8_0) and passes of `batch` tokens. */
export function context_create(
  core: Core, model: Model, rows: u32, batch: u32, logitRows: u32, sequences: u32, kvType: u32,
): usize {
  if (!isModel(model)) {
    fail(core, ErrorCode.BAD_ARGUMENT, "that handle is not a model");
    return 0;
  }
  return changetype<usize>(createContext(core, model, rows, batch, logitRows, sequences, kvType));
}

export function context_release(c: Context): void {
  if (isContext(c)) releaseContext(c);
}

/** Forgets every sequence. */
export function context_reset(c: Context): void {
  resetContext(c);
}

/** Bytes of the cache's values, and of one token in it, all layers. */
export function context_cache_bytes(c: Context): u64 {
  return <u64>c.cache.layers * c.cache.capacity * c.cache.rowBytes;
}

export function context_token_bytes(c: Context): u32 {
  return cacheRowBytes(c.model, c.kvType) * c.cache.layers;
}

/**
 * u32[batch]: the tokens of the batch, their sequences; i32[batch]: their positions; u8[batch]: 1 where logits are
 * asked.
 */
export function context_ids(c: Context): usize {
  return c.ids;
}

export function context_sequences(c: Context): usize {
  return c.sequenceOf;
}

export function context_positions(c: Context): usize {
  return c.positions;
}

export function context_wanted(c: Context): usize {
  return c.wanted;
}

/** Bits, rows of ceil(batch/8) bytes: token i may see token j of the batch (visibility 2). */
export function context_mask(c: Context): usize {
  return c.mask;
}

/** f32[batch, hidden]: the residual stream of the tokens still in the pass. */
export function context_hidden(c: Context): usize {
  return c.hidden;
}

/** f32[logitRows, vocabulary] after a pass: the rows asked for, in batch order. */
export function context_logits(c: Context): usize {
  return c.logits;
}

/** 0 auto, 1 absorbed, 2 expanded. */
export function context_set_form(c: Context, form: u32): void {
  c.form = form;
}

/**
 * How many multiply-adds a step does before it returns: 2²⁸ unless told otherwise; at least a group of rows is done.
 */
export function context_set_step_work(c: Context, multiplyAdds: u64): void {
  c.stepWork = <i64>min<u64>(multiplyAdds, <u64>i64.MAX_VALUE);
}

/** 0 causal, 1 all, 2 mask. */
export function context_set_visibility(c: Context, visibility: u32): void {
  c.visibility = visibility;
}

/** f32[layers, rows] that attention mass is added to, or 0. */
export function context_set_mass(c: Context, mass: usize): void {
  c.mass = mass;
}

/** Begins a pass of the batch's first `tokens` tokens through layers [first, end). */
export function context_begin(c: Context, tokens: u32, first: u32, end: u32): i32 {
  return beginPass(c, tokens, first, end);
}

/** The next slice of the pass: 0 done, 1 more, 2 data needed, below 0 an error. */
export function context_step(c: Context): i32 {
  return stepPass(c);
}

/**
 * After a step that answers 2: how many ranges of the model's files have to be in memory before the next, and of each
 * its file, its offset there, its length, and where it has to be. They may be read in any order.
 */
export function context_request_count(c: Context): u32 {
  return c.requestCount;
}

export function context_request_file(c: Context, index: u32): u32 {
  return requestAt(c, index).file;
}

export function context_request_offset(c: Context, index: u32): u64 {
  return requestAt(c, index).offset;
}

export function context_request_length(c: Context, index: u32): u32 {
  return requestAt(c, index).length;
}

export function context_request_destination(c: Context, index: u32): usize {
  return requestAt(c, index).destination;
}

/** Gives the pass up: the cache is as it was before. */
export function context_abort(c: Context): void {
  abortPass(c);
}

/** The layer that the pass is in. */
export function context_layer(c: Context): u32 {
  return c.layer;
}

/** u64[layers]: exact zeros behind ReLU² in the last pass, and activations in all. */
export function context_zeros(c: Context): usize {
  return c.zeros;
}

export function context_activations(c: Context): usize {
  return c.activations;
}

/** Rows of a sequence in a layer. */
export function sequence_rows(c: Context, sequence: u32, layer: u32): u32 {
  return sequence < c.cache.sequences && layer < c.cache.layers ? c.cache.list(sequence, layer).count : 0;
}

/** Drops a sequence's rows at positions [from, to), in layers [first, end). */
export function sequence_drop(c: Context, sequence: u32, from: i32, to: i32, first: u32, end: u32): i32 {
  const status = checkSequence(c, sequence);
  if (status == 0) dropRows(c.cache, sequence, from, to, first, min(end, c.cache.layers));
  return status;
}

/** Lets sequence `to` see the rows of `from` at positions [begin, end): shared, not copied. */
export function sequence_share(c: Context, from: u32, to: u32, begin: i32, end: i32): i32 {
  let status = checkSequence(c, from);
  if (status == 0) status = checkSequence(c, to);
  if (status != 0) return status;
  if (shareRows(c.cache, from, to, begin, end)) return 0;
  return fail(c.core, ErrorCode.CONTEXT_FULL, "the sequence that should see these rows has no room for them");
}

/**
 * Moves a sequence's rows at positions [from, to) by `delta` positions: their keys are turned. An error changes
 * nothing.
 */
export function sequence_shift(c: Context, sequence: u32, from: i32, to: i32, delta: i32): i32 {
  let status = checkSequence(c, sequence);
  const cache = c.cache;
  for (let layer: u32 = 0; layer < cache.layers && status == 0; layer++) {
    status = checkShift(c, layer, cache.list(sequence, layer), from, to, delta);
  }
  if (status != 0) return status;
  const interleaved = isInterleaved(c.model);
  for (let layer: u32 = 0; layer < cache.layers; layer++) {
    const list = cache.list(sequence, layer);
    for (let i: u32 = 0; i < list.count; i++) {
      const position = list.position(i);
      if (position < from || position >= to) continue;
      unshare(cache, layer, list, i);
      turnRow(c, cache.row(layer, list.row(i)), delta, interleaved);
      list.set(i, list.row(i), position + delta);
    }
    checkOrder(list);
  }
  return 0;
}

function checkShift(c: Context, layer: u32, list: List, from: i32, to: i32, delta: i32): i32 {
  for (let i: u32 = 0; i < list.count; i++) {
    const position = list.position(i);
    if (position < from || position >= to) continue;
    const moved = <i64>position + delta;
    if (moved < 0 || moved >= <i64>POSITION_LIMIT) {
      return fail(c.core, ErrorCode.BAD_ARGUMENT, "rows cannot be moved to positions outside 0 to 999999");
    }
  }
  if (canUnshare(c.cache, layer, list, from, to)) return 0;
  return fail(c.core, ErrorCode.CONTEXT_FULL, "a shared row must be copied to be moved, and no row is free");
}

/**
 * Merges entry `source` of a sequence's list in a layer into entry `target`: (1 − weight) · target + weight · source.
 */
export function sequence_merge(c: Context, sequence: u32, layer: u32, target: u32, source: u32, weight: f32): i32 {
  const status = checkSequence(c, sequence);
  if (status != 0) return status;
  const cache = c.cache;
  const count = layer < cache.layers ? cache.list(sequence, layer).count : 0;
  if (target >= count || source >= count) {
    return fail(c.core, ErrorCode.BAD_ARGUMENT, "there is no such row in that layer");
  }
  const list = cache.list(sequence, layer);
  if (!unshare(cache, layer, list, target)) {
    return fail(c.core, ErrorCode.CONTEXT_FULL, "a shared row must be copied to be changed, and no row is free");
  }
  mergeRow(c, cache.row(layer, list.row(target)), cache.row(layer, list.row(source)), weight);
  return 0;
}

function checkSequence(c: Context, sequence: u32): i32 {
  if (c.running) {
    return fail(
      c.core, ErrorCode.WRONG_STATE, "the context is in the middle of a pass: step it to its end or abort it",
    );
  }
  if (sequence < c.cache.sequences) return 0;
  return fail(c.core, ErrorCode.BAD_ARGUMENT, "the context has no such sequence");
}
