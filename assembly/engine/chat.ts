/**
 * A model's chats: its template from the file's metadata, given to text/chat.ts with its tokenizer.
 */
import { allocate, allocateRaw, release } from "../memory/arena";
import { Buffer, createBuffer } from "../memory/buffer";
import { u32At } from "../memory/bytes";
import { Core, ErrorCode, fail } from "../memory/core";
import { Model, ModelState, isModel } from "./model";
import { stringBytes, stringLength, textOr } from "../files/gguf";
import { HAS_CHAT_TEMPLATES } from "../parts";
import { chatKind, formatChat } from "../text/chat";
import { Plain } from "../text/partition";
import { TokenizeFlag, tokenizePlain } from "../text/tokenize";
import { Tokenizer, tokenLength, tokenText } from "../text/tokenizer";

/** The host's template, or the string `tokenizer.chat_template` of the file: for stringBytes and stringLength; or 0. */
export function chatTemplateOf(core: Core, model: Model): usize {
  if (!isModel(model) || model.state == ModelState.HEADER || model.state == ModelState.FAILED) return 0;
  if (model.template) return model.template;
  const before = model.gguf.error;
  const template = textOr(core, model.gguf, "tokenizer.chat_template");
  model.gguf.error = before;
  return template;
}

/** Has a model chat by another template than its file's, which is copied; length 0: by its file's again. */
export function useTemplate(core: Core, model: Model, template: usize, length: u32): i32 {
  const wrong = checkModel(core, model);
  if (wrong != 0) return wrong;
  if (!HAS_CHAT_TEMPLATES) return refuseTemplates(core);
  let copy: usize = 0;
  if (length > 0) {
    copy = allocateRaw(core, <u64>length + 8, "a chat template");
    if (copy == 0) return core.errorCode;
    store<u64>(copy, length);
    memory.copy(stringBytes(copy), template, length);
  }
  release(core, model.template);
  model.template = copy;
  return 0;
}

/** The ChatKind of a model; 0: the core does not know its template; below zero: an error. */
export function chatKindOf(core: Core, model: Model): i32 {
  const wrong = checkModel(core, model);
  if (wrong != 0) return wrong;
  const template = chatTemplateOf(core, model);
  if (!HAS_CHAT_TEMPLATES) return 0;
  const tokenizer = changetype<Tokenizer>(model.tokenizer);
  return chatKind(core, tokenizer, template ? stringBytes(template) : 0, template ? stringLength(template) : 0);
}

/** The text of a chat, as formatChat of text/chat.ts. */
export function formatChatOf(core: Core, model: Model, messages: usize, bytes: u32, target: usize, capacity: u32): i32 {
  return format(core, model, messages, bytes, target, capacity, changetype<Buffer>(0));
}

function format(
  core: Core, model: Model, messages: usize, bytes: u32, target: usize, capacity: u32, contents: Buffer,
): i32 {
  const wrong = checkModel(core, model);
  if (wrong != 0) return wrong;
  if (!HAS_CHAT_TEMPLATES) return refuseTemplates(core);
  if (model.hasProgram && model.program.decoderLayer) {
    const words = "this model has no chat: its encoder reads a text, and its decoder writes another; call generate";
    return fail(core, ErrorCode.UNSUPPORTED, words);
  }
  const template = chatTemplateOf(core, model);
  const tokenizer = changetype<Tokenizer>(model.tokenizer);
  const text = template ? stringBytes(template) : 0;
  const length = template ? stringLength(template) : 0;
  return formatChat(core, tokenizer, text, length, messages, bytes, target, capacity, contents);
}

function refuseTemplates(core: Core): i32 {
  const words = "this build of limpet has no chat templates; take limpet.wasm, which has them";
  return fail(core, ErrorCode.UNSUPPORTED, words);
}

/** The tokens of a chat: what its messages say is text, and only what the template writes becomes control tokens. */
export function chatTokens(core: Core, model: Model, messages: usize, bytes: u32, target: usize, capacity: u32): i32 {
  const length = formatChatOf(core, model, messages, bytes, 0, 0);
  if (length < 0) return length;
  const contents = createBuffer(core, 256, "a chat");
  const text = allocateRaw(core, <u64>length, "a chat");
  let count: i32 = core.errorCode;
  if (text != 0 && changetype<usize>(contents) != 0) {
    count = format(core, model, messages, bytes, text, length, contents);
    if (count >= 0)
      count = tokenizeChat(core, model, text, length, contents.at, contents.length >> 3, target, capacity);
  }
  if (changetype<usize>(contents) != 0) release(core, contents.at);
  release(core, changetype<usize>(contents));
  release(core, text);
  return count;
}

/**
 * The tokens of a formatted chat, as `tokenize`: with special tokens parsed where no message's words stand, no EOS, and
 * a BOS in front where the vocabulary wants one and the template does not write it itself. `contents`: (begin, end) u32
 * each, in rising order: where in the text those words stand.
 */
export function tokenizeChat(
  core: Core, model: Model, text: usize, length: u32, contents: usize, count: u32, target: usize, capacity: u32,
): i32 {
  let wrong = checkModel(core, model);
  if (wrong == 0) wrong = checkContents(core, length, contents, count);
  if (wrong != 0) return wrong;
  const plain = changetype<Plain>(allocate(core, offsetof<Plain>(), "a chat"));
  if (changetype<usize>(plain) == 0) return core.errorCode;
  const template = chatTemplateOf(core, model);
  plain.spans = contents;
  plain.count = count;
  plain.template = template ? stringBytes(template) : 0;
  plain.templateLength = template ? stringLength(template) : 0;
  const t = changetype<Tokenizer>(model.tokenizer);
  let front: u32 = 0;
  if (t.addBos && t.bos >= 0 && !writesBos(text, length, plain, t)) {
    front = 1;
    if (capacity > 0) {
      store<i32>(target, t.bos);
      target += 4;
      capacity -= 1;
    }
  }
  const tokens = tokenizePlain(core, t, text, length, TokenizeFlag.PARSE_SPECIAL, plain, target, capacity);
  release(core, changetype<usize>(plain));
  return tokens < 0 ? tokens : tokens + front;
}

function checkContents(core: Core, length: u32, contents: usize, count: u32): i32 {
  let before: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const begin = u32At(contents, 2 * i);
    const end = u32At(contents, 2 * i + 1);
    if (begin < before || end < begin || end > length) {
      const words = "the contents of a chat are (begin, end) in its text, in rising order";
      return fail(core, ErrorCode.BAD_ARGUMENT, words);
    }
    before = end;
  }
  return 0;
}

/** Whether the template itself has put the BOS in front. */
function writesBos(text: usize, length: u32, plain: Plain, t: Tokenizer): bool {
  const bos = <u32>t.bos;
  const bytes = tokenLength(t, bos);
  if (bytes == 0 || length < bytes || memory.compare(text, tokenText(t, bos), bytes) != 0) return false;
  return plain.count == 0 || load<u32>(plain.spans) >= bytes;
}

function checkModel(core: Core, model: Model): i32 {
  if (isModel(model) && model.tokenizer != 0) return 0;
  return fail(core, ErrorCode.WRONG_STATE, "a chat wants a model whose header is loaded");
}
