/**
 * The exports of chats: thin functions on handles, with the conventions of exports/model.ts.
 */
import { chatKindOf, chatTemplateOf, chatTokens, formatChatOf, tokenizeChat, useTemplate } from "../engine/chat";
import { Core } from "../memory/core";
import { Model } from "../engine/model";
import { stringBytes, stringLength } from "../files/gguf";

/** Which of the core's chat templates the model's is (ChatKind of text/chat.ts); 0 none, below zero an error. */
export function chat_kind(core: Core, model: Model): i32 {
  return chatKindOf(core, model);
}

/**
 * Has a model chat by this template (UTF-8, which is copied) in place of its file's; length 0: by its file's again.
 * Whether the core knows it, chat_kind says.
 */
export function chat_use_template(core: Core, model: Model, template: usize, length: u32): i32 {
  return useTemplate(core, model, template, length);
}

/** The raw template, UTF-8: the host's or else the file's; 0 when there is none. */
export function chat_template(core: Core, model: Model): usize {
  const template = chatTemplateOf(core, model);
  return template ? stringBytes(template) : 0;
}

/** The length of that template [bytes]; 0 when there is none. */
export function chat_template_length(core: Core, model: Model): u32 {
  const template = chatTemplateOf(core, model);
  return template ? stringLength(template) : 0;
}

/**
 * Writes the text of a chat and the beginning of its next answer; returns its length, of which at most `capacity`
 * bytes are written. `messages`: role u32 (0 system, 1 user, 2 assistant; of the last one 3, what the answer begins
 * with), length u32, bytes; one behind the other, unaligned.
 */
export function chat_format(core: Core, model: Model, messages: usize, bytes: u32, target: usize, capacity: u32): i32 {
  return formatChatOf(core, model, messages, bytes, target, capacity);
}

/**
 * The tokens of a chat, i32[capacity], of which there may be more; what its messages say is text, whatever it says, and
 * only what the template writes becomes control tokens. `messages` as chat_format.
 */
export function chat_tokens(core: Core, model: Model, messages: usize, bytes: u32, target: usize, capacity: u32): i32 {
  return chatTokens(core, model, messages, bytes, target, capacity);
}

/**
 * The tokens of a chat's text that the host has written by a template of its own, as tokenizer_tokenize; special tokens
 * are parsed, and a BOS is put where one lacks. `contents`, u32[2 count]: begin and end of what messages say in the
 * text, in rising order: there control tokens are text.
 */
export function chat_tokenize(
  core: Core, model: Model, text: usize, length: u32, contents: usize, count: u32, target: usize, capacity: u32,
): i32 {
  return tokenizeChat(core, model, text, length, contents, count, target, capacity);
}
