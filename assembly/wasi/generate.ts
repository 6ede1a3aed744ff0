/**
 * `generate` and `chat`: tokens from a session, printed as they come.
 */
import { allocateRaw, release } from "../memory/arena";
import { letterAt } from "../memory/bytes";
import { Buffer, appendBytes, createBuffer, reserveBytes } from "../memory/buffer";
import { chatTokens } from "../engine/chat";
import { Status } from "../memory/core";
import { BATCH_LIMIT } from "../pass/context";
import { replaceText } from "../engine/history";
import { Model } from "../engine/model";
import {
  Finish, Session, addStop, appendText, appendTokens, beginGeneration, createSession, setGrammar, setSource,
} from "../engine/session";
import { STATUS_TOKEN, stepGeneration } from "../engine/session_step";
import { Role } from "../text/chat";
import { tokenizeInfill } from "../text/infill";
import { TokenizeFlag, tokenize } from "../text/tokenize";
import { Tokenizer } from "../text/tokenizer";
import { FINISH_REASONS, NO_FLAG, NOT_TOGETHER, TAKE_TABLE } from "./commands";
import {
  Command, FAILURE, SUCCESS, USAGE_ERROR, argument, failure, flag, given, repeated, usageError, wholeUpTo,
} from "./command";
import { checkLists, configureSampler } from "./sampling";
import { contextRows, loadModel, makeContext, now, readAsked, suitingBatch } from "./load";
import { Use, openFile, readSome, readText, readToEnd } from "./files";
import { Output, endLine, flush, putAnswer, putByte, putFloat, putJson, putNumber, putText } from "./output";
import { continues, sequenceLength } from "../text/unicode";
import { Bytes, endOf, fromText, lengthOf, bytesOf, startOf } from "./bytes";

const SPACE: u8 = 0x20;
const LINE: u8 = 0x0a;
const READ_BYTES: u32 = 4096;

/** A generation, as it is printed. */
@unmanaged
class Run {
  command: Command;
  model: Model;
  session: Session;
  /** Nothing is printed before the end. */
  json: bool;
  /** The answer's text and tokens. */
  keep: Buffer;
  tokens: Buffer;
  prefillTokens: u32;
  prefillMs: f64;
  decodeTokens: u32;
  decodeMs: f64;
}

export function generate(c: Command): i32 {
  if (!given(c, "prompt")) {
    usageError(c, NO_FLAG, fromText(c.core, "--prompt"));
    return USAGE_ERROR;
  }
  if (given(c, "suffix") && given(c, "chat")) return usageError(c, NOT_TOGETHER, fromText(c.core, "--suffix"));
  const wrong = checkLists(c);
  if (wrong != SUCCESS) return wrong;
  const prompt = readText(c, flag(c, "prompt"));
  if (startOf(prompt) == 0) return FAILURE;
  const run = begin(c, given(c, "json"));
  if (changetype<usize>(run) == 0) return FAILURE;
  let status: i32 = 0;
  if (given(c, "chat")) {
    const messages = createBuffer(c.core, READ_BYTES, "a text");
    status = appendMessage(c, messages, Role.USER, prompt);
    if (status == SUCCESS) status = takeChat(run, messages);
  } else if (given(c, "suffix")) status = takeInfill(run, prompt, flag(c, "suffix"));
  else if (run.model.program.decoderLayer) status = takeSource(run, prompt);
  else status = appendText(run.session, startOf(prompt), lengthOf(prompt), TokenizeFlag.ADD_SPECIAL);
  if (status < 0) return failure(c);
  if (stream(run, wholeUpTo(c, "max-tokens", i32.MAX_VALUE)) < 0) return failure(c);
  if (run.json) printJson(run);
  endLine(c.out);
  return SUCCESS;
}

/** A line of stdin is a message, unless it is blank; the answer follows on stdout. */
export function chat(c: Command): i32 {
  const wrong = checkLists(c);
  if (wrong != SUCCESS) return wrong;
  const run = begin(c, false);
  if (changetype<usize>(run) == 0) return FAILURE;
  const messages = createBuffer(c.core, READ_BYTES, "a text");
  const input = createBuffer(c.core, READ_BYTES, "a text");
  let status: i32 = SUCCESS;
  if (given(c, "system")) status = appendMessage(c, messages, Role.SYSTEM, flag(c, "system"));
  for (let searched: u32 = 0; status >= 0; ) {
    while (searched < input.length && load<u8>(input.at + searched) != LINE) searched += 1;
    if (searched == input.length) {
      const more = readMore(c, input);
      if (more < 0) return FAILURE;
      if (more > 0) continue;
      if (input.length == 0) return SUCCESS;
    }
    status = answer(run, messages, lineOf(input, searched));
    const used = min(searched + 1, input.length);
    input.length -= used;
    memory.copy(input.at, input.at + used, input.length);
    searched = 0;
  }
  return failure(c);
}

/** Takes a message of the user's, and prints the model's answer to it. */
function answer(run: Run, messages: Buffer, text: Bytes): i32 {
  const c = run.command;
  if (isBlank(text)) return SUCCESS;
  let status = appendMessage(c, messages, Role.USER, text);
  if (status == SUCCESS) status = takeChat(run, messages);
  run.keep.length = 0;
  if (status >= 0) status = stream(run, wholeUpTo(c, "answer", i32.MAX_VALUE));
  if (status >= 0) status = appendMessage(c, messages, Role.ASSISTANT, bytesOf(run.keep.at, run.keep.length));
  endLine(c.out);
  flush(c.out);
  return status;
}

function isBlank(text: Bytes): bool {
  for (let at = startOf(text); at < endOf(text); at++) if (load<u8>(at) > SPACE) return false;
  return true;
}

/** The first line of the input without its end. */
function lineOf(input: Buffer, length: u32): Bytes {
  if (length > 0 && load<u8>(input.at + length - 1) == 0x0d) length -= 1;
  return bytesOf(input.at, length);
}

/** Makes model, context and session with its options. 0: the failure is printed. */
function begin(c: Command, json: bool): Run {
  const none = changetype<Run>(0);
  const run = changetype<Run>(allocateRaw(c.core, offsetof<Run>(), "a generation"));
  const unheld = compiling(c);
  if (unheld != 0) {
    usageError(c, TAKE_TABLE, fromText(c.core, changetype<string>(unheld)));
    return none;
  }
  const model = loadModel(c, argument(c, 0), false);
  if (changetype<usize>(run) == 0 || changetype<usize>(model) == 0) return none;
  // An encoder reads its source in one pass.
  const batch = model.program.decoderLayer ? BATCH_LIMIT : suitingBatch(model);
  const context = makeContext(c, model, contextRows(c, model), batch, 1);
  if (changetype<usize>(context) == 0) return none;
  const session = createSession(c.core, context, 0);
  run.command = c;
  run.model = model;
  run.session = session;
  run.json = json;
  run.keep = createBuffer(c.core, READ_BYTES, "a text");
  run.tokens = createBuffer(c.core, READ_BYTES, "a text");
  if (changetype<usize>(session) == 0) {
    failure(c);
    return none;
  }
  let status = configureSampler(c, session);
  for (let i: u32 = 0; i < c.repeatCount && status >= 0; i++) {
    status = addStop(session, startOf(repeated(c, i)), lengthOf(repeated(c, i)));
  }
  if (status >= 0 && given(c, "grammar-table")) {
    status = takeGrammar(run, flag(c, "grammar-table"));
    if (status == FAILURE) return none;
  }
  if (status >= 0) return run;
  failure(c);
  return none;
}

/** Has answers obey the table of a file. FAILURE: why not is printed; below zero: an error. */
function takeGrammar(run: Run, path: Bytes): i32 {
  const c = run.command;
  const fd = openFile(c, path, Use.READ);
  if (fd < 0) return FAILURE;
  const table = readToEnd(c, fd);
  if (startOf(table) == 0) return FAILURE;
  return setGrammar(run.session, startOf(table), lengthOf(table));
}

/** The flag of a grammar that would have to be compiled; 0: none is given. */
function compiling(c: Command): usize {
  if (given(c, "schema")) return changetype<usize>("--schema");
  if (given(c, "regex")) return changetype<usize>("--regex");
  return given(c, "grammar") ? changetype<usize>("--grammar") : 0;
}

/** Puts the chat's tokens in the place of those before; what they share is not computed again. */
function takeChat(run: Run, messages: Buffer): i32 {
  const core = run.command.core;
  let count = chatTokens(core, run.model, messages.at, messages.length, 0, 0);
  if (count < 0) return count;
  const ids = allocateRaw(core, <u64>count * 4, "a chat");
  if (ids == 0) return core.errorCode;
  count = chatTokens(core, run.model, messages.at, messages.length, ids, count);
  if (count >= 0) count = replaceText(run.session, ids, count);
  release(core, ids);
  return count;
}

/** A text that the model's encoder reads. */
function takeSource(run: Run, text: Bytes): i32 {
  const core = run.command.core;
  const t = changetype<Tokenizer>(run.model.tokenizer);
  let count = tokenize(core, t, startOf(text), lengthOf(text), TokenizeFlag.ADD_SPECIAL, 0, 0);
  if (count < 0) return count;
  const ids = allocateRaw(core, <u64>count * 4, "a text");
  if (ids == 0) return core.errorCode;
  count = tokenize(core, t, startOf(text), lengthOf(text), TokenizeFlag.ADD_SPECIAL, ids, count);
  if (count >= 0) count = setSource(run.session, ids, count);
  release(core, ids);
  return count;
}

/** Appends a text with a gap, which the model is to fill. */
function takeInfill(run: Run, prefix: Bytes, suffix: Bytes): i32 {
  const core = run.command.core;
  const t = changetype<Tokenizer>(run.model.tokenizer);
  const from = startOf(suffix);
  const length = lengthOf(suffix);
  const flags = TokenizeFlag.ADD_SPECIAL;
  let count = tokenizeInfill(core, t, startOf(prefix), lengthOf(prefix), from, length, flags, 0, 0);
  if (count < 0) return count;
  const ids = allocateRaw(core, <u64>count * 4, "a text");
  if (ids == 0) return core.errorCode;
  count = tokenizeInfill(core, t, startOf(prefix), lengthOf(prefix), from, length, flags, ids, count);
  if (count >= 0) count = appendTokens(run.session, ids, count);
  release(core, ids);
  return count;
}

/** Generates and prints. */
function stream(run: Run, maxTokens: u32): i32 {
  const c = run.command;
  const s = run.session;
  let status = beginGeneration(s, maxTokens, 0, 0);
  if (status < 0) return status;
  run.prefillTokens = s.count - s.evaluated + (s.isSourceRead ? 0 : s.sourceCount);
  run.prefillMs = 0;
  run.decodeMs = 0;
  run.tokens.length = 0;
  let made: u32 = 0;
  let clock = now(c);
  while (true) {
    status = stepGeneration(s);
    if (status == Status.NEED_DATA) status = readAsked(c, s.context);
    else if (status == Status.DONE) break;
    if (status < 0) break;
    if (status != STATUS_TOKEN) continue;
    const time = now(c);
    if (made == 0) run.prefillMs = time - clock;
    else run.decodeMs += time - clock;
    made += 1;
    // The end token is no part of the answer.
    const token = changetype<usize>(s) + offsetof<Session>("token");
    if (s.finish != Finish.STOP) status = appendBytes(c.core, run.tokens, token, 4);
    // A character that the limit cuts is no part of it either.
    const length = s.finish == Finish.LENGTH ? wholeCharacters(s.text, s.ready) : s.ready;
    if (status >= 0) status = show(run, s.text, length);
    if (status < 0 || c.out.failed != 0) break;
    clock = now(c);
  }
  run.decodeTokens = made > 1 ? made - 1 : 0;
  return status;
}

/** The bytes without a character that begins at their end and does not end. */
function wholeCharacters(text: usize, length: u32): u32 {
  for (let back: u32 = 1; back < 4 && back <= length; back++) {
    const at = text + length - back;
    const first = load<u8>(at);
    if (first >= 0x80 && first < 0xc0) continue;
    if (sequenceLength(first) <= back || (back > 1 && !continues(first, 1, load<u8>(at, 1)))) return length;
    return length - back;
  }
  return length;
}

function show(run: Run, text: usize, length: u32): i32 {
  const c = run.command;
  if (length > 0 && !run.json) {
    putAnswer(c.out, text, length);
    flush(c.out);
  }
  return appendBytes(c.core, run.keep, text, length);
}

function printJson(run: Run): void {
  const o = run.command.out;
  putText(o, '{"text":');
  putJson(o, run.keep.at, run.keep.length);
  putText(o, ',"tokens":[');
  for (let i: u32 = 0; i < run.tokens.length; i += 4) {
    if (i > 0) putByte(o, 0x2c);
    putNumber(o, load<u32>(run.tokens.at + i));
  }
  putText(o, '],"finish_reason":"');
  putWord(o, FINISH_REASONS, run.session.finish);
  putText(o, '","prefill_tps":');
  putRate(o, run.prefillTokens, run.prefillMs);
  putText(o, ',"decode_tps":');
  putRate(o, run.decodeTokens, run.decodeMs);
  putByte(o, 0x7d);
}

/** Prints tokens a second, to four digits; null when nothing was measured. */
export function putRate(o: Output, tokens: u32, ms: f64): void {
  if (tokens == 0 || !(ms > 0)) putText(o, "null");
  else putFloat(o, (1000 * <f64>tokens) / ms, 4);
}

/** Prints the word of this index of a list. */
function putWord(o: Output, list: string, index: u32): void {
  for (let i: u32 = 0; letterAt(list, i) != 0; i++) {
    const byte = <u8>letterAt(list, i);
    if (byte == SPACE) index -= 1;
    else if (index == 0) putByte(o, byte);
  }
}

function appendMessage(c: Command, messages: Buffer, role: u32, text: Bytes): i32 {
  const status = reserveBytes(c.core, messages, 8 + lengthOf(text));
  if (status < 0) return status;
  store<u32>(messages.at + messages.length, role);
  store<u32>(messages.at + messages.length, lengthOf(text), 4);
  messages.length += 8;
  return appendBytes(c.core, messages, startOf(text), lengthOf(text));
}

/** Reads more of stdin behind the buffer's bytes: how many; below zero: the failure is printed. */
function readMore(c: Command, b: Buffer): i32 {
  if (reserveBytes(c.core, b, READ_BYTES) < 0) {
    failure(c);
    return -1;
  }
  const count = readSome(c, 0, b.at + b.length, READ_BYTES);
  if (count < 0) putText(c.err, "limpet: cannot read the input\n");
  else b.length += <u32>count;
  return count;
}
