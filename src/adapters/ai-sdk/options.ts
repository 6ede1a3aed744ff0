/** What the AI SDK asks of a call, as limpet's messages and options, and what of it is not carried out. */

import type { ChatOptions } from "../../generate/chat-answer.ts";
import type { Message, Tool, ToolCall, ToolChoice } from "../../generate/messages.ts";
import type { ContextOptions } from "../../generate/sequence-pool.ts";
import { LimpetError } from "../../host/errors.ts";
import { ANY_JSON, askFor, schemaWords, TO_THE_END } from "../models.ts";
import type {
  CallTool,
  CallToolChoice,
  CallWarning,
  LanguageCallOptions,
  PromptMessage,
  PromptPart,
} from "./interface.ts";

/** Options of `model.chat` that are those of all calls which say nothing else. */
export interface ChatSettings extends Omit<ChatOptions, "signal" | "tools" | "toolChoice">, ContextOptions {}

/** A call as limpet carries it out. */
export interface ReadCall {
  readonly messages: Message[];
  readonly options: ChatOptions & ContextOptions;
  readonly warnings: CallWarning[];
}

/** Tokens that a model may think for, by the SDK's words. */
const BUDGETS: Readonly<Record<string, number | undefined>> = {
  none: 0,
  minimal: 128,
  low: 512,
  medium: 2048,
  high: 8192,
};

/** Reads a call. What cannot be read is an UNSUPPORTED that says so; what is not carried out is a warning. */
export function readCall(call: LanguageCallOptions, settings: ChatSettings): ReadCall {
  const warnings: CallWarning[] = [];
  let messages = begun(call.prompt.flatMap(readMessage));
  const options: ChatOptions & ContextOptions = { maxTokens: TO_THE_END, ...settings };
  const take = <Name extends keyof ChatOptions>(name: Name, value: ChatOptions[Name] | undefined): void => {
    if (value !== undefined && value !== null) options[name] = value;
  };
  take("maxTokens", call.maxOutputTokens);
  take("temperature", call.temperature);
  take("topP", call.topP);
  take("topK", call.topK);
  take("presencePenalty", call.presencePenalty);
  take("frequencyPenalty", call.frequencyPenalty);
  take("seed", call.seed);
  take("stop", call.stopSequences);
  take("signal", call.abortSignal);
  const budget = BUDGETS[call.reasoning ?? ""];
  if (budget !== undefined) options.reasoning = { budget };
  if (call.responseFormat?.type === "json") {
    const { schema, name, description } = call.responseFormat;
    options.schema = schema ?? ANY_JSON;
    const about = [name, description].filter(Boolean).join(": ");
    const words = schema ? schemaWords(schema) : "Answer with JSON.";
    messages = askFor(messages, about ? `${words}\nIt is ${about}` : words);
  }
  const tools = (call.tools ?? []).flatMap((tool) => {
    if (tool.type === "function") return [readTool(tool)];
    warnings.push({ type: "unsupported", feature: `tool ${tool.id}`, details: "limpet has no tools of its own" });
    return [];
  });
  if (tools.length > 0) Object.assign(options, { tools, toolChoice: readChoice(call.toolChoice) });
  Object.assign(options, call.providerOptions?.limpet);
  return { messages, options, warnings };
}

/** A conversation that ends with an assistant's text has the answer begin with it, as the SDK's other providers do. */
function begun(messages: Message[]): Message[] {
  const last = messages.at(-1);
  if (messages.length < 2 || last?.role !== "assistant" || last.reasoning || last.toolCalls) return messages;
  return [...messages.slice(0, -1), { ...last, prefix: true }];
}

function readTool({ name, description, inputSchema, strict }: CallTool & { type: "function" }): Tool {
  return {
    name,
    parameters: inputSchema,
    ...(description && { description }),
    ...(strict !== undefined && { strict }),
  };
}

function readChoice(choice: CallToolChoice | undefined): ToolChoice {
  if (choice === undefined) return "auto";
  return choice.type === "tool" ? { name: choice.toolName } : choice.type;
}

function readMessage(message: PromptMessage): Message[] {
  if (message.role === "system") return [{ role: "system", content: message.content }];
  const { role, content } = message;
  const of = (type: string): PromptPart[] => content.filter((part) => part.type === type);
  if (role === "tool") return of("tool-result").map(readResult);
  if (role === "user") return [{ role, content: content.map(textOf).join("") }];
  const reasoning = of("reasoning").map(({ text }) => text ?? "");
  const toolCalls = of("tool-call").map(readCallPart);
  const said = content.filter(({ type }) => type !== "reasoning" && type !== "tool-call");
  return [
    {
      role,
      content: said.map(textOf).join(""),
      ...(reasoning.length > 0 && { reasoning: reasoning.join("") }),
      ...(toolCalls.length > 0 && { toolCalls }),
    },
  ];
}

function readCallPart({ toolCallId = "", toolName = "", input }: PromptPart): ToolCall {
  const given = typeof input === "string" ? input : JSON.stringify(input ?? {});
  return { id: toolCallId, name: toolName, arguments: given };
}

function readResult({ toolCallId, toolName, output }: PromptPart): Message {
  return {
    role: "tool",
    content: resultText(output),
    ...(toolCallId !== undefined && { toolCallId }),
    ...(toolName !== undefined && { name: toolName }),
  };
}

function resultText(output: PromptPart["output"]): string {
  if (output === undefined) return "";
  const { type, value, reason } = output;
  if (type === "execution-denied") return `The user has not allowed this call${reason ? `: ${reason}` : "."}`;
  if (type === "content" && Array.isArray(value)) return value.map((part) => textOf(part as PromptPart)).join("");
  return typeof value === "string" ? value : JSON.stringify(value ?? null);
}

function textOf({ type, text }: PromptPart): string {
  if (type === "text" && typeof text === "string") return text;
  throw unsupported(`a part of the kind ${type}`);
}

function unsupported(what: string): LimpetError {
  return new LimpetError("UNSUPPORTED", `limpet's models read text: ${what} cannot be given to them`);
}
