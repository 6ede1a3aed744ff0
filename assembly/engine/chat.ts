/**
 * A model's chats: its template from the file's metadata, given to text/chat.ts with its tokenizer.
 */
import { Core, ErrorCode, fail } from "../memory/core";
import { Model, ModelState, isModel } from "./model";
import { stringBytes, stringLength, textOr } from "../files/gguf";
import { chatKind, formatChat } from "../text/chat";
import { TokenizeFlag, tokenize } from "../text/tokenize";
import { Tokenizer, tokenLength, tokenText } from "../text/tokenizer";

/** The string `tokenizer.chat_template` of the file, for stringBytes and stringLength; 0 when there is none. */
export function chatTemplateOf(core: Core, model: Model): usize {
  if (!isModel(model) || model.state == ModelState.HEADER || model.state == ModelState.FAILED) return 0;
  const before = model.gguf.error;
  const template = textOr(core, model.gguf, "tokenizer.chat_template");
  model.gguf.error = before;
  return template;
}

/** The ChatKind of a model; 0: the core does not know its template; below zero: an error. */
export function chatKindOf(core: Core, model: Model): i32 {
  const wrong = checkModel(core, model);
  if (wrong != 0) return wrong;
  const template = chatTemplateOf(core, model);
  const tokenizer = changetype<Tokenizer>(model.tokenizer);
  return chatKind(core, tokenizer, template ? stringBytes(template) : 0, template ? stringLength(template) : 0);
}

/** The text of a chat, as formatChat of text/chat.ts. */
export function formatChatOf(core: Core, model: Model, messages: usize, bytes: u32, target: usize, capacity: u32): i32 {
  const wrong = checkModel(core, model);
  if (wrong != 0) return wrong;
  const template = chatTemplateOf(core, model);
  const tokenizer = changetype<Tokenizer>(model.tokenizer);
  const text = template ? stringBytes(template) : 0;
  const length = template ? stringLength(template) : 0;
  return formatChat(core, tokenizer, text, length, messages, bytes, target, capacity);
}

/**
 * Tokens of a formatted chat, as `tokenize`: with special tokens parsed, no EOS, and a BOS in front where the
 * vocabulary wants one and the template does not write it itself.
 */
export function tokenizeChat(core: Core, model: Model, text: usize, length: u32, target: usize, capacity: u32): i32 {
  const wrong = checkModel(core, model);
  if (wrong != 0) return wrong;
  const t = changetype<Tokenizer>(model.tokenizer);
  if (!t.addBos || t.bos < 0 || beginsWith(text, length, t, <u32>t.bos)) {
    return tokenize(core, t, text, length, TokenizeFlag.PARSE_SPECIAL, target, capacity);
  }
  if (capacity > 0) {
    store<i32>(target, t.bos);
    target += 4;
    capacity -= 1;
  }
  const count = tokenize(core, t, text, length, TokenizeFlag.PARSE_SPECIAL, target, capacity);
  return count < 0 ? count : count + 1;
}

function beginsWith(text: usize, length: u32, t: Tokenizer, token: u32): bool {
  const bytes = tokenLength(t, token);
  return bytes > 0 && length >= bytes && memory.compare(text, tokenText(t, token), bytes) == 0;
}

function checkModel(core: Core, model: Model): i32 {
  if (isModel(model) && model.tokenizer != 0) return 0;
  return fail(core, ErrorCode.WRONG_STATE, "a chat wants a model whose header is loaded");
}
