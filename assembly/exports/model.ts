/**
 * The exports of models, contexts and passes: thin functions on handles. A handle is the offset of a record; a call
 * that can fail returns a status below zero, and one that makes a handle returns 0, with the error set in the core.
 */
import {
  createModel, releaseModel, setFileSize, stagingBytes, stepLoad, streamExperts, streamWeights,
} from "../engine/load";
import { Model, ModelState, isModel } from "../engine/model";
import { evictInLayer } from "../engine/evict";
import { dropInLayers, mergeInLayer, shareAll, shiftAll } from "../engine/sequence";
import { openContext, openTapped } from "../engine/open";
import { writePage } from "../engine/page";
import { Core, ErrorCode, fail } from "../memory/core";
import { blockBytes } from "../memory/arena";
import { sameText } from "../memory/bytes";
import { findTensorAt } from "../files/gguf";
import { abortPass, beginPass, listLength, resetContext } from "../pass/batch";
import { BATCH_LIMIT, Context, Form, Visibility, isContext, releaseContext, stateBytes } from "../pass/context";
import { HAS_PRINT, HAS_RECURRENT, HAS_SAMPLERS } from "../parts";
import { Program, Tap } from "../program/program";
import { contextBytes } from "../run/open";
import { stepPass } from "../run/run";
import { rowBytes } from "../state/kinds";
import { StateKind } from "../state/shape";
import { vectorBytes } from "../kernels/attention/kv_codec";
import { ActivationPrecision, precisionFor } from "../kernels/quant/activations/precision";

/** A model of `files` parts; `vocabularyOnly` 1 leaves the weights in the file. */
export function model_create(core: Core, files: u32, vocabularyOnly: u32): usize {
  return changetype<usize>(createModel(core, files, vocabularyOnly != 0));
}

/**
 * What stays in the file, so that each pass asks for it (context_request_*): 0 nothing, 1 all weights but experts, 2
 * tables, which are those of memory layers and an embedding that is not the head too. `rowCacheBytes`: memory for rows
 * of tables that were hit; 0: none. Before the first step.
 */
export function model_stream(model: Model, streamed: u32, rowCacheBytes: u32): i32 {
  return streamWeights(model, streamed, rowCacheBytes);
}

/**
 * Leaves experts in the file too, whose matrices a pass asks for when tokens go to them. `cacheBytes`: memory for those
 * that were hit; at least what one token takes in one layer. Before the first step.
 */
export function model_stream_experts(model: Model, cacheBytes: u32): i32 {
  return streamExperts(model, cacheBytes);
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
  return model.weights.streamedBytes;
}

/** Rows of tables in the file: how many passes wanted so far, how many of them were read, and the bytes of those. */
export function model_rows_wanted(model: Model): u64 {
  return model.weights.rowsWanted;
}

export function model_rows_read(model: Model): u64 {
  return model.weights.rowsRead;
}

export function model_row_bytes_read(model: Model): u64 {
  return model.weights.rowBytesRead;
}

/** Bytes of experts that stay in the file. */
export function model_expert_bytes(model: Model): u64 {
  return model.weights.expertBytes;
}

/**
 * Matrices of experts in the file: how many passes wanted so far, how many of them were read, and the bytes of those.
 */
export function model_slabs_wanted(model: Model): u64 {
  return model.weights.slabsWanted;
}

export function model_slabs_read(model: Model): u64 {
  return model.weights.slabsRead;
}

export function model_slab_bytes_read(model: Model): u64 {
  return model.weights.slabBytesRead;
}

/** 0 header, 1 planned, 2 weights, 3 ready, 4 failed. */
export function model_state(model: Model): u32 {
  return model.state;
}

/** Bytes of weights to be read from the files, known once planned, and how many of them are in memory. */
export function model_file_bytes(model: Model): u64 {
  return model.weights.fileBytes;
}

export function model_loaded_bytes(model: Model): u64 {
  return model.loadedBytes;
}

/**
 * Bytes of memory that the weights and the staging buffer will take on top of what the header took, known once planned.
 */
export function model_plan_bytes(model: Model): u64 {
  return model.weights.bytes + blockBytes(stagingBytes(model));
}

export function model_release(model: Model): i32 {
  return isModel(model) ? releaseModel(model) : 0;
}

/**
 * In which form activations meet the matrices of a name, of all layers ("attn_q", "output", …: as in the file, without
 * the layer and without ".weight"): 1 a byte, 2 two where a block stands out, 3 two bytes, where the build has that for
 * their type. For measuring what the rule in weights/precision.ts costs and saves. Before a context is open.
 */
export function model_set_operands(model: Model, name: usize, length: u32, form: u32): i32 {
  if (form < ActivationPrecision.BYTE || form > ActivationPrecision.TWO_BYTES || model.contexts || !model.hasProgram) {
    return fail(
      model.core, ErrorCode.BAD_ARGUMENT, "operands are set before a context is open, name by name, to 1, 2 or 3",
    );
  }
  const weights = model.weights;
  for (let i: u32 = 0; i < weights.count; i++) {
    const weight = weights.at(i);
    if (weight.isVector || weight.isTable || !isNamed(model, weight.file, weight.offset, name, length)) continue;
    weight.precision = precisionFor(weight.type, form);
  }
  return 0;
}

/** Whether the tensor that begins at `offset` of a file has this name, without its layer and without ".weight". */
function isNamed(model: Model, file: u32, offset: u64, name: usize, length: u32): bool {
  const tensor = findTensorAt(model.gguf, file, offset);
  if (!tensor) return false;
  let begin: u32 = 0;
  if (tensor.nameLength > 4 && sameText(tensor.name, 4, "blk.")) {
    begin = 4;
    while ((begin < tensor.nameLength && load<u8>(tensor.name + begin - 1) != 46) || begin == 4) begin += 1;
  }
  if (tensor.nameLength != begin + length + 7) return false;
  return memory.compare(tensor.name + begin, name, length) == 0;
}

/**
 * The program of the model as text, a line a step, and the memory of a usual context: writes at most `capacity` bytes
 * to `target`, and returns how many there are. Once planned; 0: the model has none (see the error), or the build prints
 * none.
 */
export function model_program(model: Model, target: usize, capacity: u32): u32 {
  return HAS_PRINT ? writePage(model, target, capacity) : 0;
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
  return model.hasProgram ? model.program.layerCount : 0;
}

export function model_hidden(model: Model): u32 {
  return model.hasProgram ? model.program.hidden : 0;
}

export function model_vocabulary(model: Model): u32 {
  return model.vocabulary;
}

/** Tokens of context that the model was trained for. */
export function model_context_length(model: Model): u32 {
  return model.hasProgram ? model.program.contextLength : 0;
}

/** Bytes that each token of a sequence takes in the layers that keep rows; their values are of `kvType`. */
export function model_token_bytes(model: Model, kvType: u32): u32 {
  return model.hasProgram ? tokenBytes(model.program, kvType) : 0;
}

/** Bytes that a sequence takes in the layers that keep one state for all of its tokens, however many. */
export function model_state_bytes(model: Model): u32 {
  if (!HAS_RECURRENT || !model.hasProgram) return 0;
  let bytes: u32 = 0;
  for (let i: u32 = 0; i < model.program.stateCount; i++) {
    const s = model.program.state(i);
    if (s.kind == StateKind.RECURRENT) bytes += s.layers * rowBytes(s, 0);
  }
  return bytes;
}

function tokenBytes(p: Program, kvType: u32): u32 {
  let bytes: u32 = 0;
  for (let i: u32 = 0; i < p.stateCount; i++) {
    const s = p.state(i);
    if (!HAS_RECURRENT || s.kind != StateKind.RECURRENT) bytes += s.layers * rowBytes(s, kvType);
  }
  return bytes;
}

/** Bytes that full keys and values of all heads would take in a layer, of `kvType`. */
export function model_full_row_bytes(model: Model, kvType: u32): u32 {
  if (!model.hasProgram) return 0;
  const p = model.program;
  return p.fullHeads * (vectorBytes(kvType, p.fullKeys) + vectorBytes(kvType, p.fullValues));
}

/** Tokens of a batch that suit the architecture: long enough for MLA's expanded form where there is one. */
export function model_batch(model: Model): u32 {
  return model.hasProgram ? model.program.batch : 0;
}

/** Bytes that such a context will take; 0 while the model's sizes are not known, or when it has no weights. */
export function context_bytes(model: Model, rows: u32, batch: u32, logitRows: u32, sequences: u32, kvType: u32): u64 {
  if (!model.hasProgram || model.state < ModelState.PLANNED || model.state > ModelState.READY) return 0;
  if (rows < 1 || batch < 1 || batch > BATCH_LIMIT || logitRows > batch || sequences < 1 || sequences > 256) return 0;
  return contextBytes(model.program, rows, batch, logitRows, sequences, kvType);
}

/** A context of `rows` cache rows a layer (kvType 0 F32, 1 F16, 8 Q8_0) and passes of `batch` tokens. */
export function context_create(
  core: Core, model: Model, rows: u32, batch: u32, logitRows: u32, sequences: u32, kvType: u32,
): usize {
  if (!isModel(model)) return noModel(core);
  return changetype<usize>(openContext(core, model, rows, batch, logitRows, sequences, kvType));
}

function noModel(core: Core): usize {
  fail(core, ErrorCode.BAD_ARGUMENT, "that handle is not a model");
  return 0;
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
  return stateBytes(c.program, c.tokenCapacity, c.keptRows, c.batchCapacity, c.sequences, c.kvType, c.isShared);
}

export function context_token_bytes(c: Context): u32 {
  return tokenBytes(c.program, c.kvType);
}

/**
 * u32[batch]: the tokens of the batch, their sequences; i32[batch]: their positions; u8[batch]: 1 where logits are
 * asked.
 */
export function context_ids(c: Context): usize {
  return c.nextIds;
}

export function context_sequences(c: Context): usize {
  return c.nextSequences;
}

export function context_positions(c: Context): usize {
  return c.nextPositions;
}

export function context_wanted(c: Context): usize {
  return c.nextWanted;
}

/** Bits, rows of ceil(batch/8) bytes: token i may see token j of the batch (visibility 2). */
export function context_mask(c: Context): usize {
  return c.mask;
}

/** f32[batch, hidden]: the residual stream of the tokens still in the pass. */
export function context_hidden(c: Context): usize {
  return c.at(c.program.stream);
}

/** f32[logitRows, vocabulary] after a pass: the rows asked for, in batch order. */
export function context_logits(c: Context): usize {
  return c.at(c.program.logits);
}

/** How latent attention is computed from the next pass on: 0 auto, 1 absorbed, 2 expanded. */
export function context_set_form(c: Context, form: u32): i32 {
  if (form > Form.EXPANDED) {
    return fail(
      c.core, ErrorCode.BAD_ARGUMENT, "the form of latent attention is 0 auto, 1 absorbed or 2 expanded, not {}", form,
    );
  }
  c.form = form;
  return 0;
}

/**
 * How many multiply-adds a step does before it returns: 2²⁸ unless told otherwise; at least a group of rows is done.
 */
export function context_set_step_work(c: Context, multiplyAdds: u64): void {
  c.stepWork = <i64>min<u64>(multiplyAdds, <u64>i64.MAX_VALUE);
}

/** What a token sees of its sequence, from the next pass on: 0 causal, 1 all, 2 what the mask allows. */
export function context_set_visibility(c: Context, visibility: u32): i32 {
  if (visibility > Visibility.MASK) {
    return fail(
      c.core, ErrorCode.BAD_ARGUMENT, "what a token sees is 0 causal, 1 all or 2 by mask, not {}", visibility,
    );
  }
  c.visibility = visibility;
  return 0;
}

/** f32[layers, rows] that attention mass is added to, or 0. */
export function context_set_mass(c: Context, mass: usize): void {
  c.mass = mass;
  if (HAS_SAMPLERS) c.massFrom = u32.MAX_VALUE;
}

/**
 * As `context_create`, of a program that can be tapped: `taps` is a sum of 1 attention by head, 2 FFN activity, 4
 * hidden states. Where they are written is told by `context_set_tap`; the answers have the same bits.
 */
export function context_create_tapped(
  core: Core, model: Model, rows: u32, batch: u32, logitRows: u32, sequences: u32, kvType: u32, taps: u32,
): usize {
  if (!isModel(model)) return noModel(core);
  return changetype<usize>(openTapped(core, model, rows, batch, logitRows, sequences, kvType, taps));
}

/**
 * Where a tap is written from the next pass on, 0: nowhere. 0 attention f32[layers][heads][rows], added up; 1 what
 * enters the last linear of the feed-forward network f32[layers][batch][width], width being that of the widest layer
 * (what enters experts is not tapped); 2 the residual stream behind each layer f32[layers][batch][hidden].
 */
export function context_set_tap(c: Context, tap: u32, target: usize): i32 {
  if (tap >= Tap.COUNT || !((c.program.taps >> tap) & 1)) {
    return fail(c.core, ErrorCode.BAD_ARGUMENT, "this context was not made for tap {}: say so when it is made", tap);
  }
  c.setTap(tap, target);
  return 0;
}

/**
 * Begins a pass of the batch's first `tokens` tokens through an encoder: what it gives is kept for the passes of its
 * decoder. Each sequence is a whole text.
 */
export function context_begin_source(c: Context, tokens: u32): i32 {
  return beginPass(c, tokens, 0, c.program.layerCount, 1);
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
  return c.requests.count;
}

export function context_request_file(c: Context, index: u32): u32 {
  return index < c.requests.count ? c.requests.at(index).file : 0;
}

export function context_request_offset(c: Context, index: u32): u64 {
  return index < c.requests.count ? c.requests.at(index).offset : 0;
}

export function context_request_length(c: Context, index: u32): u32 {
  return index < c.requests.count ? c.requests.at(index).length : 0;
}

export function context_request_destination(c: Context, index: u32): usize {
  return index < c.requests.count ? c.requests.at(index).destination : 0;
}

/** 1: a slice of the pass ends behind each step of the program, so that a host can time it; 0: not. */
export function context_set_traced(c: Context, traced: u32): void {
  c.traced = traced ? 1 : 0;
}

/** The step of the program that the pass is at (`model_program` lists them by this number); −1: it is in none. */
export function context_at(c: Context): i32 {
  return c.running ? <i32>c.step : -1;
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
  return sequence < c.sequences && layer < c.program.layerCount ? listLength(c, sequence, layer) : 0;
}

/** Drops a sequence's rows at positions [from, to), in layers [first, end). */
export function sequence_drop(c: Context, sequence: u32, from: i32, to: i32, first: u32, end: u32): i32 {
  return dropInLayers(c, sequence, from, to, first, end);
}

/**
 * Lets sequence `to` see the rows of `from` at positions [begin, end): shared, not copied. An error changes nothing.
 */
export function sequence_share(c: Context, from: u32, to: u32, begin: i32, end: i32): i32 {
  return shareAll(c, from, to, begin, end);
}

/**
 * Moves a sequence's rows at positions [from, to) by `delta` positions: their keys are turned. An error changes
 * nothing.
 */
export function sequence_shift(c: Context, sequence: u32, from: i32, to: i32, delta: i32): i32 {
  return shiftAll(c, sequence, from, to, delta);
}

/**
 * Merges entry `source` of a sequence's list in a layer into entry `target`: (1 − weight) · target + weight · source.
 */
export function sequence_merge(c: Context, sequence: u32, layer: u32, target: u32, source: u32, weight: f32): i32 {
  return mergeInLayer(c, sequence, layer, target, source, weight);
}

/**
 * Keeps the last `recent` rows of a sequence in a layer and, of those before, the `important` of highest score, the
 * first `sinks` before all; the others are evicted. `scores`: 0, or f32[rows] of the layer, as `context_set_mass` adds
 * them up: what was evicted scores 0 from now on. `merge`: 0 they are dropped (H2O; with as many important rows as
 * sinks: sinks and recent), 1 or 2 those that are like a kept row go into it, by the code or the paper of D2O, where
 * `threshold` f32[1], NaN at first, says how like, and follows by `beta`. Returns how many rows went; layers with a
 * window keep theirs. A row that went does not come back: give the tokens again.
 */
export function sequence_evict(
  c: Context, sequence: u32, layer: u32, scores: usize, important: u32, recent: u32, sinks: u32, merge: u32,
  threshold: usize, beta: f32,
): i32 {
  return evictInLayer(c, sequence, layer, scores, important, recent, sinks, merge, threshold, beta);
}
