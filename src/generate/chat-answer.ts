/** A chat made ready: its prompt, the grammar of an answer that may call tools, and how the answer is told apart. */
import { encodeText } from "../../bindings/memory.ts";
import type { ThoughtMarks } from "../grammar/call-format.ts";
import type { CallsSource } from "../grammar/calls.ts";
import { flag, type OptionTable } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { type AnswerParts, AnswerReader } from "./answer-reader.ts";
import { type ChatForm, chatFormOf, chatTokens } from "./chat.ts";
import { constrains, withTable } from "./constraint.ts";
import { GENERATE_OPTIONS, type GenerateOptions, type GenerationResult, type Piece } from "./generation.ts";
import { type Message, prefixOf, type Tool, type ToolChoice, toolChoiceOf, toolsOf } from "./messages.ts";
import type { LoadedModel } from "./sequence-pool.ts";

/** Which tools a chat has. */
export interface ToolOptions {
  /** Tools that the model may call. Their calls come as `toolCalls` of pieces and of the result. */
  tools?: readonly Tool[];
  /** Whether it calls them. Default: auto, as it likes. */
  toolChoice?: ToolChoice;
  /** Whether it may call several at once. Default: yes, where its format knows several. */
  parallel?: boolean;
}

/** How a conversation goes on. */
export interface ChatOptions extends GenerateOptions, ToolOptions {}

/** What each of `ChatOptions` has to be. */
export const CHAT_OPTIONS: OptionTable<ChatOptions> = {
  ...GENERATE_OPTIONS,
  tools: toolsOf,
  toolChoice: toolChoiceOf,
  parallel: flag,
};

/** A prompt, the options of its generation, and what reads an answer, where it may be more than text. */
export interface Prepared<Options extends GenerateOptions> {
  readonly tokens: ArrayLike<number>;
  readonly options: Options;
  readonly reader?: () => AnswerReader;
}

/** The tables that were made last, by what they were made of. */
const tables = new Map<string, Uint8Array>();
const KEPT = 16;
/** Tokens at a prompt's end among which it may begin thoughts. */
const LAST_TOKENS = 16;

/** Makes a chat ready. What cannot be is refused here. */
export async function prepareChat<Options extends GenerateOptions>(
  loaded: LoadedModel,
  messages: readonly Message[],
  given: Options & ToolOptions,
): Promise<Prepared<Options> & { readonly tokens: readonly number[] }> {
  const tokens = await chatTokens(loaded, messages, given.tools);
  return { ...(await prepareAnswer(loaded, messages, given, tokens)), tokens };
}

/** As `prepareChat`, where the tokens are there. */
export async function prepareAnswer<Options extends GenerateOptions>(
  loaded: LoadedModel,
  messages: readonly Message[],
  given: Options & ToolOptions,
  tokens: readonly number[],
): Promise<Prepared<Options>> {
  const { tools = [], toolChoice = "auto", parallel = true, ...rest } = given;
  const choice = checkChoice(tools, toolChoice, given);
  const { tokenizer } = loaded;
  const { calls, thoughts } = chatFormOf(loaded);
  const prefix = prefixOf(messages) ?? "";
  // A token of the prefix has a letter at least.
  const end = tokenizer.detokenize(tokens.slice(-LAST_TOKENS - encodeText(prefix).length), { special: true });
  const isThinking = thoughts !== null && !given.table && thinksBehind(end, prefix, thoughts);
  const controls = controlsOf(loaded, { calls, thoughts });
  const hidden = thoughts !== null && (controls.includes(thoughts.open) || controls.includes(thoughts.close));
  const options = rest as unknown as Options;
  const made = messages.reduce((sum, m) => sum + (m.role === "assistant" ? (m.toolCalls?.length ?? 0) : 0), 0);
  const form = {
    calls: tools.length > 0 && choice !== "none" ? calls : null,
    tools: tools.map(({ name }) => name),
    thoughts,
    isThinking,
    // Nine letters, as Mistral's templates want them.
    idOf: (index: number): string => `call${(made + index).toString(36).padStart(5, "0")}`,
  };
  const reader = form.calls || thoughts ? (): AnswerReader => new AnswerReader(form) : undefined;
  const own = constrains(options);
  // Thoughts stand in front of what an answer has to be; a table is all that there is.
  const isFree = options.table !== undefined || (!own && !hidden) || thoughts === null;
  if (tools.length === 0 && isFree) return { tokens, options: own ? await withTable(options) : options, reader };
  const { schema, regex, grammar, choice: texts, ...others } = options;
  const named = typeof toolChoice === "object" ? toolChoice.name : null;
  const table = await tableOf({
    format: tools.length > 0 ? calls : { ...calls, openings: [], bare: [] },
    tools: tools
      .filter(({ name }) => named === null || name === named)
      .map(({ name, parameters, strict = true }) => ({
        name,
        schema: argumentSchema(name, parameters, strict || calls.notation),
      })),
    choice: tools.length > 0 ? choice : "none",
    parallel,
    thoughts,
    isThinking,
    controls,
    answer: own ? { schema, regex, grammar, choice: texts } : null,
  });
  return { tokens, options: { ...others, table } as unknown as Options, reader };
}

/** Whether an answer is still within its thoughts behind what the template and the prefix have begun it with. */
function thinksBehind(end: string, prefix: string, { open, close }: ThoughtMarks): boolean {
  const before = end.endsWith(prefix) ? end.slice(0, end.length - prefix.length) : end;
  const begun = (before.trimEnd().endsWith(open) ? open : "") + prefix;
  return begun.lastIndexOf(open) > begun.lastIndexOf(close);
}

/** What was made sure of the choice. */
function checkChoice(
  tools: readonly Tool[],
  choice: ToolChoice,
  { table }: GenerateOptions,
): "auto" | "required" | "none" {
  if (choice === "auto" || choice === "none") {
    if (tools.length > 0 && table) {
      const words = "a table is the whole grammar of an answer: with tools, give schema, regex, grammar or choice";
      throw new LimpetError("BAD_ARGUMENT", words);
    }
    return choice;
  }
  if (tools.length === 0) throw new LimpetError("BAD_ARGUMENT", "toolChoice asks for a call, and there are no tools");
  if (table) throw new LimpetError("BAD_ARGUMENT", "an answer obeys a table or calls tools, not both");
  if (typeof choice === "object" && !tools.some(({ name }) => name === choice.name)) {
    throw new LimpetError("BAD_ARGUMENT", `toolChoice names ${choice.name}, which is none of the tools`);
  }
  return "required";
}

/** The schema of a tool's arguments: none but those that it names, unless it says otherwise. */
function argumentSchema(name: string, parameters: unknown, strict: unknown): unknown {
  const given = (parameters ?? { properties: {} }) as Record<string, unknown>;
  if (given.type !== undefined && given.type !== "object") {
    throw new LimpetError("BAD_ARGUMENT", `the parameters of ${name} are the schema of an object (type: "object")`);
  }
  if (!strict) return { type: "object" };
  const isPlain = given.properties !== undefined && Object.keys(given).every((key) => PLAIN.has(key));
  return { type: "object", ...given, ...(isPlain && { additionalProperties: false }) };
}

/** Keywords beside which an object may be closed. */
const PLAIN = new Set([
  "type",
  "properties",
  "required",
  "title",
  "description",
  "$schema",
  "$id",
  "$defs",
  "definitions",
]);

/** The marks of a form that are control tokens of the vocabulary. */
function controlsOf({ tokenizer }: LoadedModel, { calls, thoughts }: ChatForm): string[] {
  const { openings, between, behind, next = [], end = [], notation } = calls;
  const parts = [...openings.flatMap(({ mark, rest }) => [mark, ...rest]), ...between, ...behind, ...next, ...end];
  const marks = new Set([...parts, notation?.quote, thoughts?.open, thoughts?.close]);
  return tokenizer.cut().flatMap(({ text, control }) => (control && marks.has(text) ? [text] : []));
}

async function tableOf(source: CallsSource): Promise<Uint8Array> {
  const { answer } = source;
  const regex = answer?.regex instanceof RegExp ? [answer.regex.source, answer.regex.flags] : answer?.regex;
  const key = JSON.stringify({ ...source, answer: answer && { ...answer, regex } });
  let table = tables.get(key);
  if (!table) {
    const { callsTable } = await import("../grammar/calls.ts");
    table = callsTable(source);
    const [oldest] = tables.keys();
    if (tables.size >= KEPT) tables.delete(oldest);
    tables.set(key, table);
  }
  return table;
}

/** An answer's pieces, told apart where there is a reader. */
export async function* toldApart(
  pieces: AsyncGenerator<Piece, GenerationResult, undefined>,
  reader: AnswerReader | undefined,
): AsyncGenerator<Piece, GenerationResult, undefined> {
  if (!reader) return yield* pieces;
  let [text, reasoning, token] = ["", "", 0];
  const parts = (read: AnswerParts): Partial<Piece> & { text: string } => {
    text += read.text;
    reasoning += read.reasoning;
    return {
      text: read.text,
      ...(read.reasoning !== "" && { reasoning: read.reasoning }),
      ...(read.toolCalls.length > 0 && { toolCalls: read.toolCalls }),
    };
  };
  try {
    for (;;) {
      const { done, value } = await pieces.next();
      if (!done) {
        ({ token } = value);
        yield { ...value, ...parts(reader.read(value.text)) };
        continue;
      }
      const last = parts(reader.end());
      if (last.text !== "" || last.reasoning || last.toolCalls) yield { ...last, token };
      const { calls } = reader;
      const finishReason = calls.length > 0 && value.finishReason === "stop" ? "tool_calls" : value.finishReason;
      return {
        ...value,
        text,
        ...(reasoning !== "" && { reasoning }),
        ...(calls.length > 0 && { toolCalls: calls }),
        finishReason,
      };
    }
  } finally {
    await pieces.return(undefined as unknown as GenerationResult);
  }
}
