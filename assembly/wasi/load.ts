/**
 * What commands begin with: a model loaded from files, a context of the asked size, the clock, and the build's name.
 */
import { allocate, allocateRaw } from "../memory/arena";
import { setF32, setU32 } from "../memory/bytes";
import { Status } from "../memory/core";
import { Context, Form } from "../pass/context";
import { openContext } from "../engine/open";
import { setOfSequence } from "../engine/adapters";
import { createAdapter, createModel, setFileSize, stepLoad, streamExperts, streamWeights } from "../engine/load";
import { warningOf } from "../engine/warnings";
import { Model, ModelState } from "../engine/model";
import { HAS_EXPERTS } from "../parts";
import { Streamed } from "../weights/tiles";
import { KvType } from "../kernels/attention/kv_codec";
import { Gguf, createGguf, mergeSplits, parseGguf } from "../files/gguf";
import { Command, FAILURE, SUCCESS, hostScratch, failure, flag, given, repeated, whole, wholeUpTo } from "./command";
import { Use, fileSize, openFile, readAt } from "./files";
import { CLOCK_MONOTONIC, CLOCK_REALTIME, clock_time_get } from "./imports";
import { putByte, putText, putWords } from "./output";
import {
  Bytes, endOf, equals, fromText, indexOf, lengthOf, parseNumber, parseWhole, bytesOf, startOf, tail,
} from "./bytes";

const SPACE: u8 = 0x20;
const EQUALS: u8 = 0x3d;
const DEFAULT_CONTEXT: u32 = 4096;
const PART_LIMIT: u64 = 1024;
/** MiB: more than the memory has is refused when it is taken. */
const CACHE_LIMIT: u64 = 4095;
/** `-00001-of-00003.gguf` */
const SPLIT_BYTES: u32 = 20;

/** Milliseconds of a clock that only goes forward. */
export function now(c: Command): f64 {
  store<u64>(hostScratch(c), 0);
  clock_time_get(CLOCK_MONOTONIC, 1000, hostScratch(c));
  return <f64>load<u64>(hostScratch(c)) / 1e6;
}

/** A number below 2^32 that is another one each time: of the time of day, whose bits are mixed (splitmix64). */
export function seedOfNow(c: Command): u64 {
  store<u64>(hostScratch(c), 0);
  clock_time_get(CLOCK_REALTIME, 1, hostScratch(c));
  let x = load<u64>(hostScratch(c)) + 0x9e37_79b9_7f4a_7c15;
  x = (x ^ (x >> 30)) * 0xbf58_476d_1ce4_e5b9;
  x = (x ^ (x >> 27)) * 0x94d0_49bb_1331_11eb;
  return (x ^ (x >> 31)) & 0xffff_ffff;
}

/** The name of this build. */
export function buildName(): string {
  return ASC_FEATURE_RELAXED_SIMD ? "fast" : ASC_FEATURE_SIMD ? "portable" : "scalar";
}

/** Refuses a --build that is another file than this, and says that there is one thread. */
export function checkBuild(c: Command): i32 {
  const isBest = given(c, "best");
  const asked = isBest ? flag(c, "best") : flag(c, "build");
  // What nobody asked for is this build. The scalar one has the portable bits, so it does for them.
  const isAny =
    (!isBest && !given(c, "build")) ||
    equals(asked, "auto") ||
    (!ASC_FEATURE_RELAXED_SIMD && equals(asked, "portable"));
  if (!isAny && !equals(asked, buildName())) {
    putText(c.err, "limpet: this file is the ");
    putText(c.err, buildName());
    putText(c.err, " build; the ");
    putWords(c.err, asked);
    putText(c.err, " one is limpet.wasi.");
    if (equals(asked, "fast")) putText(c.err, "relaxed.");
    if (equals(asked, "scalar")) putText(c.err, "scalar.");
    putText(c.err, "wasm\n");
    return FAILURE;
  }
  if (whole(c, "threads") > 1) putText(c.err, "limpet: this version computes with one thread\n");
  return SUCCESS;
}

/** The open parts of a model: for each its path and its descriptor. */
@unmanaged
class Parts {
  count: u32;
  /** {path Bytes, descriptor u32, size u64}[count] */
  list: usize;
}

const PART_BYTES: usize = 24;

@inline
function partAt(parts: Parts, index: u32): usize {
  return parts.list + <usize>index * PART_BYTES;
}

/** Opens every part of a path; 0: the failure is printed. */
function openParts(c: Command, path: Bytes): Parts {
  const none = changetype<Parts>(0);
  const count = partCount(c, path);
  const block = allocate(c.core, offsetof<Parts>() + 8 + PART_BYTES * <u64>count, "the files of a model");
  if (block == 0) {
    failure(c);
    return none;
  }
  const parts = changetype<Parts>(block);
  parts.count = count;
  parts.list = block + 16;
  for (let i: u32 = 0; i < count; i++) {
    const name = count > 1 ? partPath(c, path, i + 1) : path;
    const fd = startOf(name) != 0 ? openFile(c, name, Use.READ) : -1;
    const size = fd >= 0 ? fileSize(c, <u32>fd, name) : -1;
    if (size < 0) return none;
    store<u64>(partAt(parts, i), name);
    store<u32>(partAt(parts, i), <u32>fd, 8);
    store<i64>(partAt(parts, i), size, 16);
  }
  return parts;
}

/** Reads a range of a part; a FAILURE is printed. */
function readPart(c: Command, parts: Parts, index: u32, offset: u64, target: usize, length: u32): i32 {
  const part = partAt(parts, index);
  return readAt(c, load<u32>(part, 8), load<u64>(part), offset, target, length);
}

/**
 * Loads the model of a path, all parts of it when it is split, as --tables and --experts say; 0: the failure is
 * printed.
 */
export function loadModel(c: Command, path: Bytes, vocabularyOnly: bool): Model {
  return loadUpTo(c, path, vocabularyOnly, ModelState.READY);
}

/** The same without its weights: its program is there, and sizes are known. */
export function planModel(c: Command, path: Bytes): Model {
  return loadUpTo(c, path, false, ModelState.PLANNED);
}

function loadUpTo(c: Command, path: Bytes, vocabularyOnly: bool, state: u32): Model {
  const none = changetype<Model>(0);
  const parts = openParts(c, path);
  if (changetype<usize>(parts) == 0) return none;
  const model = createModel(c.core, parts.count, vocabularyOnly);
  let status: i32 = changetype<usize>(model) != 0 ? Status.MORE : -1;
  if (status > 0 && equals(flag(c, "tables"), "stream")) {
    status = streamWeights(model, Streamed.TABLES, cacheOf(c, "table-cache")) < 0 ? -1 : Status.MORE;
  }
  if (HAS_EXPERTS && status > 0 && equals(flag(c, "experts"), "stream")) {
    status = streamExperts(model, cacheOf(c, "expert-cache")) < 0 ? -1 : Status.MORE;
  }
  if (status > 0) status = fill(c, model, parts, state);
  if (status == FILE_FAILED) return none;
  if (status == Status.DONE) {
    printWarnings(c, model.gguf);
    c.parts = changetype<usize>(parts);
    return model;
  }
  failure(c);
  return none;
}

/** A file cannot be read, which is said. */
const FILE_FAILED: i32 = i32.MIN_VALUE;

/** Loads up to a state: DONE, FILE_FAILED, or the core's error. */
function fill(c: Command, model: Model, parts: Parts, state: u32): i32 {
  let status: i32 = Status.MORE;
  for (let i: u32 = 0; i < parts.count && status >= 0; i++) {
    if (setFileSize(model, i, load<u64>(partAt(parts, i), 16)) < 0) status = -1;
  }
  while (status > 0) {
    status = stepLoad(model);
    if (status > 0 && model.state == state) status = Status.DONE;
    if (status != Status.NEED_DATA) continue;
    const target = model.requestDestination;
    const read = readPart(c, parts, model.requestFile, model.requestOffset, target, model.requestLength);
    if (read != SUCCESS) return FILE_FAILED;
  }
  return status;
}

/** Loads the adapters of --lora, FILE or FILE=WEIGHT each; false: the failure is printed. */
export function loadAdapters(c: Command, model: Model): bool {
  if (c.adapterCount > 0) return true;
  c.adapters = allocateRaw(c.core, <u64>c.repeatCount * 8 + 8, "the adapters");
  if (c.adapters == 0) return failure(c) == SUCCESS;
  c.adapterWeights = c.adapters + <usize>c.repeatCount * 4;
  for (let i: u32 = 0; ; i++) {
    const given = repeated(c, "lora", i);
    if (given == 0) break;
    let path = given;
    store<f64>(hostScratch(c), 1);
    let from = lengthOf(given);
    while (from > 0 && load<u8>(startOf(given) + from - 1) != EQUALS) from -= 1;
    if (from > 0 && parseNumber(tail(given, from), hostScratch(c))) path = bytesOf(startOf(given), from - 1);
    const weight = <f32>load<f64>(hostScratch(c));
    const adapter = loadAdapter(c, model, path);
    if (changetype<usize>(adapter) == 0) return false;
    setU32(c.adapters, i, <u32>changetype<usize>(adapter));
    setF32(c.adapterWeights, i, weight);
    c.adapterCount += 1;
  }
  return true;
}

/** An adapter's file; 0: the failure is printed. */
function loadAdapter(c: Command, base: Model, path: Bytes): Model {
  const none = changetype<Model>(0);
  const parts = openParts(c, path);
  if (changetype<usize>(parts) == 0) return none;
  const model = createAdapter(c.core, base);
  const status = changetype<usize>(model) == 0 ? -1 : fill(c, model, parts, ModelState.READY);
  if (status == Status.DONE) return model;
  if (status != FILE_FAILED) failure(c);
  return none;
}

/** Bytes of a cache, whose flag says MiB. */
function cacheOf(c: Command, name: string): u32 {
  return (<u32>min<u64>(whole(c, name), CACHE_LIMIT)) << 20;
}

/** The one sequence of a context uses the adapters of --lora; below zero: an error, printed where there is no text. */
export function useAdapters(c: Command, model: Model, context: Context, ids: usize, count: u32): i32 {
  if (!loadAdapters(c, model)) {
    // There is nothing to add to what was printed.
    c.core.errorLength = 0;
    return -1;
  }
  return setOfSequence(context, 0, c.adapters, c.adapterWeights, c.adapterCount, ids, count);
}

/** Prints what is doubtful about a file, a line each. */
export function printWarnings(c: Command, g: Gguf): void {
  for (let i: u32 = 0; ; i++) {
    const warning = fromText(c.core, warningOf(g, i));
    if (lengthOf(warning) == 0) return;
    putText(c.err, "limpet: ");
    putWords(c.err, tail(warning, indexOf(warning, SPACE) + 1));
    putByte(c.err, 0x0a);
  }
}

/** Reads what a pass asks for that answered NEED_DATA; below zero: the failure is printed. */
export function readAsked(c: Command, context: Context): i32 {
  for (let i: u32 = 0; i < context.requests.count; i++) {
    const request = context.requests.at(i);
    const parts = changetype<Parts>(c.parts);
    const read = readPart(c, parts, request.file, request.offset, request.destination, request.length);
    if (read == SUCCESS) continue;
    // There is nothing to add to what was printed.
    c.core.errorLength = 0;
    return -1;
  }
  return 0;
}

/** The header of a path's file, with the tensors of all its parts; 0: the failure is printed. */
export function readHeader(c: Command, path: Bytes): Gguf {
  const core = c.core;
  const none = changetype<Gguf>(0);
  const parts = openParts(c, path);
  if (changetype<usize>(parts) == 0) return none;
  const list = allocate(core, 4 * <u64>parts.count, "the parts of a model");
  let status: i32 = list != 0 ? Status.DONE : -1;
  for (let i: u32 = 0; i < parts.count && status == Status.DONE; i++) {
    const gguf = changetype<usize>(createGguf(core, i, load<u64>(partAt(parts, i), 16)));
    setU32(list, i, <u32>gguf);
    const g = changetype<Gguf>(gguf);
    status = gguf != 0 ? Status.MORE : -1;
    while (status > 0) {
      status = parseGguf(core, g);
      if (status != Status.NEED_DATA) continue;
      if (readPart(c, parts, i, g.needOffset, g.needDestination, g.needLength) != SUCCESS) return none;
    }
  }
  if (status == Status.DONE) status = mergeSplits(core, list, parts.count);
  if (status == Status.DONE) return changetype<Gguf>(<usize>load<u32>(list));
  failure(c);
  return none;
}

/** The number of parts that the end of a path tells; 1 when it tells none. */
function partCount(c: Command, path: Bytes): u32 {
  if (lengthOf(path) <= SPLIT_BYTES) return 1;
  const end = endOf(path) - SPLIT_BYTES;
  const isSplit = load<u8>(end) == 0x2d && equals(bytesOf(end + 6, 4), "-of-") && equals(bytesOf(end + 15, 5), ".gguf");
  if (!isSplit) return 1;
  if (!parseWhole(bytesOf(end + 1, 5), hostScratch(c)) || !parseWhole(bytesOf(end + 10, 5), hostScratch(c))) return 1;
  const parts = load<u64>(hostScratch(c));
  return parts >= 1 && parts <= PART_LIMIT ? <u32>parts : 1;
}

/** The path of part `number`, from 1. */
function partPath(c: Command, path: Bytes, number: u32): Bytes {
  const copy = allocateRaw(c.core, <u64>lengthOf(path) + 1, "the name of a file");
  if (copy == 0) {
    failure(c);
    return 0;
  }
  memory.copy(copy, startOf(path), lengthOf(path));
  const digits = copy + lengthOf(path) - SPLIT_BYTES + 1;
  for (let i: i32 = 4; i >= 0; i--) {
    store<u8>(digits + <usize>i, <u8>(48 + (number % 10)));
    number /= 10;
  }
  return bytesOf(copy, lengthOf(path));
}

/** The tokens of a batch that suit the model. */
export function suitingBatch(model: Model): u32 {
  return model.hasProgram ? model.program.batch : 1;
}

/** The rows of a context: --ctx, or the model's own length up to DEFAULT_CONTEXT. */
export function contextRows(c: Command, model: Model): u32 {
  const asked = wholeUpTo(c, "ctx", u32.MAX_VALUE);
  if (asked > 0) return asked;
  const length = model.hasProgram ? model.program.contextLength : 0;
  return length > 0 ? min(length, DEFAULT_CONTEXT) : DEFAULT_CONTEXT;
}

/** A context of `rows` rows that takes `batch` tokens at once and gives logits of `logitRows`; 0: printed. */
export function makeContext(c: Command, model: Model, rows: u32, batch: u32, logitRows: u32): Context {
  const kv = flag(c, "kv");
  const type = equals(kv, "f32") ? KvType.F32 : equals(kv, "q8_0") ? KvType.Q8_0 : KvType.F16;
  const context = openContext(c.core, model, rows, min(batch, rows), min(logitRows, rows), 1, type);
  if (changetype<usize>(context) == 0) failure(c);
  else {
    const form = flag(c, "form");
    context.form = equals(form, "absorbed") ? Form.ABSORBED : equals(form, "expanded") ? Form.EXPANDED : Form.AUTO;
  }
  return context;
}
