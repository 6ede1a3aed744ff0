/**
 * A model's chats: its template from the file's metadata, given to text/chat.ts with its tokenizer.
 *
 * May call: model.ts, formats/, text/.
 */
import { Core, ErrorCode, fail } from "./core";
import { Model, ModelState, isModel } from "./model";
import { stringBytes, stringLength, textOr } from "../formats/gguf";
import { chatKind, formatChat } from "../text/chat";
import { TokenizeFlag } from "../text/tokenize";
import { Tokenizer, tokenLength, tokenText } from "../text/tokenizer";

/** The string `tokenizer.chat_template` of the file, for stringBytes and stringLength; 0 when there is none. */
export function chatTemplateOf(core: Core, model: Model): usize {
  if (!isModel(model) || model.state == ModelState.HEADER || model.state == ModelState.FAILED) return 0;
  const before = model.gguf.trouble;
  const template = textOr(core, model.gguf, "tokenizer.chat_template");
  model.gguf.trouble = before;
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
export function formatChatOf(
  core: Core,
  model: Model,
  messages: usize,
  bytes: u32,
  target: usize,
  capacity: u32,
): i32 {
  const wrong = checkModel(core, model);
  if (wrong != 0) return wrong;
  const template = chatTemplateOf(core, model);
  const tokenizer = changetype<Tokenizer>(model.tokenizer);
  const text = template ? stringBytes(template) : 0;
  const length = template ? stringLength(template) : 0;
  return formatChat(core, tokenizer, text, length, messages, bytes, target, capacity);
}

/** How a formatted chat is tokenized: with special tokens, and with a BOS only when the text does not begin with it. */
export function chatFlags(model: Model, text: usize, length: u32): u32 {
  const t = changetype<Tokenizer>(model.tokenizer);
  if (t.bos < 0) return TokenizeFlag.PARSE_SPECIAL | TokenizeFlag.ADD_SPECIAL;
  const bos = tokenLength(t, <u32>t.bos);
  const own = bos > 0 && length >= bos && memory.compare(text, tokenText(t, <u32>t.bos), bos) == 0;
  return own ? TokenizeFlag.PARSE_SPECIAL : TokenizeFlag.PARSE_SPECIAL | TokenizeFlag.ADD_SPECIAL;
}

function checkModel(core: Core, model: Model): i32 {
  if (isModel(model) && model.tokenizer != 0) return 0;
  return fail(core, ErrorCode.WRONG_STATE, "a chat wants a model whose header is loaded");
}
