/** What the AI SDK asks of a call, as limpet's messages and options, and what of it is not carried out. */

import type { GenerateOptions } from "../../generate/generation.ts";
import type { Message } from "../../generate/messages.ts";
import type { ContextOptions } from "../../generate/sequence-pool.ts";
import { LimpetError } from "../../host/errors.ts";
import { ANY_JSON, askFor, schemaWords, TO_THE_END } from "../models.ts";
import type { CallWarning, LanguageCallOptions, PromptMessage, PromptPart } from "./interface.ts";

/** Options of `model.chat` that are those of all calls which say nothing else. */
export interface ChatSettings extends Omit<GenerateOptions, "signal">, ContextOptions {}

/** A call as limpet carries it out. */
export interface ReadCall {
  readonly messages: Message[];
  readonly options: GenerateOptions & ContextOptions;
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
  let messages = call.prompt.map(readMessage);
  const options: GenerateOptions & ContextOptions = { maxTokens: TO_THE_END, ...settings };
  const take = <Name extends keyof GenerateOptions>(name: Name, value: GenerateOptions[Name] | undefined): void => {
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
  if (call.tools?.length) warnings.push({ type: "unsupported", feature: "tools" });
  if (call.toolChoice && call.toolChoice.type !== "auto" && call.toolChoice.type !== "none") {
    warnings.push({ type: "unsupported", feature: "toolChoice" });
  }
  Object.assign(options, call.providerOptions?.limpet);
  return { messages, options, warnings };
}

function readMessage(message: PromptMessage): Message {
  if (message.role === "system") return { role: "system", content: message.content };
  const { role, content } = message;
  if (role === "tool") throw unsupported("tool results");
  const said = content.filter(({ type }) => role !== "assistant" || type !== "reasoning");
  return { role, content: said.map(textOf).join("") };
}

function textOf({ type, text }: PromptPart): string {
  if (type === "text" && typeof text === "string") return text;
  throw unsupported(`a part of the kind ${type}`);
}

function unsupported(what: string): LimpetError {
  return new LimpetError("UNSUPPORTED", `limpet's models read text: ${what} cannot be given to them`);
}
