/**
 * `generate` and `chat`: tokens from a session, printed as they come.
 */
import { allocateRaw, release } from "../memory/arena";
import { letterAt, u32At } from "../memory/bytes";
import { Buffer, appendBytes, createBuffer, reserveBytes } from "../memory/buffer";
import { chatTokens } from "../engine/chat";
import { Status } from "../memory/core";
import { BATCH_LIMIT } from "../pass/context";
import { closeGap, replaceText } from "../engine/history";
import { Model } from "../engine/model";
import { canCut } from "../engine/sequence";
import {
  Finish, Session, addStop, appendText, appendTokens, beginGeneration, createSession, setGrammar, setSource,
  shiftSession,
} from "../engine/session";
import { setOfSession } from "../engine/session_adapters";
import { speculate } from "../engine/session_drafts";
import { STATUS_TOKEN, stepGeneration } from "../engine/session_step";
import { Role } from "../text/chat";
import { tokenizeInfill } from "../text/infill";
import { TokenizeFlag, tokenize } from "../text/tokenize";
import { Tokenizer } from "../text/tokenizer";
import {
  CUT_CONTEXT, CUT_LENGTH, FINISH_REASONS, FORGOT, NOT_HERE, NOT_TOGETHER, NO_PROMPT, TAKE_TABLE,
} from "./commands";
import { SURPLUS_ARGUMENT } from "./usage";
import {
  Command, FAILURE, SUCCESS, argument, failure, flag, given, repeated, usageError, whole, wholeUpTo,
} from "./command";
import { checkLists, configureSampler } from "./sampling";
import { contextRows, loadAdapters, loadModel, makeContext, now, readAsked, seedOfNow, suitingBatch } from "./load";
import { Use, openFile, readSome, readText, readToEnd } from "./files";
import {
  Output, endLine, flush, isTerminal, putAnswer, putByte, putFloat, putJson, putNumber, putText,
} from "./output";
import { continues, sequenceLength } from "../text/utf8";
import { Bytes, bytesOf, endOf, equals, fromText, lengthOf, startOf } from "./bytes";

const SPACE: u8 = 0x20;
const LINE: u8 = 0x0a;
const READ_BYTES: u32 = 4096;
const DIM: string = "\x1b[2m";
const NOT_DIM: string = "\x1b[22m";
/** Tokens at the beginning of a talk that are never forgotten, as in src/api/overflow.ts. */
const KEPT: u32 = 4;
/** Drafts of a pass that are looked up, at most, as in src/generate/drafts.ts. */
const DRAFTS: u32 = 7;

/** A generation, as it is printed. */
@unmanaged
class Run {
  command: Command;
  model: Model;
  session: Session;
  /** Nothing is printed before the end. */
  json: bool;
  /** The answer's text and tokens. */
  said: Buffer;
  tokens: Buffer;
  seed: u64;
  /** Whether the oldest tokens make room where the context is full, but for the first `keep`; and how many have. */
  shifts: bool;
  keep: u32;
  forgotten: u32;
  /** Bytes of the system's message among those of the conversation. */
  lead: u32;
  prefillTokens: u32;
  prefillMs: f64;
  decodeTokens: u32;
  decodeMs: f64;
}

export function generate(c: Command): i32 {
  const isChat = given(c, "chat") || given(c, "system");
  if (given(c, "suffix") && isChat) return usageError(c, NOT_TOGETHER, fromText(c.core, "--suffix"));
  const wrong = checkLists(c);
  if (wrong != SUCCESS) return wrong;
  const hasText = c.argumentCount > 1;
  if (given(c, "prompt") && hasText) return usageError(c, SURPLUS_ARGUMENT, argument(c, 1));
  let prompt: Bytes = 0;
  if (given(c, "prompt")) prompt = readText(c, flag(c, "prompt"));
  else if (hasText) prompt = readText(c, argument(c, 1));
  else {
    if (isTerminal(c.err, 0)) return usageError(c, NO_PROMPT, 0);
    prompt = readToEnd(c, 0);
    if (startOf(prompt) == 0) return FAILURE;
    prompt = withoutEnd(prompt);
    if (lengthOf(prompt) == 0) return usageError(c, NO_PROMPT, 0);
  }
  if (startOf(prompt) == 0) return FAILURE;
  const run = begin(c, given(c, "json"));
  if (changetype<usize>(run) == 0) return FAILURE;
  let status: i32 = 0;
  if (isChat) {
    const messages = createBuffer(c.core, READ_BYTES, "a text");
    if (given(c, "system")) status = appendMessage(c, messages, Role.SYSTEM, flag(c, "system"));
    if (status == SUCCESS) status = appendMessage(c, messages, Role.USER, prompt);
    if (status == SUCCESS) status = takeChat(run, messages);
  } else if (given(c, "suffix")) status = takeInfill(run, prompt, flag(c, "suffix"));
  else if (run.model.program.decoderLayer) status = takeSource(run, prompt);
  else status = appendText(run.session, startOf(prompt), lengthOf(prompt), TokenizeFlag.ADD_SPECIAL);
  if (status < 0) return failure(c);
  if (!isChat && !run.json) echo(c, prompt);
  if (stream(run, wholeUpTo(c, "max-tokens", i32.MAX_VALUE)) < 0) return failure(c);
  if (run.json) printJson(run);
  endLine(c.out);
  if (!run.json) tellEnd(run, given(c, "max-tokens"));
  return SUCCESS;
}

/** A text without the end of its last line, which the program that wrote it has put there. */
function withoutEnd(text: Bytes): Bytes {
  let length = lengthOf(text);
  if (length == 0 || load<u8>(startOf(text) + length - 1) != LINE) return text;
  length -= 1;
  if (length > 0 && load<u8>(startOf(text) + length - 1) == 0x0d) length -= 1;
  return bytesOf(startOf(text), length);
}

/** What was asked, dimmed before the answer on a terminal; nothing anywhere else. */
function echo(c: Command, text: Bytes): void {
  if (!c.out.isTerminal) return;
  putText(c.out, DIM);
  putAnswer(c.out, startOf(text), lengthOf(text));
  putText(c.out, NOT_DIM);
  flush(c.out);
}

/**
 * What is said behind an answer: that it was cut (by a limit that was asked for: to a person alone), what was forgotten
 * for it, and to a person how quick it was and how it can be had again.
 */
function tellEnd(run: Run, isAsked: bool): void {
  const c = run.command;
  const o = c.err;
  const finish = run.session.finish;
  const tokens = run.tokens.length >> 2;
  // In the order in which it is read.
  flush(c.out);
  if (run.forgotten > 0) note(o, FORGOT, run.forgotten);
  if (finish == Finish.CONTEXT) note(o, CUT_CONTEXT, 0);
  if (finish == Finish.LENGTH && (!isAsked || o.isTerminal)) note(o, CUT_LENGTH, tokens);
  if (o.isTerminal) {
    putText(o, DIM);
    putNumber(o, tokens);
    putText(o, " tokens");
    if (run.decodeTokens > 0 && run.decodeMs > 0) {
      putText(o, ", ");
      putRate(o, run.decodeTokens, run.decodeMs);
      putText(o, " a second");
    }
    putText(o, "; ");
    putNumber(o, run.prefillTokens);
    putText(o, " of the prompt in ");
    putFloat(o, run.prefillMs / 1000, 2);
    putText(o, " s; seed ");
    putNumber(o, run.seed);
    putText(o, NOT_DIM);
    putText(o, "\n");
  }
  flush(o);
}

/** A line of stderr; {} in the words stands for a number. */
function note(o: Output, words: string, value: u32): void {
  putText(o, "limpet: ");
  for (let i: u32 = 0; letterAt(words, i) != 0; i++) {
    if (letterAt(words, i) == 0x7b) {
      putNumber(o, value);
      i += 1;
    } else putByte(o, <u8>letterAt(words, i));
  }
  putText(o, "\n");
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
  if (given(c, "system")) {
    status = appendMessage(c, messages, Role.SYSTEM, flag(c, "system"));
    run.lead = messages.length;
  }
  // Where the context is full, the oldest turns make room.
  run.shifts = canCut(run.model.program);
  run.keep = min<u32>(KEPT, max<u32>(run.session.capacity, 2) - 2);
  if (status >= 0 && run.shifts && run.lead > 0) status = keepLead(run, messages);
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
  run.forgotten = 0;
  let status = appendMessage(c, messages, Role.USER, text);
  const isTrimmed = status == SUCCESS && run.shifts ? trim(run, messages) : 0;
  if (isTrimmed < 0) status = isTrimmed;
  if (status == SUCCESS) status = takeChat(run, messages, isTrimmed > 0);
  run.said.length = 0;
  const isAsked = given(c, "answer");
  if (status >= 0) status = stream(run, isAsked ? wholeUpTo(c, "answer", i32.MAX_VALUE) : run.session.capacity);
  if (status >= 0) status = appendMessage(c, messages, Role.ASSISTANT, bytesOf(run.said.at, run.said.length));
  endLine(c.out);
  flush(c.out);
  if (status >= 0) tellEnd(run, isAsked);
  return status;
}

/** Leaves the oldest turns out of a conversation that does not fit the context (src/api/overflow.ts): 1 if it did. */
function trim(run: Run, messages: Buffer): i32 {
  const core = run.command.core;
  const capacity = run.session.capacity;
  let count = chatTokens(core, run.model, messages.at, messages.length, 0, 0);
  if (count < 0 || <u32>count < capacity) return min(count, 0);
  while (count >= 0 && <u32>count > capacity - capacity / 4) {
    const first = messages.at + run.lead;
    let at = first;
    do at += 8 + <usize>load<u32>(at, 4);
    while (at < messages.at + messages.length && load<u32>(at) != Role.USER);
    if (at >= messages.at + messages.length) break;
    memory.copy(first, at, messages.at + messages.length - at);
    messages.length -= <u32>(at - first);
    count = chatTokens(core, run.model, messages.at, messages.length, 0, 0);
  }
  return min(count, 1);
}

/** Keeps the tokens of the system's message: those that conversations begin with alike. */
function keepLead(run: Run, messages: Buffer): i32 {
  const c = run.command;
  const lead = messages.length;
  let status = appendMessage(c, messages, Role.USER, fromText(c.core, "a"));
  if (status < 0) return status;
  const count = chatTokens(c.core, run.model, messages.at, messages.length, 0, 0);
  const one: usize = count < 0 ? 0 : allocateRaw(c.core, <u64>count * 8, "a chat");
  if (one == 0) return c.core.errorCode;
  const other = one + <usize>count * 4;
  status = chatTokens(c.core, run.model, messages.at, messages.length, one, count);
  store<u8>(messages.at + messages.length - 1, 0x62);
  if (status >= 0) status = chatTokens(c.core, run.model, messages.at, messages.length, other, count);
  messages.length = lead;
  let common: u32 = 0;
  while (common < <u32>count && u32At(one, common) == u32At(other, common)) common += 1;
  release(c.core, one);
  run.keep = max(run.keep, common);
  return min(status, 0);
}

/** Half of what is not kept makes room for what an answer goes on with. */
function makeRoom(run: Run): i32 {
  const s = run.session;
  const forgotten = s.count > run.keep ? (s.count - run.keep) / 2 : 0;
  if (forgotten < 1 || run.keep + forgotten >= s.count) return 0;
  run.forgotten += forgotten;
  return shiftSession(s, run.keep, forgotten);
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
  const keepsFewer = given(c, "kv-policy") || given(c, "kv-budget");
  if (given(c, "draft") || given(c, "prompt-cache") || keepsFewer) {
    const flag = given(c, "draft") ? "--draft" : given(c, "prompt-cache") ? "--prompt-cache" : "--kv-policy";
    usageError(c, NOT_HERE, fromText(c.core, flag));
    return none;
  }
  const unheld = compiling(c);
  if (unheld != 0) {
    usageError(c, TAKE_TABLE, fromText(c.core, changetype<string>(unheld)));
    return none;
  }
  const model = loadModel(c, argument(c, 0), false);
  if (changetype<usize>(run) == 0 || changetype<usize>(model) == 0) return none;
  // An encoder reads its source in one pass.
  const batch = model.program.decoderLayer ? BATCH_LIMIT : suitingBatch(model);
  const drafts: u32 = equals(flag(c, "speculate"), "prompt") ? DRAFTS : 0;
  const context = makeContext(c, model, contextRows(c, model), batch, 1 + drafts);
  if (changetype<usize>(context) == 0) return none;
  const session = createSession(c.core, context, 0);
  run.command = c;
  run.model = model;
  run.session = session;
  run.json = json;
  run.said = createBuffer(c.core, READ_BYTES, "a text");
  run.tokens = createBuffer(c.core, READ_BYTES, "a text");
  if (changetype<usize>(session) == 0) {
    failure(c);
    return none;
  }
  run.seed = given(c, "seed") ? whole(c, "seed") : seedOfNow(c);
  run.shifts = false;
  run.forgotten = 0;
  run.lead = 0;
  let status = configureSampler(c, session, model.gguf, run.seed);
  if (status >= 0) status = speculate(session, drafts != 0 ? 1 : 0, drafts);
  for (let i: u32 = 0; status >= 0; i++) {
    const stop = repeated(c, "stop", i);
    if (stop == 0) break;
    status = addStop(session, startOf(stop), lengthOf(stop));
  }
  if (status >= 0 && !loadAdapters(c, model)) return none;
  if (status >= 0) status = setOfSession(session, c.adapters, c.adapterWeights, c.adapterCount, false);
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
  // An empty file is no table, and not none.
  return setGrammar(run.session, startOf(table), max(lengthOf(table), 1));
}

/** The flag of a grammar that would have to be compiled; 0: none is given. */
function compiling(c: Command): usize {
  if (given(c, "schema")) return changetype<usize>("--schema");
  if (given(c, "regex")) return changetype<usize>("--regex");
  return given(c, "grammar") ? changetype<usize>("--grammar") : 0;
}

/** Puts the chat's tokens in the place of those before; what they share is not computed again. */
function takeChat(run: Run, messages: Buffer, isTrimmed: bool = false): i32 {
  const core = run.command.core;
  let count = chatTokens(core, run.model, messages.at, messages.length, 0, 0);
  if (count < 0) return count;
  const ids = allocateRaw(core, <u64>count * 4, "a chat");
  if (ids == 0) return core.errorCode;
  count = chatTokens(core, run.model, messages.at, messages.length, ids, count);
  if (count >= 0 && isTrimmed) {
    const gap = closeGap(run.session, ids, count);
    if (gap < 0) count = gap;
    else run.forgotten += gap;
  }
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
    if (run.shifts && s.finish == Finish.NONE && s.count == s.capacity) status = makeRoom(run);
    if (status < 0) break;
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
  return appendBytes(c.core, run.said, text, length);
}

function printJson(run: Run): void {
  const o = run.command.out;
  putText(o, '{"text":');
  putJson(o, run.said.at, run.said.length);
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
  putText(o, ',"prompt_tokens":');
  putNumber(o, run.prefillTokens);
  putText(o, ',"seed":');
  putNumber(o, run.seed);
  if (run.session.speculation.most != 0) {
    putText(o, ',"drafted":');
    putNumber(o, run.session.speculation.drafted);
    putText(o, ',"accepted":');
    putNumber(o, run.session.speculation.accepted);
  }
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
