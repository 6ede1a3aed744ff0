/**
 * The engine as the command uses it: a model loaded from files, contexts of the asked size, and the clock.
 *
 * May call: its neighbours in `wasi/`, runtime/, text/, kernels/quant/types.ts.
 */
import { allocate, allocateRaw } from "../runtime/arena";
import { Status } from "../runtime/core";
import { Context, Form, createContext } from "../runtime/context";
import { createModel, setFileSize, stepLoad } from "../runtime/loader";
import { Model, ModelState } from "../runtime/model";
import { Type } from "../kernels/quant/types";
import { Command, FAILURE, SUCCESS, cell, failure, flag, whole, wholeUpTo } from "./command";
import { fileSize, openFile, readAt } from "./files";
import { CLOCK_MONOTONIC, clock_time_get } from "./imports";
import { putSpan, putWords } from "./output";
import { Span, endOf, equals, lengthOf, parseWhole, span, startOf } from "./span";

const DEFAULT_CONTEXT: u32 = 4096;
const PART_LIMIT: u64 = 1024;
/** `-00001-of-00003.gguf` */
const SPLIT_BYTES: u32 = 20;

/** Milliseconds of a clock that only goes forward. */
export function now(c: Command): f64 {
  store<u64>(cell(c), 0);
  clock_time_get(CLOCK_MONOTONIC, 1000, cell(c));
  return <f64>load<u64>(cell(c)) / 1e6;
}

/** The name of this build. */
export function buildName(): string {
  return ASC_FEATURE_SIMD ? "portable" : "scalar";
}

/** Refuses a --build that is another file than this, and threads, which WASI has none of. */
export function checkBuild(c: Command): i32 {
  const asked = flag(c, "build");
  if (lengthOf(asked) > 0 && !equals(asked, buildName()) && !isDefaultBuild(c)) {
    putWords(c.err, "limpet: this file is the ");
    putWords(c.err, buildName());
    putWords(c.err, " build; ");
    if (equals(asked, "fast")) putWords(c.err, "WASI has no faster one\n");
    else {
      putWords(c.err, "the ");
      putSpan(c.err, asked);
      putWords(c.err, ASC_FEATURE_SIMD ? " one is limpet.wasi.scalar.wasm\n" : " one is limpet.wasi.wasm\n");
    }
    return FAILURE;
  }
  if (whole(c, "threads") > 1) {
    putWords(c.err, "limpet: WASI has no threads: leave --threads out or give 1\n");
    return FAILURE;
  }
  return SUCCESS;
}

/** The scalar build has the portable bits, so it does where nothing else was asked for. */
function isDefaultBuild(c: Command): bool {
  return equals(flag(c, "build"), "portable");
}

/** Loads the model of a path, all parts of it when it is split; 0: the failure is printed. */
export function loadModel(c: Command, path: Span, vocabularyOnly: bool): Model {
  const none = changetype<Model>(0);
  const parts = partCount(c, path);
  const model = createModel(c.core, parts, vocabularyOnly);
  // Each part: its path, then its descriptor.
  const files = allocate(c.core, 16 * <u64>parts, "the files of a model");
  if (changetype<usize>(model) == 0 || files == 0) {
    failure(c);
    return none;
  }
  for (let i: u32 = 0; i < parts; i++) {
    const name = parts > 1 ? partPath(c, path, i + 1) : path;
    if (startOf(name) == 0) return none;
    const fd = openFile(c, name, false);
    if (fd < 0) return none;
    const size = fileSize(c, <u32>fd, name);
    if (size < 0) return none;
    store<u64>(files + <usize>i * 16, name);
    store<u32>(files + <usize>i * 16, <u32>fd, 8);
    if (setFileSize(model, i, <u64>size) < 0) {
      failure(c);
      return none;
    }
  }
  while (true) {
    const status = stepLoad(model);
    if (status == Status.DONE) return model;
    if (status < 0) {
      failure(c);
      return none;
    }
    if (status != Status.NEED_DATA) continue;
    const file = files + <usize>model.requestFile * 16;
    const fd = load<u32>(file, 8);
    const target = model.requestDestination;
    if (readAt(c, fd, load<u64>(file), model.requestOffset, target, model.requestLength) != SUCCESS) return none;
  }
}

/** Parts that a path's own end tells of; 1 when it tells of none. */
function partCount(c: Command, path: Span): u32 {
  if (lengthOf(path) <= SPLIT_BYTES) return 1;
  const end = endOf(path) - SPLIT_BYTES;
  const isSplit = load<u8>(end) == 0x2d && equals(span(end + 6, 4), "-of-") && equals(span(end + 15, 5), ".gguf");
  if (!isSplit) return 1;
  if (!parseWhole(span(end + 1, 5), cell(c)) || !parseWhole(span(end + 10, 5), cell(c))) return 1;
  const parts = load<u64>(cell(c));
  return parts >= 1 && parts <= PART_LIMIT ? <u32>parts : 1;
}

/** The path of part `number`, from 1. */
function partPath(c: Command, path: Span, number: u32): Span {
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
  return span(copy, lengthOf(path));
}

/** Tokens of a batch that suit the model. */
export function suitingBatch(model: Model): u32 {
  return model.rank ? 256 : 128;
}

/** Rows of a context: --ctx, or the model's own length up to DEFAULT_CONTEXT. */
export function contextRows(c: Command, model: Model): u32 {
  const asked = wholeUpTo(c, "ctx", u32.MAX_VALUE);
  if (asked > 0) return asked;
  return model.contextLength > 0 ? min(model.contextLength, DEFAULT_CONTEXT) : DEFAULT_CONTEXT;
}

/** A context of `rows` rows that takes `batch` tokens at once and gives logits of `logitRows`; 0: printed. */
export function makeContext(c: Command, model: Model, rows: u32, batch: u32, logitRows: u32): Context {
  const type = equals(flag(c, "kv"), "f32") ? Type.F32 : Type.F16;
  const context = createContext(c.core, model, rows, min(batch, rows), min(logitRows, rows), 1, type);
  if (changetype<usize>(context) == 0) failure(c);
  else {
    const form = flag(c, "form");
    context.form = equals(form, "absorbed") ? Form.ABSORBED : equals(form, "expanded") ? Form.EXPANDED : Form.AUTO;
  }
  return context;
}
