/** What clients write in a request beside its numbers: messages, tools, the form of the answer. */

import type { GenerateOptions } from "../generate/generation.ts";
import type { Message } from "../generate/messages.ts";
import { printable } from "../host/arguments.ts";
import { Fields } from "./fields.ts";
import { chatCalls } from "./tools.ts";

const MOST_MESSAGES = 4096;
const MOST_PARTS = 4096;

/** A conversation as OpenAI's chat has it. */
export function chatMessages(fields: Fields): Message[] {
  const list = fields.required("messages", fields.objects("messages", MOST_MESSAGES));
  if (list.length === 0) throw fields.wrong("messages", "is empty: a conversation has one message at least");
  return list.map((message): Message => {
    const role = message.required("role", message.text("role"));
    if (role === "tool" || role === "function") return toolResult(message);
    if (role === "system" || role === "developer") return { role: "system", content: contentOf(message) };
    if (role === "user") return { role, content: contentOf(message) };
    if (role === "assistant") return assistantMessage(message);
    throw message.wrong("role", `is system, developer, user, assistant or tool, not ${printable(role)}`);
  });
}

function assistantMessage(message: Fields): Message {
  const reasoning = message.text("reasoning_content");
  const toolCalls = chatCalls(message);
  return {
    role: "assistant",
    content: message.has("content") ? contentOf(message) : "",
    ...(reasoning && { reasoning }),
    ...(toolCalls.length > 0 && { toolCalls }),
    ...(message.flag("prefix") && { prefix: true }),
  };
}

function toolResult(message: Fields): Message {
  const toolCallId = message.text("tool_call_id");
  const name = message.text("name");
  return {
    role: "tool",
    content: contentOf(message),
    ...(toolCallId !== undefined && { toolCallId }),
    ...(name !== undefined && { name }),
  };
}

/** A message's text: as it is, or in parts. */
export function contentOf(message: Fields, name: string = "content"): string {
  if (typeof message.raw(name) === "string") return message.text(name)!;
  const parts = message.required(name, message.objects(name, MOST_PARTS));
  return parts.map(partText).join("");
}

/** The text of a part of a message, by any of its names. */
export function partText(part: Fields): string {
  const type = part.required("type", part.text("type"));
  if (["text", "input_text", "output_text"].includes(type)) return part.required("text", part.text("text"));
  if (type === "refusal") return part.required("refusal", part.text("refusal"));
  throw part.wrong("type", `is text: this model reads nothing else, and no ${printable(type)}`);
}

/** The form of an answer: OpenAI's `response_format`, llama.cpp's `grammar` and `json_schema`. */
export function constraintOf(fields: Fields): GenerateOptions {
  const grammar = fields.text("grammar");
  const own = fields.raw("json_schema");
  const format = fields.object("response_format");
  const forms: GenerateOptions[] = [
    ...(grammar === undefined || grammar === "" ? [] : [{ grammar }]),
    ...(own === undefined ? [] : [{ schema: own }]),
    ...(format === undefined ? [] : formatOf(format)),
  ];
  if (forms.length > 1) throw fields.wrong("response_format", "goes with no grammar and no json_schema beside it");
  return forms[0] ?? {};
}

/** `response_format`, or `text.format` of responses, whose schema stands beside its type. */
export function formatOf(format: Fields): GenerateOptions[] {
  const type = format.required("type", format.text("type"));
  if (type === "text") return [];
  if (type === "json_object") {
    const schema = format.raw("schema");
    return [{ schema: schema ?? { type: "object" } }];
  }
  if (type !== "json_schema") {
    throw format.wrong("type", `is text, json_object or json_schema, not ${printable(type)}`);
  }
  const holder = format.object("json_schema") ?? format;
  const schema = holder.required("schema", holder.raw("schema"));
  return [{ schema: Fields.of(schema, holder.path("schema")) && schema }];
}

/** How long the model may reason. */
export function reasoningOf(fields: Fields): GenerateOptions {
  const budget = fields.whole("reasoning_budget", 0, 2 ** 31 - 1);
  const effort = fields.text("reasoning_effort");
  if (budget !== undefined) return { reasoning: { budget } };
  return effort === "none" ? { reasoning: { budget: 0 } } : {};
}
