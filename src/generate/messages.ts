/** The messages of a conversation, tool calls and their results among them, and the tools that a model may call. */
import { plainSchema } from "../grammar/given.ts";
import { flag, listOf, type OptionTable, optional, printable, readOptions, text } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";

/** A message of a conversation. */
export type Message = SaidMessage | AssistantMessage | ToolMessage;

/** What the model is told: `system` tells it how to behave. */
export interface SaidMessage {
  /** Who speaks. */
  readonly role: "system" | "user";
  /** What is said, as text. */
  readonly content: string;
}

/** What the model has answered. */
export interface AssistantMessage {
  /** The model speaks. */
  readonly role: "assistant";
  /** Its answer, as text; empty where it only called tools. */
  readonly content: string;
  /** What it thought before; models forget it where their template says so. */
  readonly reasoning?: string;
  /** The tools that it called, whose results follow as messages. */
  readonly toolCalls?: readonly ToolCall[];
  /**
   * Of the last message alone: its content is what the answer begins with. The model goes on from there, and what it
   * says does not repeat it.
   */
  readonly prefix?: boolean;
}

/** What a tool gave. */
export interface ToolMessage {
  /** A tool answers. */
  readonly role: "tool";
  /** The result, as text: JSON, or any other. */
  readonly content: string;
  /** The `id` of the call that it answers. Default: the first one without a result. */
  readonly toolCallId?: string;
  /** The name of the tool. Default: that of the call. */
  readonly name?: string;
}

/** A call of a tool. */
export interface ToolCall {
  /** The same in the message with the result. limpet's are unique within a conversation. */
  readonly id: string;
  /** The name of the tool. */
  readonly name: string;
  /** The arguments: the text of a JSON object. */
  readonly arguments: string;
}

/** A part of a call as it comes: the deltas of one `index` joined are its arguments. */
export interface ToolCallDelta {
  /** Which of the calls of the answer, from 0. */
  readonly index: number;
  /** The id of the call, in each of its parts. */
  readonly id: string;
  /** The name of the tool, in each of its parts. */
  readonly name: string;
  /** What follows of the arguments; empty in the first part, with which the name is known. */
  readonly arguments: string;
}

/** A tool that a model may call. */
export interface Tool {
  /** Letters, digits, `_`, `-`, `.`, `:`; 64 at most. */
  readonly name: string;
  /** What it does, for the model. */
  readonly description?: string;
  /** The JSON Schema of the object of its arguments; what zod and Standard Schema make is taken. Default: none at all. */
  readonly parameters?: unknown;
  /**
   * Whether arguments obey the schema. Default: true, and what limpet cannot hold is refused by name; false: any object
   * of JSON.
   */
  readonly strict?: boolean;
}

/** Which tools are called: as the model likes, none, one at least, or this one. */
export type ToolChoice = "auto" | "none" | "required" | { readonly name: string };

const TOOL: OptionTable<Tool> = { name: nameOf, description: text, parameters: parametersOf, strict: flag };
const CALL: OptionTable<ToolCall> = { id: text, name: nameOf, arguments: argumentsOf };
const ROLES = ["system", "user", "assistant", "tool"];

/** A copy of a conversation, each message of which is one. */
export function messagesOf(messages: unknown): Message[] {
  if (!Array.isArray(messages)) {
    throw new LimpetError("BAD_ARGUMENT", `messages is a list of messages, not ${printable(messages)}`);
  }
  const read = Array.from(messages, messageOf);
  if (read.slice(0, -1).some((message) => prefixOf([message]) !== null)) {
    throw new LimpetError("BAD_ARGUMENT", "prefix is of the last message: what the answer begins with");
  }
  return read;
}

/** What the answer begins with; null: no message says. */
export function prefixOf(messages: readonly Message[]): string | null {
  const last = messages.at(-1);
  return last?.role === "assistant" && last.prefix ? last.content : null;
}

/** A message, or the text of a user's. */
export function saidOf(content: unknown): Message[] {
  if (typeof content === "string") return [{ role: "user", content }];
  if (Array.isArray(content)) return messagesOf(content);
  if (typeof content === "object" && content !== null) return [messageOf(content)];
  throw new LimpetError("BAD_ARGUMENT", `content is text or messages, not ${printable(content)}`);
}

function messageOf(message: unknown): Message {
  const given = (message ?? {}) as Record<string, unknown>;
  const { role, content } = given;
  if (typeof role !== "string" || !ROLES.includes(role) || typeof content !== "string") {
    const words = "a message has a role (system, user, assistant or tool) and a content of text";
    throw new LimpetError("BAD_ARGUMENT", words);
  }
  if (role === "tool") {
    const toolCallId = optional(text)("toolCallId", given.toolCallId);
    const name = optional(nameOf)("name", given.name);
    return { role, content, ...(toolCallId !== undefined && { toolCallId }), ...(name !== undefined && { name }) };
  }
  if (role !== "assistant") return { role: role as SaidMessage["role"], content };
  const reasoning = optional(text)("reasoning", given.reasoning);
  const calls = optional(
    listOf((name, call) => requiredOf(readOptions(call, CALL, name), ["id", "name", "arguments"])),
  )("toolCalls", given.toolCalls);
  const prefix = optional(flag)("prefix", given.prefix);
  if (prefix && (reasoning || calls?.length)) {
    throw new LimpetError(
      "BAD_ARGUMENT",
      "a prefix is text that an answer begins with: it has no reasoning and no toolCalls",
    );
  }
  return {
    ...{ role, content },
    ...(reasoning && { reasoning }),
    ...(calls?.length && { toolCalls: calls }),
    ...(prefix && { prefix }),
  };
}

/** Tools, each of another name. */
export function toolsOf(name: string, value: unknown): readonly Tool[] {
  const tools = listOf((at, tool) => requiredOf(readOptions(tool, TOOL, at), ["name"]))(name, value);
  const names = new Set<string>();
  for (const tool of tools) {
    if (names.has(tool.name)) throw new LimpetError("BAD_ARGUMENT", `there are two tools of the name ${tool.name}`);
    names.add(tool.name);
  }
  return tools;
}

/** Which tools are called. */
export function toolChoiceOf(name: string, value: unknown): ToolChoice {
  if (value === "auto" || value === "none" || value === "required") return value;
  const tool = typeof value === "object" && value !== null ? (value as { name?: unknown }).name : undefined;
  if (typeof tool === "string") return { name: tool };
  throw new LimpetError("BAD_ARGUMENT", `${name} is "auto", "none", "required" or { name }, not ${printable(value)}`);
}

function requiredOf<Value extends object>(value: Value, names: readonly (keyof Value & string)[]): Value {
  for (const name of names) {
    if (value[name] === undefined) throw new LimpetError("BAD_ARGUMENT", `a ${name} is missing`);
  }
  return value;
}

function nameOf(name: string, value: unknown): string {
  if (typeof value === "string" && /^[\w.:-]{1,64}$/.test(value)) return value;
  const words = "is letters, digits, _, -, . and :, 64 at most";
  throw new LimpetError("BAD_ARGUMENT", `${name} of a tool ${words}, not ${printable(value)}`);
}

function argumentsOf(name: string, value: unknown): string {
  if (typeof value === "string") {
    try {
      const parsed: unknown = JSON.parse(value);
      if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) return value;
    } catch {
      // As other words that are no object.
    }
  }
  throw new LimpetError("BAD_ARGUMENT", `${name} of a tool call is the text of a JSON object, not ${printable(value)}`);
}

function parametersOf(_: string, value: unknown): unknown {
  const schema = plainSchema(value);
  if (typeof schema === "object" && schema !== null && !Array.isArray(schema)) return schema;
  throw new LimpetError("BAD_ARGUMENT", "parameters of a tool is the JSON Schema of an object");
}
