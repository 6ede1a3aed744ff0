/**
 * `logits`, `perplexity` and `bench`: passes over given tokens.
 */
import { exp } from "../kernels/float/math";
import { logSumExp } from "../kernels/float/softmax";
import { allocateRaw } from "../memory/arena";
import { f32At, setU32, u32At } from "../memory/bytes";
import { ErrorCode, Status, fail } from "../memory/core";
import { beginPass, putToken, resetContext } from "../pass/batch";
import { Context } from "../pass/context";
import { HAS_EXPERTS } from "../parts";
import { stepPass } from "../run/run";
import { Model } from "../engine/model";
import { argmax } from "../engine/sampler";
import { tokenBytes } from "../text/detokenize";
import { TokenizeFlag } from "../text/tokenize";
import { Tokenizer } from "../text/tokenizer";
import { BAD_TOKENS } from "./commands";
import { NO_FLAG } from "./usage";
import {
  Command, FAILURE, SUCCESS, argument, hostScratch, failure, flag, given, usageError, whole, wholeUpTo,
} from "./command";
import { buildName, contextRows, loadModel, makeContext, now, readAsked, suitingBatch, useAdapters } from "./load";
import { Use, isModel, openFile, readToEnd } from "./files";
import { putRate } from "./generate";
import { fd_close } from "./imports";
import { tokensOf } from "./tokenize";
import { Output, createOutput, flush, putByte, putBytes, putFloat, putNumber, putText, putWords } from "./output";
import { Bytes, equals, fromText, lengthOf, parseWhole, piece, startOf, tail, trimmed } from "./bytes";

const COMMA: u8 = 0x2c;
const TOKENS_LIMIT: u32 = 1_000_000;
const WARM_UP: u32 = 32;
const LN2: f64 = 0.69314718055994530942;

export function logits(c: Command): i32 {
  if (!given(c, "tokens")) return usageError(c, NO_FLAG, fromText(c.core, "--tokens"));
  const list = flag(c, "tokens");
  let count: u32 = 1;
  for (let i: u32 = 0; i < lengthOf(list); i++) if (load<u8>(startOf(list) + i) == COMMA) count += 1;
  const ids = allocateRaw(c.core, 4 * <u64>count, "the tokens");
  if (ids == 0) return failure(c);
  let at = list;
  for (let i: u32 = 0; i < count; i++) {
    const word = piece(at, COMMA, 0);
    if (!parseWhole(trimmed(word), hostScratch(c)) || load<u64>(hostScratch(c)) > u32.MAX_VALUE) {
      if (lengthOf(word) > 0) return usageError(c, BAD_TOKENS, word);
      return usageError(c, BAD_TOKENS, lengthOf(list) > 0 ? list : fromText(c.core, "nothing"));
    }
    setU32(ids, i, <u32>load<u64>(hostScratch(c)));
    if (i + 1 < count) at = tail(at, lengthOf(word) + 1);
  }
  if (!given(c, "out")) return usageError(c, NO_FLAG, fromText(c.core, "--out"));
  const model = loadModel(c, argument(c, 0), false);
  if (changetype<usize>(model) == 0) return FAILURE;
  const asked = wholeUpTo(c, "chunk", 4096);
  const chunk = min(asked > 0 ? asked : suitingBatch(model), count);
  const context = makeContext(c, model, count, chunk, chunk);
  if (changetype<usize>(context) == 0) return FAILURE;
  if (useAdapters(c, model, context, ids, count) < 0) return failure(c);
  if (isModel(c, flag(c, "out"))) {
    putText(c.err, "limpet: ");
    putWords(c.err, flag(c, "out"));
    putText(c.err, " is a model: choose another name for the logits\n");
    return FAILURE;
  }
  const fd = openFile(c, flag(c, "out"), Use.WRITE);
  if (fd < 0) return FAILURE;
  const file = createOutput(c.core, <u32>fd);
  if (changetype<usize>(file) == 0) return failure(c);
  for (let from: u32 = 0; from < count; from += chunk) {
    const tokens = min(chunk, count - from);
    if (pass(c, context, ids, from, tokens, 0) < 0) return failure(c);
    const row = 4 * model.vocabulary;
    for (let i: u32 = 0; i < tokens; i++) putBytes(file, context.at(model.program.logits) + <usize>i * row, row);
  }
  flush(file);
  const closed = fd_close(<u32>fd);
  if (file.failed == 0 && closed == 0) return SUCCESS;
  putText(c.err, "limpet: cannot write ");
  putWords(c.err, flag(c, "out"));
  putText(c.err, ": is the disk full?\n");
  return FAILURE;
}

/**
 * Windows that do not overlap, as llama.cpp measures: each begins with a BOS where the vocabulary wants one, and the
 * tokens of its second half are scored.
 */
export function perplexity(c: Command): i32 {
  const path = argument(c, 1);
  const window = wholeUpTo(c, "window", TOKENS_LIMIT);
  const core = c.core;
  if (window < 2) {
    fail(core, ErrorCode.BAD_ARGUMENT, "a window has 2 tokens at least");
    return failure(c);
  }
  const model = loadModel(c, argument(c, 0), false);
  if (changetype<usize>(model) == 0) return FAILURE;
  const text = readFile(c, path);
  if (startOf(text) == 0) return FAILURE;
  const t = changetype<Tokenizer>(model.tokenizer);
  const list = tokensOf(c, model, text, TokenizeFlag.ADD_SPECIAL);
  let ids = startOf(list);
  if (ids == 0) return FAILURE;
  const count = lengthOf(list) >> 2;
  const all = count / window;
  if (all == 0) {
    fail(
      core, ErrorCode.BAD_ARGUMENT,
      "the text has {} tokens and a window takes {}: give a longer text or a smaller --ctx", count, window,
    );
    return failure(c);
  }
  const asked = whole(c, "windows");
  const windows = asked > 0 ? <u32>min<u64>(asked, all) : all;
  const chunk = min(suitingBatch(model), window);
  const context = makeContext(c, model, window, chunk, chunk);
  if (changetype<usize>(context) == 0) return FAILURE;
  const first = (window >> 1) - 1;
  let sum: f64 = 0;
  let scored: u32 = 0;
  let bytes: u64 = 0;
  for (let i: u32 = 0; i < windows; i++, ids += (<usize>window) << 2) {
    resetContext(context);
    if (t.addBos && t.bos >= 0) store<i32>(ids, t.bos);
    if (useAdapters(c, model, context, ids, window - 1) < 0) return failure(c);
    // The logits behind token k score token k + 1; the last token's are of no use.
    for (let from: u32 = 0; from + 1 < window; from += chunk) {
      const tokens = min(chunk, window - 1 - from);
      if (pass(c, context, ids, from, tokens, first) < 0) return failure(c);
      for (let row: u32 = 0; row < context.logitRows; row++) {
        const at = context.at(model.program.logits) + <usize>row * (4 * model.vocabulary);
        const next = u32At(ids, from + tokens - context.logitRows + row + 1);
        sum += logSumExp(at, model.vocabulary) - <f64>f32At(at, next);
        scored += 1;
        bytes += tokenBytes(t, next, false, 0, 0);
      }
    }
  }
  const o = c.out;
  putText(o, '{"perplexity":');
  putFloat(o, exp(sum / <f64>scored), 9);
  putText(o, ',"bits_per_byte":');
  putFloat(o, sum / LN2 / <f64>bytes, 9);
  putText(o, ',"tokens":');
  putNumber(o, scored);
  putText(o, ',"bytes":');
  putNumber(o, bytes);
  putText(o, ',"windows":');
  putNumber(o, windows);
  putText(o, ',"ctx":');
  putNumber(o, window);
  putText(o, "}\n");
  return SUCCESS;
}

/** A prompt of made-up tokens, then tokens one by one, without regard to what they say. */
export function bench(c: Command): i32 {
  const core = c.core;
  const prompt = max(wholeUpTo(c, "prefill", TOKENS_LIMIT), 1);
  const decode = wholeUpTo(c, "decode", TOKENS_LIMIT);
  const begin = now(c);
  const model = loadModel(c, argument(c, 0), false);
  if (changetype<usize>(model) == 0) return FAILURE;
  const loaded = now(c);
  const rows = given(c, "ctx") ? contextRows(c, model) : prompt + decode + 1;
  const context = makeContext(c, model, rows, suitingBatch(model), 1);
  if (changetype<usize>(context) == 0) return FAILURE;
  const ids = allocateRaw(core, 4 * <u64>(prompt + decode), "the tokens");
  if (ids == 0) return failure(c);
  makeTokens(model, ids, prompt);
  // Enough first for the host to have compiled the kernels to their best.
  const warm = min(min(WARM_UP, prompt), context.batchCapacity);
  if (pass(c, context, ids, 0, warm, warm - 1) < 0) return failure(c);
  for (let i: u32 = 0; i < min(decode, WARM_UP / 4); i++) {
    resetContext(context);
    if (pass(c, context, ids, 0, 1, 0) < 0) return failure(c);
  }
  resetContext(context);

  let clock = now(c);
  for (let from: u32 = 0; from < prompt; from += context.batchCapacity) {
    if (pass(c, context, ids, from, min(context.batchCapacity, prompt - from), prompt - 1) < 0) return failure(c);
  }
  const prefillMs = now(c) - clock;
  const wanted = model.weights.rowsWanted;
  const rowsRead = model.weights.rowsRead;
  const bytesRead = model.weights.rowBytesRead;
  const slabsWanted = model.weights.slabsWanted;
  const slabsRead = model.weights.slabsRead;
  const slabBytesRead = model.weights.slabBytesRead;
  clock = now(c);
  for (let i: u32 = prompt; i < prompt + decode; i++) {
    setU32(ids, i, argmax(context.at(model.program.logits), model.vocabulary));
    if (pass(c, context, ids, i, 1, 0) < 0) return failure(c);
  }
  const decodeMs = now(c) - clock;

  const o = c.out;
  putText(o, '{"load_ms":');
  putFloat(o, loaded - begin, 5);
  putText(o, ',"prefill_tps":');
  putRate(o, prompt, prefillMs);
  putText(o, ',"decode_tps":');
  putRate(o, decode, decodeMs);
  putText(o, ',"memory_bytes":');
  putNumber(o, (<u64>memory.size()) << 16);
  putText(o, ',"rss_peak_bytes":null,"kv_bytes_per_token":');
  putNumber(o, tokenBytesOf(context));
  putText(o, ',"build":"');
  putText(o, buildName());
  putByte(o, 0x22);
  const w = model.weights;
  if (w.streamedBytes > w.expertBytes && decode > 0) {
    putText(o, ',"tables":{"bytes":');
    putNumber(o, w.streamedBytes - w.expertBytes);
    putText(o, ',"rows_wanted":');
    putPerToken(o, w.rowsWanted - wanted, decode);
    putText(o, ',"rows_read":');
    putPerToken(o, w.rowsRead - rowsRead, decode);
    putText(o, ',"bytes_read":');
    putPerToken(o, w.rowBytesRead - bytesRead, decode);
    putByte(o, 0x7d);
  }
  if (HAS_EXPERTS && w.expertBytes > 0 && decode > 0) {
    putText(o, ',"experts":{"bytes":');
    putNumber(o, w.expertBytes);
    putText(o, ',"slabs_wanted":');
    putPerToken(o, w.slabsWanted - slabsWanted, decode);
    putText(o, ',"slabs_read":');
    putPerToken(o, w.slabsRead - slabsRead, decode);
    putText(o, ',"bytes_read":');
    putPerToken(o, w.slabBytesRead - slabBytesRead, decode);
    putByte(o, 0x7d);
  }
  putText(o, "}\n");
  return SUCCESS;
}

function putPerToken(o: Output, count: u64, tokens: u32): void {
  putFloat(o, <f64>count / <f64>tokens, 6);
}

/** Made-up tokens, spread over the vocabulary, as the bench of native llama.cpp does it. */
export function makeTokens(model: Model, ids: usize, count: u32): void {
  const range = <i32>min<u32>(model.vocabulary, 30000) - 4;
  for (let i: u32 = 0; i < count; i++) setU32(ids, i, range > 0 ? 3 + ((i * 7919) % <u32>range) : 0);
}

/** Runs one pass over ids[from, from + tokens), at their own positions, with logits of those from `wanted` on. */
function pass(c: Command, context: Context, ids: usize, from: u32, tokens: u32, wanted: u32): i32 {
  let status = beginTokens(context, ids, from, tokens, wanted);
  while (status >= 0) {
    status = stepPass(context);
    if (status == Status.DONE) break;
    if (status == Status.NEED_DATA) status = readAsked(c, context);
  }
  return status;
}

/** Begins such a pass. */
export function beginTokens(context: Context, ids: usize, from: u32, tokens: u32, wanted: u32): i32 {
  for (let i: u32 = 0; i < tokens; i++) {
    putToken(context, i, u32At(ids, from + i), 0, <i32>(from + i), from + i >= wanted);
  }
  return beginPass(context, tokens, 0, context.program.layerCount);
}

function readFile(c: Command, path: Bytes): Bytes {
  if (equals(path, "-")) return readToEnd(c, 0);
  const fd = openFile(c, path, Use.READ);
  return fd < 0 ? 0 : readToEnd(c, <u32>fd);
}

/** Bytes that a token takes of the state, in all layers. */
function tokenBytesOf(c: Context): u64 {
  let bytes: u64 = 0;
  for (let i: u32 = 0; i < c.program.stateCount; i++) bytes += <u64>c.rows(i).rowBytes * c.rows(i).layers;
  return bytes;
}
