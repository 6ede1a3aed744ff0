/**
 * The loader: a stream that the core pulls. A step answers NEED_DATA with a file range and a destination; the host
 * fills it and steps again. First the headers of all parts, then tensor after tensor in file order, each packed for its
 * kernel while it passes, so that there are never two copies of a model nor two forms of one matrix.
 *
 *     HEADER ─► PLANNED (sizes are known, nothing is loaded) ─► WEIGHTS ─► READY
 *
 *     file ──NEED_DATA──► staging (below 2 GiB, at most STAGING_BYTES or one group) ──pack──► the weight's place
 */
import { declareAdapter } from "./adapter_load";
import { MODEL_BYTES, Model, ModelState, isModel, tagModel } from "./model";
import { refuseUnused } from "./unused";
import { createVocabulary, releaseVocabulary } from "./vocabulary";
import { Core, ErrorCode, Status, fail } from "../memory/core";
import { allocate, allocateRaw, blockBytes, release } from "../memory/arena";
import { fnv } from "../memory/bytes";
import { Gguf, createGguf, mergeSplits, number, numberOr, parseGguf, releaseGguf } from "../files/gguf";
import { requireTypes } from "../files/tensors";
import { HAS_ADAPTERS } from "../parts";
import { findArchitecture } from "./architecture";
import { LAYER_LIMIT, builderBytes, initBuilder } from "../program/builder";
import { hasTensor } from "../program/declare";
import { HAS_EXPERTS } from "../parts";
import { finish, settle } from "../program/finish";
import { fuse } from "../program/fuse";
import { Op, Program } from "../program/program";
import { cacheBytes, clearRows } from "../weights/row_cache";
import { clearPool, poolBytes } from "../weights/slab_cache";
import { Streamed, leaveInFile } from "../weights/tiles";
import { GROUP_ROWS, Weight, WeightState, Weights, notFinite } from "../weights/weight";
import { rowsAreFinite } from "../kernels/lookup/table_rows";
import { blocksAreFinite } from "../kernels/quant/finite";
import { Type, blockElements } from "../kernels/quant/types";
import { dequantizeRow, packGroup, packedGroupBytes } from "../kernels/quant/index";

/** A staging buffer holds this much, or one group of rows where that is more. */
const STAGING_BYTES: u64 = ASC_LOW_MEMORY_LIMIT ? 4096 : 1 << 20;
const FILE_LIMIT: u32 = 1024;

/**
 * A model of `files` parts whose sizes follow by `setFileSize`. With `vocabularyOnly`, weights are left in the file. 0:
 * see the error.
 */
export function createModel(core: Core, files: u32, vocabularyOnly: bool): Model {
  if (files < 1 || files > FILE_LIMIT) {
    fail(core, ErrorCode.BAD_ARGUMENT, "a model has 1 to 1024 files");
    return changetype<Model>(0);
  }
  const model = changetype<Model>(allocate(core, MODEL_BYTES, "a model"));
  if (changetype<usize>(model) == 0) return model;
  model.core = core;
  model.files = files;
  model.vocabularyOnly = vocabularyOnly ? 1 : 0;
  model.shards = allocate(core, <u64>files * 4, "the parts of a model");
  if (model.shards == 0) {
    release(core, changetype<usize>(model));
    return changetype<Model>(0);
  }
  tagModel(model);
  return model;
}

/** A file with an adapter for a model whose weights are known: loaded as a model is. 0: see the error. */
export function createAdapter(core: Core, base: Model): Model {
  const none = changetype<Model>(0);
  const isPlanned = isModel(base) && base.hasProgram && changetype<usize>(base.base) == 0;
  if (!HAS_ADAPTERS || !isPlanned || base.state < ModelState.PLANNED || base.state > ModelState.READY) {
    fail(
      core,
      HAS_ADAPTERS ? ErrorCode.BAD_ARGUMENT : ErrorCode.UNSUPPORTED,
      HAS_ADAPTERS
        ? "an adapter is loaded for a model that has its weights: load that first"
        : "this build has no adapters; take limpet.wasm",
    );
    return none;
  }
  const model = createModel(core, 1, false);
  if (changetype<usize>(model) == 0) return model;
  model.base = base;
  base.contexts += 1;
  return model;
}

/** Says how long part `index` is: all parts, before the first step. */
export function setFileSize(model: Model, index: u32, size: u64): i32 {
  const core = model.core;
  if (model.state != ModelState.HEADER || index >= model.files || shardAt(model, index) != 0) {
    return fail(core, ErrorCode.WRONG_STATE, "the sizes of a model's files are set once, before loading begins");
  }
  const gguf = createGguf(core, index, size);
  if (!gguf) return core.errorCode;
  store<u32>(model.shards + ((<usize>index) << 2), changetype<usize>(gguf));
  return 0;
}

/** Leaves weights in the file, to be read when they are needed: said before the first step. */
export function streamWeights(model: Model, streamed: u32, rowCacheBytes: u32): i32 {
  if (model.state != ModelState.HEADER || model.filesParsed > 0) {
    return fail(model.core, ErrorCode.WRONG_STATE, "whether weights stay in the file is said before loading begins");
  }
  if (streamed > Streamed.TABLES) {
    return fail(model.core, ErrorCode.BAD_ARGUMENT, "what stays in the file is 0 nothing, 1 all weights, or 2 tables");
  }
  model.weights.streamed = streamed;
  model.weights.rowCacheBytes = rowCacheBytes;
  return 0;
}

/** Leaves experts in the file, whatever else stays there: said before the first step. */
export function streamExperts(model: Model, slabCacheBytes: u32): i32 {
  if (model.state != ModelState.HEADER || model.filesParsed > 0) {
    return fail(model.core, ErrorCode.WRONG_STATE, "whether weights stay in the file is said before loading begins");
  }
  model.weights.streamsExperts = 1;
  model.weights.slabCacheBytes = slabCacheBytes;
  return 0;
}

/**
 * Does the next slice of loading: MORE, NEED_DATA (see the request), DONE, or an error, after which only `releaseModel`
 * is left.
 */
export function stepLoad(model: Model): i32 {
  let status: i32 = Status.DONE;
  switch (model.state) {
    case ModelState.HEADER: status = stepHeader(model); break;
    case ModelState.PLANNED: status = reserveWeights(model); break;
    case ModelState.WEIGHTS: status = stepWeights(model); break;
    case ModelState.READY: break;
    default:
      return fail(model.core, ErrorCode.WRONG_STATE, "loading this model failed before: release it and load anew");
  }
  if (status < 0) model.state = ModelState.FAILED;
  return status;
}

/** Gives back everything that the model holds. */
export function releaseModel(model: Model): i32 {
  const core = model.core;
  if (model.contexts) {
    return fail(core, ErrorCode.WRONG_STATE, "contexts or adapters of this model are still there: release them first");
  }
  const adapter = model.adapter;
  if (HAS_ADAPTERS && changetype<usize>(adapter) != 0 && adapter.users) {
    return fail(
      core, ErrorCode.WRONG_STATE, "{} sequences still use this adapter: release their sessions, or give them others",
      adapter.users,
    );
  }
  model.tag = 0;
  if (model.hasProgram || (HAS_ADAPTERS && changetype<usize>(adapter) != 0)) {
    const weights = model.weights;
    for (let i: u32 = 0; i < weights.count; i++) if (!weights.at(i).memoryOf) release(core, weights.at(i).data);
    release(core, changetype<usize>(model.tapped));
    release(core, changetype<usize>(model.program));
    if (HAS_ADAPTERS) release(core, changetype<usize>(adapter));
  }
  if (HAS_ADAPTERS && changetype<usize>(model.base) != 0) model.base.contexts -= 1;
  releaseVocabulary(model);
  release(core, model.template);
  release(core, model.staging);
  release(core, model.order);
  if (changetype<usize>(model.gguf) != 0) releaseGguf(core, model.gguf);
  else {
    for (let i: u32 = 0; i < model.files; i++) {
      const part = shardAt(model, i);
      if (part != 0) releaseGguf(core, changetype<Gguf>(part));
    }
  }
  release(core, model.shards);
  release(core, changetype<usize>(model));
  return 0;
}

@inline
function shardAt(model: Model, index: u32): usize {
  return <usize>load<u32>(model.shards + ((<usize>index) << 2));
}

function stepHeader(model: Model): i32 {
  const core = model.core;
  while (model.filesParsed < model.files) {
    const part = shardAt(model, model.filesParsed);
    if (part == 0) return fail(core, ErrorCode.WRONG_STATE, "the size of one of the model's files was not set");
    const gguf = changetype<Gguf>(part);
    const status = parseGguf(core, gguf);
    if (status < 0) return status;
    if (status == Status.NEED_DATA) {
      return request(model, gguf.fileIndex, gguf.needOffset, gguf.needLength, gguf.needDestination);
    }
    model.filesParsed += 1;
  }
  let status = mergeSplits(core, model.shards, model.files);
  if (status < 0) return status;
  model.gguf = changetype<Gguf>(shardAt(model, 0));
  if (HAS_ADAPTERS && changetype<usize>(model.base) != 0) {
    status = declareAdapter(model);
    if (status < 0) return status;
    countBytes(model.weights);
    status = sortByOffset(model);
    if (status < 0) return status;
    model.state = ModelState.PLANNED;
    return Status.MORE;
  }
  status = createVocabulary(model);
  if (status < 0) return status;
  if (model.gguf.tensorCount == 0) model.vocabularyOnly = 1;
  if (!model.vocabularyOnly) status = declareWeights(model);
  if (status < 0) return status;
  model.state = ModelState.PLANNED;
  return Status.MORE;
}

/** Calls the architecture: its program is written, its weights are declared and sorted. */
function declareWeights(model: Model): i32 {
  const core = model.core;
  const weights = model.weights;
  weights.core = core;
  weights.gguf = model.gguf;
  if (requireTypes(core, model.gguf) < 0) return core.errorCode;
  const architecture = findArchitecture(core, model.gguf);
  if (architecture == 0) return core.errorCode;
  // The builder is as large as the number of layers says; the architecture checks that number with all others.
  const layers = number(core, model.gguf, ".block_count");
  if (model.gguf.error) return model.gguf.error;
  // A decoder's layer behind an encoder attends twice, and is two layers of the program.
  const isBoth = hasTensor(model.gguf, "dec.blk.", 0, "attn_norm", ".weight");
  const decoder = isBoth ? numberOr(core, model.gguf, ".decoder_block_count", layers) : 0;
  if (model.gguf.error) return model.gguf.error;
  if (layers > LAYER_LIMIT) {
    return fail(core, ErrorCode.BAD_FILE, "the metadata's .block_count is above 1024; convert the model anew");
  }
  if (decoder > LAYER_LIMIT / 2 || layers + 2 * decoder > LAYER_LIMIT) {
    return fail(
      core, ErrorCode.BAD_FILE,
      "the metadata's .decoder_block_count, twice and with .block_count, is above 1024; convert the model anew",
    );
  }
  const all = layers + 2 * decoder;
  const scratch = allocate(core, builderBytes(all), "the program of a model");
  if (scratch == 0) return core.errorCode;
  const b = initBuilder(scratch, core, model.gguf, weights, all);
  b.decoderBlocks = decoder;
  b.vocabulary = model.vocabulary;
  call_indirect<void>(architecture, b);
  if (b.error == 0) fuse(b);
  const finished = finish(b);
  if (!finished) {
    const status = b.error ? b.error : core.errorCode;
    release(core, scratch);
    return status;
  }
  const program = settle(b, finished, scratch);
  model.program = program;
  const unused = refuseUnused(model);
  if (unused) return unused;
  if (weights.streamed == Streamed.NOTHING) interleaveTables(program);
  countBytes(weights);
  if (weights.streamed || weights.streamsExperts) leaveInFile(weights);
  return sortByOffset(model);
}

/**
 * Lays the rows of tables that one hash hits beside each other in memory, so that what a code names lies in one place:
 * one miss of the page tables, not as many as tables.
 *
 *     memory of the first   ┌ row 0 of each table ┬ row 1 of each ┬ … ┐       each `rowStep` bytes
 */
function interleaveTables(p: Program): void {
  for (let layer: u32 = 0; layer < p.layerCount; layer++) {
    const kind = p.kind(p.layer(layer).kind);
    for (let i = kind.firstStep; i < kind.firstStep + kind.steps; i += 1 + p.step(i).members) {
      const s = p.step(i);
      if (s.op != Op.LOOK_UP || s.members == 0) continue;
      let step: u64 = 0;
      for (let m: u32 = 0; m <= s.members; m++) step += p.weight(layer, s.behind(m).weight).fileRowBytes;
      let place: u32 = 0;
      for (let m: u32 = 0; m <= s.members; m++) {
        const table = p.weight(layer, s.behind(m).weight);
        table.rowStep = <u32>step;
        table.rowPlace = place;
        if (m != 0) table.memoryOf = changetype<usize>(p.weight(layer, s.weight));
        place += <u32>table.fileRowBytes;
      }
    }
  }
}

function countBytes(weights: Weights): void {
  for (let i: u32 = 0; i < weights.count; i++) {
    const weight = weights.at(i);
    if (!weight.memoryOf) weights.bytes += blockBytes(weight.bytes);
    weights.fileBytes += weight.fileRowBytes * weight.rows;
  }
}

/** u32[]: the declared weights in the order in which they lie in the files, for one pass through each. */
function sortByOffset(model: Model): i32 {
  model.order = allocateRaw(model.core, <u64>model.weights.count * 4, "the order of weights");
  if (model.order == 0) return model.core.errorCode;
  let count: u32 = 0;
  const weights = model.weights;
  for (let i: u32 = 0; i < weights.count; i++) {
    if (weights.at(i).state == WeightState.DECLARED) store<u32>(model.order + ((<usize>(count++)) << 2), i);
  }
  model.orderCount = count;
  // Shell sort: files are nearly in order, and tables have hundreds of entries.
  for (let gap = count >> 1; gap > 0; gap >>= 1) {
    for (let i = gap; i < count; i++) {
      const moving = orderAt(model, i);
      let j = i;
      for (; j >= gap && comesBefore(model, moving, orderAt(model, j - gap)); j -= gap) {
        store<u32>(model.order + ((<usize>j) << 2), orderAt(model, j - gap));
      }
      store<u32>(model.order + ((<usize>j) << 2), moving);
    }
  }
  return Status.DONE;
}

@inline
function orderAt(model: Model, index: u32): u32 {
  return load<u32>(model.order + ((<usize>index) << 2));
}

function comesBefore(model: Model, a: u32, b: u32): bool {
  const left = model.weights.at(a);
  const right = model.weights.at(b);
  return left.file != right.file ? left.file < right.file : left.offset < right.offset;
}

/** Takes the memory of every weight, so that too small a memory shows before anything is read. */
function reserveWeights(model: Model): i32 {
  const core = model.core;
  model.state = ModelState.WEIGHTS;
  if (model.vocabularyOnly) return Status.MORE;
  const staging = stagingBytes(model);
  model.staging = allocateRaw(core, staging, "the staging buffer");
  model.stagingBytes = <u32>staging;
  if (model.staging == 0) return core.errorCode;
  const weights = model.weights;
  for (let i: u32 = 0; i < model.orderCount; i++) {
    const weight = weights.at(orderAt(model, i));
    if (weight.memoryOf) continue;
    weight.data = allocateRaw(core, weight.bytes, "the model's weights");
    if (weight.data == 0) return core.errorCode;
  }
  for (let i: u32 = 0; i < weights.count; i++) {
    const weight = weights.at(i);
    if (weight.memoryOf) weight.data = changetype<Weight>(weight.memoryOf).data + weight.rowPlace;
    if (weight.state != WeightState.STREAMED || weight.ways == 0) continue;
    if (HAS_EXPERTS && weight.chosen != 0) {
      weight.data = allocateRaw(core, poolBytes(weight), "the cache of experts");
      if (weight.data == 0) return core.errorCode;
      clearPool(weight);
      continue;
    }
    weight.data = allocateRaw(core, cacheBytes(weight), "the row cache");
    if (weight.data == 0) return core.errorCode;
    clearRows(weight);
  }
  return Status.MORE;
}

/** Bytes of the staging buffer: what the weight that wants most wants. Known once planned, while loading. */
export function stagingBytes(model: Model): u64 {
  let most: u64 = 0;
  for (let i: u32 = 0; i < model.orderCount && model.order != 0; i++) {
    const bytes = stagingFor(model.weights.at(orderAt(model, i)));
    if (bytes > most) most = bytes;
  }
  return most;
}

/** Bytes of staging that a weight wants: all of it when small, STAGING_BYTES, or what is packed at once. */
function stagingFor(weight: Weight): u64 {
  const row = weight.fileRowBytes;
  const all = row * weight.rows;
  return all <= STAGING_BYTES ? all : max(row * min(weight.rows, GROUP_ROWS), STAGING_BYTES);
}

function stepWeights(model: Model): i32 {
  if (model.rowsAsked) {
    const status = takeRows(model);
    if (status < 0) return status;
  }
  while (model.orderIndex < model.orderCount) {
    const weight = model.weights.at(orderAt(model, model.orderIndex));
    if (model.rowsDone == weight.rows) {
      weight.state = WeightState.RESIDENT;
      model.rowsDone = 0;
      model.orderIndex += 1;
      continue;
    }
    const row = weight.fileRowBytes;
    // Experts are packed one by one.
    const left = weight.slabRows - (model.rowsDone % weight.slabRows);
    let rows = <u32>min<u64>(<u64>left, <u64>model.stagingBytes / row);
    if (rows < left) rows &= ~(GROUP_ROWS - 1);
    model.rowsAsked = rows;
    return request(model, weight.file, weight.offset + row * model.rowsDone, <u32>(row * rows), model.staging);
  }
  release(model.core, model.staging);
  release(model.core, model.order);
  model.staging = 0;
  model.order = 0;
  model.state = ModelState.READY;
  return Status.DONE;
}

/** Packs the rows that lie in the staging buffer. */
function takeRows(model: Model): i32 {
  const weight = model.weights.at(orderAt(model, model.orderIndex));
  const row = <usize>weight.fileRowBytes;
  const rows = model.rowsAsked;
  const adapter = model.adapter;
  if (HAS_ADAPTERS && changetype<usize>(adapter) != 0) adapter.digest = fnv(adapter.digest, model.staging, row * rows);
  const type = HAS_ADAPTERS && weight.isWidened ? Type.Q8_0 : weight.type;
  if (!weight.isTable) {
    const blocks = <u32>(rows * (weight.columns / blockElements(type)));
    if (!blocksAreFinite(type, model.staging, blocks)) return notFinite(model.weights, weight);
  }
  if (HAS_ADAPTERS && weight.isWidened) {
    if (packWidened(model, weight, rows) != 0) return model.core.errorCode;
  } else if (weight.isVector) {
    for (let i: u32 = 0; i < rows; i++) {
      const target = weight.data + ((<usize>(model.rowsDone + i) * weight.columns) << 2);
      dequantizeRow(weight.type, model.staging + <usize>i * row, target, weight.columns);
    }
  } else if (weight.isTable) {
    if (!rowsAreFinite(weight.type, model.staging, rows * weight.columns)) return notFinite(model.weights, weight);
    const step = weight.step;
    const target = weight.data + <usize>model.rowsDone * step;
    if (step == row) memory.copy(target, model.staging, row * rows);
    else for (let i: usize = 0; i < rows; i++) memory.copy(target + i * step, model.staging + i * row, row);
  } else {
    const groupBytes = packedGroupBytes(weight.type, weight.columns);
    const slab = model.rowsDone / weight.slabRows;
    const first = slab * weight.slabGroups + (model.rowsDone - slab * weight.slabRows) / GROUP_ROWS;
    for (let i: u32 = 0; i < rows; i += GROUP_ROWS) {
      const group = first + i / GROUP_ROWS;
      const count = min<u32>(GROUP_ROWS, rows - i);
      packGroup(
        weight.type, model.staging + <usize>i * row, row, count, weight.columns,
        weight.data + <usize>group * groupBytes,
      );
    }
  }
  model.loadedBytes += row * rows;
  model.rowsDone += rows;
  model.rowsAsked = 0;
  return Status.DONE;
}

/** Packs rows of Q8_0 as rows of F32, a group at a time: products of pairs are made of floats. */
function packWidened(model: Model, weight: Weight, rows: u32): i32 {
  const row = <usize>weight.fileRowBytes;
  const bytes = (<usize>weight.columns) << 2;
  const floats = allocateRaw(model.core, <u64>bytes * GROUP_ROWS, "eight rows of an adapter");
  if (floats == 0) return model.core.errorCode;
  const groupBytes = packedGroupBytes(weight.type, weight.columns);
  for (let i: u32 = 0; i < rows; i += GROUP_ROWS) {
    const count = min<u32>(GROUP_ROWS, rows - i);
    for (let j: u32 = 0; j < count; j++) {
      dequantizeRow(Type.Q8_0, model.staging + <usize>(i + j) * row, floats + <usize>j * bytes, weight.columns);
    }
    const target = weight.data + <usize>((model.rowsDone + i) / GROUP_ROWS) * groupBytes;
    packGroup(weight.type, floats, bytes, count, weight.columns, target);
  }
  release(model.core, floats);
  return 0;
}

function request(model: Model, file: u32, offset: u64, length: u32, destination: usize): i32 {
  model.requestFile = file;
  model.requestOffset = offset;
  model.requestLength = length;
  model.requestDestination = destination;
  return Status.NEED_DATA;
}
