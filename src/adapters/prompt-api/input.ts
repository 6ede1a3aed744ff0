/** What pages give to the Prompt API, read: messages, constraints, how to sample. */

import type { ConstraintOptions } from "../../generate/constraint.ts";
import type { Message } from "../../generate/messages.ts";
import type { SamplingOptions } from "../../generate/sampling.ts";
import { askFor, schemaWords } from "../models.ts";
import { notSupported } from "./errors.ts";

/** A part of a message: text alone. */
export interface LanguageModelMessageContent {
  /** `text`: limpet's models read nothing else. */
  type: "text" | "image" | "audio";
  /** The text. */
  value: unknown;
}

/** A message of a conversation. */
export interface LanguageModelMessage {
  /** Who speaks; `system` stands first in `initialPrompts`, and nowhere else. */
  role: "system" | "user" | "assistant";
  /** What is said. */
  content: string | LanguageModelMessageContent[];
  /** Of an assistant's last message: the answer goes on from it. */
  prefix?: boolean;
}

/** What a session is prompted with. */
export type LanguageModelPrompt = string | LanguageModelMessage[];

/** How bold answers are. */
export type LanguageModelSamplingMode = "most-predictable" | "predictable" | "balanced" | "creative" | "most-creative";

/** A kind of input or output that a page is going to use. */
export interface LanguageModelExpected {
  /** `text`: others are not there. */
  type: "text" | "image" | "audio";
  /** Languages, which are not looked at: what a model speaks its file does not say. */
  languages?: string[];
}

/** What a model is asked for, before any session. */
export interface LanguageModelCreateCoreOptions {
  /** What is given to it. */
  expectedInputs?: LanguageModelExpected[];
  /** What is wanted of it. */
  expectedOutputs?: LanguageModelExpected[];
  /** Default: `balanced`. */
  samplingMode?: LanguageModelSamplingMode;
  /** Draw from so many of the likeliest tokens: in place of `samplingMode`. */
  topK?: number;
  /** How bold answers are, as a number: in place of `samplingMode`. */
  temperature?: number;
}

/** What a prompt is given beside its input. */
export interface LanguageModelPromptOptions {
  /** What the answer has to be: a JSON Schema, or a regular expression. */
  responseConstraint?: object;
  /** Do not show it to the model. */
  omitResponseConstraintInput?: boolean;
  /** Ends the prompt: it is as if it had not been. */
  signal?: AbortSignal;
}

/** Messages, and the answer's beginning where the last one is that. */
export interface ReadInput {
  readonly messages: Message[];
  readonly prefix: string;
}

const MODES: Readonly<Record<LanguageModelSamplingMode, SamplingOptions>> = {
  "most-predictable": { temperature: 0 },
  predictable: { temperature: 0.3, minP: 0.05, repeatPenalty: 1.05 },
  balanced: { temperature: 0.7, minP: 0.05, repeatPenalty: 1.05 },
  creative: { temperature: 1, minP: 0.05, repeatPenalty: 1.05 },
  "most-creative": { temperature: 1.3, minP: 0.05, repeatPenalty: 1.05 },
};

/** The messages of a prompt; `first`: where a system's message may stand. */
export function readInput(input: unknown, first: boolean = false): ReadInput {
  if (!Array.isArray(input)) return { messages: [{ role: "user", content: String(input) }], prefix: "" };
  const messages: Message[] = [];
  let prefix = "";
  for (const [i, given] of input.entries()) {
    const { role = "user", content, prefix: begins } = (given ?? {}) as Partial<LanguageModelMessage>;
    if (role !== "system" && role !== "user" && role !== "assistant") {
      throw new TypeError(`a message's role is system, user or assistant, not ${String(role)}`);
    }
    if (role === "system" && !first)
      throw notSupported("a system's message stands in initialPrompts, and nowhere else");
    if (role === "system" && i > 0) throw new TypeError("a system's message is the first of initialPrompts");
    const said = textOf(content);
    if (!begins) messages.push({ role, content: said });
    else if (role === "assistant" && i === input.length - 1 && !first) prefix = said;
    else throw new DOMException("prefix stands at the last message of a prompt, an assistant's", "SyntaxError");
  }
  return { messages, prefix };
}

function textOf(content: unknown): string {
  if (!Array.isArray(content)) {
    if (content === undefined) throw new TypeError("a message has a content");
    return String(content);
  }
  const parts = content.map((part) => {
    const { type, value } = (part ?? {}) as Partial<LanguageModelMessageContent>;
    if (type !== "text") throw notSupported(`limpet's models read text, not ${String(type)}`);
    if (typeof value !== "string") throw new TypeError("the value of a text is a string");
    return value;
  });
  return parts.join("");
}

/** Whether a model of limpet does what is asked for; what no model could be asked for is a TypeError. */
export function isPossible({ expectedInputs, expectedOutputs, ...rest }: LanguageModelCreateCoreOptions): boolean {
  samplingOf(rest);
  return [...(expectedInputs ?? []), ...(expectedOutputs ?? [])].every(({ type }) => type === "text");
}

/** How to sample. */
export function samplingOf({ samplingMode, topK, temperature }: LanguageModelCreateCoreOptions): SamplingOptions {
  const own: SamplingOptions = {};
  if (topK !== undefined) own.topK = topK;
  if (temperature !== undefined) own.temperature = temperature;
  if (samplingMode === undefined) return { ...MODES.balanced, ...own };
  if (Object.keys(own).length > 0) throw new TypeError("samplingMode stands in place of topK and temperature");
  if (Object.hasOwn(MODES, samplingMode)) return MODES[samplingMode];
  throw new TypeError(`samplingMode is one of ${Object.keys(MODES).join(", ")}, not ${String(samplingMode)}`);
}

/** What an answer has to be, and messages that say it. */
export function constrained(
  messages: Message[],
  { responseConstraint, omitResponseConstraintInput }: LanguageModelPromptOptions,
): { messages: Message[]; constraint: ConstraintOptions } {
  if (responseConstraint === undefined) {
    if (omitResponseConstraintInput) throw new TypeError("omitResponseConstraintInput needs a responseConstraint");
    return { messages, constraint: {} };
  }
  if (typeof responseConstraint !== "object" || responseConstraint === null) {
    throw new TypeError("responseConstraint is a JSON Schema or a regular expression");
  }
  const isRegex = responseConstraint instanceof RegExp;
  const constraint = isRegex ? { regex: responseConstraint } : { schema: responseConstraint };
  if (omitResponseConstraintInput) return { messages, constraint };
  const words = isRegex
    ? `Answer with a text that matches this regular expression:\n${responseConstraint.source}`
    : schemaWords(responseConstraint);
  return { messages: askFor(messages, words), constraint };
}

/** A conversation in which nobody speaks twice in a row: templates of many models take no other. */
export function merged(messages: readonly Message[]): Message[] {
  const all: Message[] = [];
  for (const message of messages) {
    const last = all.at(-1);
    if (last && last.role === message.role) {
      all[all.length - 1] = { ...last, content: `${last.content}\n\n${message.content}` };
    } else all.push(message);
  }
  return all;
}
