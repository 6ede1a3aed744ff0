/**
 * Chat templates: from messages to the text that a model was tuned on. The common ones are written here, so that
 * every host has them; a template is taken for one of these only when its canonical form (text/template.ts) says
 * exactly that.
 *
 *     ChatML    <|im_start|>system⏎ … <|im_end|>⏎<|im_start|>user⏎ … <|im_end|>⏎<|im_start|>assistant⏎
 *     Qwen3     as ChatML, without the thoughts of answers before the last question
 *     Llama 2   <s>[INST] <<SYS>>⏎ … ⏎<</SYS>>⏎⏎ … [/INST] … </s><s>[INST] … [/INST]
 *     Llama 3   <|begin_of_text|><|start_header_id|>user<|end_header_id|>⏎⏎ … <|eot_id|> …
 *     Zephyr    <|system|>⏎ … </s>⏎<|user|>⏎ … </s>⏎<|assistant|>⏎
 *     Gemma     <bos><start_of_turn>user⏎ … <end_of_turn>⏎<start_of_turn>model⏎
 *     Phi-3     <|system|>⏎ … <|end|>⏎<|user|>⏎ … <|end|>⏎<|assistant|>⏎
 */
import { allocateRaw, release } from "../memory/arena";
import { Buffer, reserveBytes } from "../memory/buffer";
import {
  beginWriter, fnv, FNV_START, letterCount, putByte, putBytes, putText, startsWithText, Writer,
} from "../memory/bytes";
import { Core, ErrorCode, fail } from "../memory/core";
import { findToken } from "./lookup";
import { STRING_BEGIN, STRING_END, canonicalize } from "./template";
import { NONE, Tokenizer, tokenLength, tokenText } from "./tokenizer";
import { Class, classIn, lengthOf, look } from "./unicode";

export namespace ChatKind {
  export const NONE: u32 = 0;
  export const CHATML: u32 = 1;
  export const QWEN3: u32 = 2;
  export const LLAMA2: u32 = 3;
  export const LLAMA3: u32 = 4;
  export const ZEPHYR: u32 = 5;
  /** Gemma 3, whose system message stands before the first question, and Gemma 1 and 2, which have none. */
  export const GEMMA: u32 = 6;
  export const GEMMA2: u32 = 7;
  export const PHI3: u32 = 8;
}

export namespace Role {
  export const SYSTEM: u32 = 0;
  export const USER: u32 = 1;
  export const ASSISTANT: u32 = 2;
  /** The beginning of the answer that follows: the last message, behind others. */
  export const PREFIX: u32 = 3;
}

// Templates with branches that only tools or errors take, by the FNV-1a hash of their canonical form.
const QWEN25: u64 = 0xa20c_e425_d843_d169;
const QWEN3: u64 = 0xed2b_c737_267e_9d63;
const LLAMA2: u64 = 0x3992_9de2_6336_6ff0;
const LLAMA3: u64 = 0xd8c5_fa31_b234_18c6;
const LLAMA3_ALWAYS: u64 = 0x9270_edd9_52bd_0662;
const TINYLLAMA: u64 = 0x400e_e87a_a6f3_3e97;
const GEMMA2: u64 = 0x96dd_aa97_950f_fe1f;
const GEMMA3: u64 = 0x2a0f_da1b_5f5d_89da;
const PHI35: u64 = 0x8649_58e0_ba20_37d8;

/** A template that was looked at. */
@unmanaged
export class ChatTemplate {
  kind: u32;
  /** The canonical form's own system message, for chats that have none; length 0: no such message. */
  systemLength: u32;
  system: usize;
}

/** What is being written, and the template's canonical form behind it: one block of the arena. */
@unmanaged
class Work {
  template: ChatTemplate;
  output: Writer;
  tokenizer: Tokenizer;
  /** Where in the text the messages' own words stand: (begin, end) u32 each; 0: nobody asks. */
  contents: Buffer;
  core: Core;
  /** An error of `contents`, or 0. */
  status: i32;
}

const TEMPLATE_BYTES: usize = 16;
const WORK_BYTES: usize = 96;

/**
 * Which of the templates above a model's is. A model without a template (length 0) but with ChatML's two tokens speaks
 * ChatML. 0: none of them; below zero: an error.
 */
export function chatKind(core: Core, t: Tokenizer, template: usize, length: u32): i32 {
  const work = begin(core, t, template, length);
  if (changetype<usize>(work) == 0) return core.errorCode;
  const kind = work.template.kind;
  release(core, changetype<usize>(work));
  return <i32>kind;
}

/**
 * Writes the text of a chat, with the beginning of the next answer, to `target` and returns its length, which may be
 * more than `capacity`; below zero: an error. Messages lie one behind the other: role u32, length u32, bytes; a last
 * one of the role PREFIX is what the answer begins with. Where their words stand in the text is appended to `contents`,
 * which may be 0: (begin, end) u32 each, in rising order.
 */
export function formatChat(
  core: Core, t: Tokenizer, template: usize, templateLength: u32, messages: usize, bytes: u32, target: usize,
  capacity: u32, contents: Buffer,
): i32 {
  const wrong = checkMessages(core, messages, bytes);
  if (wrong != 0) return wrong;
  const work = begin(core, t, template, templateLength);
  if (changetype<usize>(work) == 0) return core.errorCode;
  const w = work.output;
  beginWriter(w, target, capacity);
  work.contents = contents;
  work.core = core;
  work.status = 0;
  const prefix = prefixOf(messages, messages + bytes);
  let status = write(core, work, messages, prefix);
  if (status >= 0 && prefix < messages + bytes) {
    // What these templates write in front of answers: one that has begun thinks no more, unless it says so.
    if (work.template.kind == ChatKind.LLAMA2) putByte(w, 0x20);
    if (work.template.kind == ChatKind.QWEN3 && !findWords(textOf(prefix), messages + bytes, "<think>")) {
      putText(w, "<think>\n\n</think>\n\n");
    }
    putContent(work, textOf(prefix), lengthAt(prefix));
  }
  if (status >= 0) status = work.status;
  const count = w.count;
  release(core, changetype<usize>(work));
  if (status < 0) return status;
  if (count > 0x7fff_ffff) return fail(core, ErrorCode.BAD_ARGUMENT, "a chat has at most 2 GiB of text");
  return <i32>count;
}

function begin(core: Core, t: Tokenizer, template: usize, length: u32): Work {
  const block = allocateRaw(core, <u64>WORK_BYTES + length, "a chat template");
  const work = changetype<Work>(block);
  if (block == 0) return work;
  work.tokenizer = t;
  work.template = changetype<ChatTemplate>(block + offsetof<Work>());
  work.output = changetype<Writer>(block + offsetof<Work>() + TEMPLATE_BYTES);
  const found = work.template;
  found.kind = ChatKind.NONE;
  found.systemLength = 0;
  if (length == 0) {
    if (hasToken(work, "<|im_start|>") && hasToken(work, "<|im_end|>")) found.kind = ChatKind.CHATML;
    return work;
  }
  const w = work.output;
  beginWriter(w, block + WORK_BYTES, length);
  if (canonicalize(w, template, length) && w.count <= length) recognize(found, w.target, w.target + w.count);
  return work;
}

function recognize(found: ChatTemplate, at: usize, end: usize): void {
  if (recognizeChatMl(found, at, end)) {
    found.kind = ChatKind.CHATML;
    return;
  }
  switch (fnv(FNV_START, at, end - at)) {
    case QWEN25: if (findSystem(found, at, end)) found.kind = ChatKind.CHATML; break;
    case QWEN3: found.kind = ChatKind.QWEN3; break;
    case LLAMA2: found.kind = ChatKind.LLAMA2; break;
    case LLAMA3:
    case LLAMA3_ALWAYS: found.kind = ChatKind.LLAMA3; break;
    case TINYLLAMA: found.kind = ChatKind.ZEPHYR; break;
    case GEMMA2: found.kind = ChatKind.GEMMA2; break;
    case GEMMA3: found.kind = ChatKind.GEMMA; break;
    case PHI35: found.kind = ChatKind.PHI3; break;
  }
}

/** ChatML as most models write it: one loop, with or without a system message of the template's own. */
function recognizeChatMl(found: ChatTemplate, at: usize, end: usize): bool {
  let next = eat(at, end, "{%if not add_generation_prompt is defined%}{%set add_generation_prompt=false%}{%endif%}");
  if (next != 0) at = next;
  at = eat(at, end, "{%for message in messages%}");
  if (at == 0) return false;
  next = eat(at, end, "{%if loop.first and messages[0].role!=\x01system\x02%}{{\x01<|im_start|>system\n");
  if (next != 0) {
    at = findMark(next, end);
    if (at == 0) return false;
    found.system = next;
    found.systemLength = <u32>(at - next);
    at = eat(at, end, "<|im_end|>\n\x02}}{%endif%}");
    if (at == 0) return false;
  }
  at = eat(at, end, "{{\x01<|im_start|>\x02+message.role+\x01\n\x02+message.content+\x01<|im_end|>");
  if (at == 0) return false;
  next = eat(at, end, "\x02+\x01\n\x02}}");
  at = next != 0 ? next : eat(at, end, "\n\x02}}");
  if (at == 0) return false;
  next = eat(at, end, "{%endfor%}{%if add_generation_prompt%}{{\x01<|im_start|>assistant\n\x02}}{%endif%}");
  if (next == 0) {
    next = eat(at, end, "{%if loop.last and add_generation_prompt%}{{\x01<|im_start|>assistant\n\x02}}{%endif%}");
    if (next != 0) next = eat(next, end, "{%endfor%}");
  }
  return next == end;
}

/** The system message of the template's own: the string ‹<|im_start|>system⏎ … <|im_end|>⏎›. */
function findSystem(found: ChatTemplate, at: usize, end: usize): bool {
  for (; at < end; at++) {
    if (load<u8>(at) != STRING_BEGIN) continue;
    const begin = eat(at + 1, end, "<|im_start|>system\n");
    if (begin == 0 || load<u8>(begin) == STRING_END) continue;
    const mark = findMark(begin, end);
    if (mark == 0 || eat(mark, end, "<|im_end|>\n\x02") == 0) return false;
    found.system = begin;
    found.systemLength = <u32>(mark - begin);
    return true;
  }
  return false;
}

/** Where, before its end, the string at `at` has <|im_end|>; 0. */
function findMark(at: usize, end: usize): usize {
  for (; at < end && load<u8>(at) != STRING_END; at++) if (eat(at, end, "<|im_end|>") != 0) return at;
  return 0;
}

/** The address behind the words, when they stand at `at`; else 0. */
function eat(at: usize, end: usize, words: string): usize {
  return at <= end && startsWithText(at, end - at, words) ? at + letterCount(words) : 0;
}

@inline
function roleOf(message: usize): u32 {
  return load<u32>(message);
}

@inline
function lengthAt(message: usize): u32 {
  return load<u32>(message, 4);
}

@inline
function textOf(message: usize): usize {
  return message + 8;
}

@inline
function nextMessage(message: usize): usize {
  return message + 8 + lengthAt(message);
}

function checkMessages(core: Core, messages: usize, bytes: u32): i32 {
  if (bytes == 0) return fail(core, ErrorCode.BAD_ARGUMENT, "a chat has one message at least");
  for (let at: u32 = 0; at < bytes; ) {
    if (bytes - at < 8 || bytes - at - 8 < lengthAt(messages + at)) {
      return fail(core, ErrorCode.BAD_ARGUMENT, "a message ends behind the list of messages");
    }
    const role = roleOf(messages + at);
    const next = at + 8 + lengthAt(messages + at);
    if (role > Role.ASSISTANT && (role > Role.PREFIX || at == 0 || next < bytes)) {
      return fail(core, ErrorCode.BAD_ARGUMENT, "a message's role is system, user or assistant (0, 1, 2)");
    }
    at = next;
  }
  return 0;
}

/** Where the prefix stands among checked messages; their end where there is none. */
function prefixOf(message: usize, end: usize): usize {
  while (message < end && roleOf(message) != Role.PREFIX) message = nextMessage(message);
  return message;
}

function write(core: Core, work: Work, messages: usize, end: usize): i32 {
  switch (work.template.kind) {
    case ChatKind.CHATML: return writeChatMl(work, messages, end);
    case ChatKind.QWEN3: return writeQwen3(work, messages, end);
    case ChatKind.LLAMA2: return writeLlama2(core, work, messages, end);
    case ChatKind.LLAMA3: return writeLlama3(work, messages, end);
    case ChatKind.ZEPHYR: return writeZephyr(work, messages, end);
    case ChatKind.GEMMA:
    case ChatKind.GEMMA2: return writeGemma(core, work, messages, end);
    case ChatKind.PHI3: return writePhi3(work, messages, end);
    default:
      return fail(
        core, ErrorCode.UNSUPPORTED,
        "the core does not know the model's chat template, or it has none; write the whole prompt without --chat",
      );
  }
}

function putRole(w: Writer, role: u32): void {
  putText(w, role == Role.SYSTEM ? "system" : role == Role.USER ? "user" : "assistant");
}

function writeChatMl(work: Work, message: usize, end: usize): i32 {
  const w = work.output;
  const system = work.template.systemLength;
  if (system > 0 && roleOf(message) != Role.SYSTEM) {
    putText(w, "<|im_start|>system\n");
    putBytes(w, work.template.system, system);
    putText(w, "<|im_end|>\n");
  }
  for (; message < end; message = nextMessage(message)) putChatMl(work, message, textOf(message), lengthAt(message));
  putText(w, "<|im_start|>assistant\n");
  return 0;
}

function putChatMl(work: Work, message: usize, text: usize, length: u32): void {
  const w = work.output;
  putText(w, "<|im_start|>");
  putRole(w, roleOf(message));
  putByte(w, 0x0a);
  putContent(work, text, length);
  putText(w, "<|im_end|>\n");
}

/** Answers behind the last question keep their thoughts; the last message has the tags even around none. */
function writeQwen3(work: Work, messages: usize, end: usize): i32 {
  const w = work.output;
  let lastQuestion: usize = 0;
  let last = messages;
  for (let message = messages; message < end; message = nextMessage(message)) {
    last = message;
    if (roleOf(message) == Role.USER && !isToolResponse(message)) lastQuestion = message;
  }
  if (lastQuestion == 0) lastQuestion = last;
  for (let message = messages; message < end; message = nextMessage(message)) {
    let text = textOf(message);
    const behind = nextMessage(message);
    if (roleOf(message) != Role.ASSISTANT) {
      putChatMl(work, message, text, lengthAt(message));
      continue;
    }
    const first = findWords(text, behind, "</think>");
    let answer = first;
    for (let at = first; at != 0; at = findWords(at + 8, behind, "</think>")) answer = at;
    const thought = first != 0 ? beginOfThought(text, first) : text;
    const thoughtEnd = first != 0 ? stripLines(thought, first) : text;
    if (answer != 0) text = skipLines(answer + 8, behind);
    if (message > lastQuestion && (message == last || skipLines(thought, thoughtEnd) < thoughtEnd)) {
      putText(w, "<|im_start|>assistant\n<think>\n");
      const from = skipLines(thought, thoughtEnd);
      putContent(work, from, <u32>(thoughtEnd - from));
      putText(w, "\n</think>\n\n");
      text = skipLines(text, behind);
      putContent(work, text, <u32>(behind - text));
      putText(w, "<|im_end|>\n");
    } else putChatMl(work, message, text, <u32>(behind - text));
  }
  putText(w, "<|im_start|>assistant\n");
  return 0;
}

function isToolResponse(message: usize): bool {
  const text = textOf(message);
  const end = nextMessage(message);
  if (eat(text, end, "<tool_response>") == 0 || end - text < 16) return false;
  return eat(end - 16, end, "</tool_response>") == end;
}

/** The address behind the last <think> before `end`. */
function beginOfThought(text: usize, end: usize): usize {
  let begin = text;
  for (let at = findWords(text, end, "<think>"); at != 0; at = findWords(at + 7, end, "<think>")) begin = at + 7;
  return begin;
}

function findWords(at: usize, end: usize, words: string): usize {
  for (; at < end; at++) if (eat(at, end, words) != 0) return at;
  return 0;
}

function skipLines(at: usize, end: usize): usize {
  while (at < end && load<u8>(at) == 0x0a) at += 1;
  return at;
}

function stripLines(at: usize, end: usize): usize {
  while (end > at && load<u8>(end - 1) == 0x0a) end -= 1;
  return end;
}

/** User and assistant take turns; a system message in front goes into the first question, a later one is not shown. */
function writeLlama2(core: Core, work: Work, message: usize, end: usize): i32 {
  const w = work.output;
  let system: usize = 0;
  if (roleOf(message) == Role.SYSTEM) {
    system = message;
    message = nextMessage(message);
  }
  let asks = true;
  for (; message < end; message = nextMessage(message)) {
    if ((roleOf(message) == Role.USER) != asks) return refuseTurn(core);
    if (asks) {
      putToken(work, work.tokenizer.bos);
      putText(w, "[INST] ");
      if (system != 0) {
        putText(w, "<<SYS>>\n");
        putContent(work, textOf(system), lengthAt(system));
        putText(w, "\n<</SYS>>");
        if (trimmedEnd(message) > textOf(message)) {
          putText(w, "\n\n");
          putContent(work, textOf(message), <u32>(trimmedEnd(message) - textOf(message)));
        }
        system = 0;
      } else putTrimmed(work, message);
      putText(w, " [/INST]");
    } else if (roleOf(message) == Role.ASSISTANT) {
      putByte(w, 0x20);
      putTrimmed(work, message);
      putByte(w, 0x20);
      putToken(work, work.tokenizer.eos);
    }
    asks = !asks;
  }
  return 0;
}

function refuseTurn(core: Core): i32 {
  return fail(core, ErrorCode.BAD_ARGUMENT, "in this model's chats user and assistant take turns, the user first");
}

function writeLlama3(work: Work, message: usize, end: usize): i32 {
  const w = work.output;
  putToken(work, work.tokenizer.bos);
  for (; message < end; message = nextMessage(message)) {
    putText(w, "<|start_header_id|>");
    putRole(w, roleOf(message));
    putText(w, "<|end_header_id|>\n\n");
    putTrimmed(work, message);
    putText(w, "<|eot_id|>");
  }
  putText(w, "<|start_header_id|>assistant<|end_header_id|>\n\n");
  return 0;
}

function writeZephyr(work: Work, message: usize, end: usize): i32 {
  const w = work.output;
  for (; message < end; message = nextMessage(message)) {
    putText(w, "<|");
    putRole(w, roleOf(message));
    putText(w, "|>\n");
    putContent(work, textOf(message), lengthAt(message));
    putToken(work, work.tokenizer.eos);
    putByte(w, 0x0a);
  }
  putText(w, "<|assistant|>\n");
  return 0;
}

/** User and assistant take turns, and a later system message may stand in for an answer. */
function writeGemma(core: Core, work: Work, message: usize, end: usize): i32 {
  const w = work.output;
  putToken(work, work.tokenizer.bos);
  let system: usize = 0;
  if (roleOf(message) == Role.SYSTEM) {
    if (work.template.kind == ChatKind.GEMMA2) {
      const words = "this model's chats have no system message: say it in the first question";
      return fail(core, ErrorCode.BAD_ARGUMENT, words);
    }
    system = message;
    message = nextMessage(message);
  }
  for (let asks = true; message < end; message = nextMessage(message)) {
    const role = roleOf(message);
    if ((role == Role.USER) != asks) return refuseTurn(core);
    putText(w, "<start_of_turn>");
    if (role == Role.ASSISTANT) putText(w, "model");
    else putRole(w, role);
    putByte(w, 0x0a);
    if (system != 0) {
      putContent(work, textOf(system), lengthAt(system));
      putText(w, "\n\n");
      system = 0;
    }
    putTrimmed(work, message);
    putText(w, "<end_of_turn>\n");
    asks = !asks;
  }
  putText(w, "<start_of_turn>model\n");
  return 0;
}

/** A system message without words is not shown. */
function writePhi3(work: Work, message: usize, end: usize): i32 {
  const w = work.output;
  for (; message < end; message = nextMessage(message)) {
    if (roleOf(message) == Role.SYSTEM && lengthAt(message) == 0) continue;
    putText(w, "<|");
    putRole(w, roleOf(message));
    putText(w, "|>\n");
    putContent(work, textOf(message), lengthAt(message));
    putText(w, "<|end|>\n");
  }
  putText(w, "<|assistant|>\n");
  return 0;
}

/** A message's text without the white space around it. */
function putTrimmed(work: Work, message: usize): void {
  const end = trimmedEnd(message);
  let at = textOf(message);
  for (; at < end; ) {
    const character = look(at, end);
    if (classIn(character) != Class.SPACE) break;
    at += lengthOf(character);
  }
  putContent(work, at, <u32>(end - at));
}

/** Words of a message, which are text whatever they say. */
function putContent(work: Work, text: usize, length: u32): void {
  const w = work.output;
  const list = work.contents;
  if (changetype<usize>(list) != 0 && length > 0 && work.status == 0) {
    work.status = reserveBytes(work.core, list, 8);
    if (work.status == 0) {
      store<u32>(list.at + list.length, w.count);
      store<u32>(list.at + list.length, w.count + length, 4);
      list.length += 8;
    }
  }
  putBytes(w, text, length);
}

/** The address behind a message's last character that is no white space; its beginning when all are. */
function trimmedEnd(message: usize): usize {
  const stop = nextMessage(message);
  let end: usize = textOf(message);
  for (let at: usize = end; at < stop; ) {
    const character = look(at, stop);
    at += lengthOf(character);
    if (classIn(character) != Class.SPACE) end = at;
  }
  return end;
}

function hasToken(work: Work, words: string): bool {
  const w = work.output;
  beginWriter(w, changetype<usize>(work) + WORK_BYTES - 16, 16);
  putText(w, words);
  return findToken(work.tokenizer, w.target, w.count) != NONE;
}

function putToken(work: Work, token: i32): void {
  const t = work.tokenizer;
  if (<u32>token < t.count) putBytes(work.output, tokenText(t, <u32>token), tokenLength(t, <u32>token));
}
