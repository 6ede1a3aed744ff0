/** Models of limpet as LangChain's chat model and embeddings, over the optional peer `@langchain/core`. */
import type { CallbackManagerForLLMRun } from "@langchain/core/callbacks/manager";
import { Embeddings, type EmbeddingsParams } from "@langchain/core/embeddings";
import type { BaseLanguageModelInput, StructuredOutputMethodOptions } from "@langchain/core/language_models/base";
import {
  BaseChatModel,
  type BaseChatModelCallOptions,
  type BaseChatModelParams,
  type BindToolsInput,
  type ToolChoice as ToolChoiceOfTheirs,
} from "@langchain/core/language_models/chat_models";
import {
  assembleStructuredOutputPipeline,
  createContentParser,
} from "@langchain/core/language_models/structured_output";
import { AIMessage, AIMessageChunk, type BaseMessage, ToolMessage, type UsageMetadata } from "@langchain/core/messages";
import type { ToolCallChunk } from "@langchain/core/messages/tool";
import { ChatGenerationChunk, type ChatResult } from "@langchain/core/outputs";
import type { Runnable } from "@langchain/core/runnables";
import { convertToOpenAITool } from "@langchain/core/utils/function_calling";
import { toJsonSchema } from "@langchain/core/utils/json_schema";
import type { SerializableSchema } from "@langchain/core/utils/standard_schema";
import type { ZodV3Like, ZodV4Like } from "@langchain/core/utils/types";
import { CHAT_OPTIONS, type ChatOptions } from "../generate/chat-answer.ts";
import type { EmbedOptions } from "../generate/embedding.ts";
import type { Generation, GenerationResult } from "../generate/generation.ts";
import type { Message, ToolCall, ToolCallDelta, ToolChoice } from "../generate/messages.ts";
import { CONTEXT_OPTIONS, type ContextOptions } from "../generate/sequence-pool.ts";
import { LimpetError } from "../host/errors.ts";
import type { ModelSource } from "../load/source.ts";
import { type AnyModel, askFor, isModel, loadLater, type ModelLoadOptions, schemaWords, TO_THE_END } from "./models.ts";

/** Options of `model.chat`, but for those that LangChain has itself (`stop`, `signal`). */
export interface ChatLimpetOptions extends Omit<ChatOptions, "signal" | "stop">, ContextOptions {}

/** Which model chats, and how. */
export interface ChatLimpetFields extends BaseChatModelParams, ChatLimpetOptions {
  /** A loaded model, in this thread or in a worker; or what `Model.load` takes, which is loaded when it is first used. */
  model: AnyModel | ModelSource;
  /** How it is loaded, where it is not. */
  load?: ModelLoadOptions;
  /** End before any of these texts. */
  stop?: string[];
}

/** What one call may be given. */
export interface ChatLimpetCallOptions extends BaseChatModelCallOptions, ChatLimpetOptions {}

const OPTION_NAMES = [...Object.keys(CHAT_OPTIONS), ...Object.keys(CONTEXT_OPTIONS)];
/** A schema as zod writes it, as Standard Schema does, or in JSON. */
type Schema<Output extends Shape> = SerializableSchema<Output> | ZodV3Like<Output> | ZodV4Like<Output> | Shape;
// What LangChain's own signatures say.
// biome-ignore lint/suspicious/noExplicitAny: a method that replaces theirs takes what theirs does.
type Shape = Record<string, any>;

/**
 * LangChain's chat model over limpet.
 *
 *     const chat = new ChatLimpet({ model: "model.gguf", temperature: 0.7 });
 *     for await (const chunk of await chat.stream("Why is the sky blue?")) process.stdout.write(chunk.text);
 */
export class ChatLimpet extends BaseChatModel<ChatLimpetCallOptions> {
  readonly #load: () => Promise<AnyModel>;
  readonly #name: string;
  readonly #options: ChatOptions & ContextOptions;

  /** A chat model; it loads nothing before it is used. */
  constructor(fields: ChatLimpetFields) {
    super(fields);
    const { model, load } = fields;
    this.#load = isModel(model) ? async () => model : loadLater(model, load);
    this.#name = (isModel(model) ? model.info.name : String(model)) ?? "limpet";
    this.#options = { maxTokens: TO_THE_END, ...optionsOf(fields) };
  }

  /** The class as LangChain calls it. */
  static override lc_name(): string {
    return "ChatLimpet";
  }

  /** limpet. */
  override _llmType(): string {
    return "limpet";
  }

  /** What tells two of them apart: model and options. */
  override _identifyingParams(): Record<string, unknown> {
    return { model: this.#name, ...this.#options };
  }

  /** Answers a conversation as a whole. */
  override async _generate(messages: BaseMessage[], options: this["ParsedCallOptions"]): Promise<ChatResult> {
    const generation = await this.#begin(messages, options);
    const text = await generation.text();
    const { metadata, usage } = endOf(generation.result as GenerationResult, this.#name);
    const { reasoning, toolCalls = [] } = generation.result as GenerationResult;
    const message = new AIMessage({
      content: text,
      tool_calls: toolCalls.map(({ id, name, arguments: args }) => ({
        type: "tool_call",
        id,
        name,
        args: JSON.parse(args),
      })),
      ...(reasoning && { additional_kwargs: { reasoning_content: reasoning } }),
      response_metadata: metadata,
      usage_metadata: usage,
    });
    return { generations: [{ text, message, generationInfo: metadata }], llmOutput: { tokenUsage: usage } };
  }

  /** Answers a conversation piece by piece; who stops reading ends the generation. */
  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    runManager?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    const generation = await this.#begin(messages, options);
    const named = new Set<number>();
    for await (const { text, reasoning, toolCalls = [] } of generation) {
      if (text === "" && !reasoning && toolCalls.length === 0) continue;
      const message = new AIMessageChunk({
        content: text,
        tool_call_chunks: toolCalls.map((delta) => chunkOf(delta, named)),
        ...(reasoning && { additional_kwargs: { reasoning_content: reasoning } }),
      });
      const chunk = new ChatGenerationChunk({ text, message });
      yield chunk;
      await runManager?.handleLLMNewToken(text, undefined, undefined, undefined, undefined, { chunk });
    }
    const { metadata, usage } = endOf(generation.result as GenerationResult, this.#name);
    const message = new AIMessageChunk({ content: "", response_metadata: metadata, usage_metadata: usage });
    yield new ChatGenerationChunk({ text: "", message, generationInfo: metadata });
  }

  /** A runnable that may call these tools, or with `tool_choice` has to. */
  override bindTools(
    tools: BindToolsInput[],
    kwargs: Partial<ChatLimpetCallOptions> = {},
  ): Runnable<BaseLanguageModelInput, AIMessageChunk, ChatLimpetCallOptions> {
    const known = tools.map((tool) => {
      const { name, description, parameters } = convertToOpenAITool(
        tool as Parameters<typeof convertToOpenAITool>[0],
      ).function;
      return { name, parameters, ...(description && { description }) };
    });
    return this.withConfig({ ...kwargs, tools: known });
  }

  /** A runnable whose answers are values of a schema: no other text can come, and the model is shown the schema. */
  override withStructuredOutput<Output extends Shape = Shape>(
    schema: SerializableSchema<Output>,
    config?: StructuredOutputMethodOptions<false>,
  ): Runnable<BaseLanguageModelInput, Output>;
  override withStructuredOutput<Output extends Shape = Shape>(
    schema: SerializableSchema<Output>,
    config?: StructuredOutputMethodOptions<true>,
  ): Runnable<BaseLanguageModelInput, { raw: BaseMessage; parsed: Output }>;
  override withStructuredOutput<Output extends Shape = Shape>(
    schema: ZodV4Like<Output> | Shape,
    config?: StructuredOutputMethodOptions<false>,
  ): Runnable<BaseLanguageModelInput, Output>;
  override withStructuredOutput<Output extends Shape = Shape>(
    schema: ZodV4Like<Output> | Shape,
    config?: StructuredOutputMethodOptions<true>,
  ): Runnable<BaseLanguageModelInput, { raw: BaseMessage; parsed: Output }>;
  override withStructuredOutput<Output extends Shape = Shape>(
    schema: ZodV3Like<Output> | Shape,
    config?: StructuredOutputMethodOptions<false>,
  ): Runnable<BaseLanguageModelInput, Output>;
  override withStructuredOutput<Output extends Shape = Shape>(
    schema: ZodV3Like<Output> | Shape,
    config?: StructuredOutputMethodOptions<true>,
  ): Runnable<BaseLanguageModelInput, { raw: BaseMessage; parsed: Output }>;
  override withStructuredOutput<Output extends Shape = Shape>(
    schema: Schema<Output>,
    config?: StructuredOutputMethodOptions<boolean>,
  ): Runnable<BaseLanguageModelInput, Output> | Runnable<BaseLanguageModelInput, { raw: BaseMessage; parsed: Output }> {
    const model = this.withConfig({ schema: toJsonSchema(schema) } as Partial<ChatLimpetCallOptions>);
    const parser = createContentParser<Output>(schema);
    return assembleStructuredOutputPipeline<Output>(model, parser, config?.includeRaw, config?.name);
  }

  async #begin(messages: BaseMessage[], options: this["ParsedCallOptions"]): Promise<Generation> {
    const asked: ChatOptions & ContextOptions = { ...this.#options, ...optionsOf(options) };
    if (options.tool_choice !== undefined && asked.tools?.length) asked.toolChoice = choiceOf(options.tool_choice);
    const read = messages.map(readMessage);
    const said = asked.schema === undefined ? read : askFor(read, schemaWords(asked.schema));
    return (await this.#load()).chat(said, asked);
  }
}

/** Which model makes vectors, and how. */
export interface LimpetEmbeddingsFields extends EmbeddingsParams, Omit<EmbedOptions, "signal" | "prompt"> {
  /** A loaded model, in this thread or in a worker; or what `Model.load` takes, which is loaded when it is first used. */
  model: AnyModel | ModelSource;
  /** How it is loaded, where it is not. */
  load?: ModelLoadOptions;
  /** The name of the file's prompt that stands before documents. Default: none. */
  documentPrompt?: string;
  /** The name of the file's prompt that stands before queries. Default: none. */
  queryPrompt?: string;
}

/** LangChain's embeddings over limpet. */
export class LimpetEmbeddings extends Embeddings {
  readonly #load: () => Promise<AnyModel>;
  readonly #options: EmbedOptions;
  readonly #documentPrompt: string | undefined;
  readonly #queryPrompt: string | undefined;

  /** Embeddings; they load nothing before they are used. */
  constructor(fields: LimpetEmbeddingsFields) {
    super(fields);
    const { model, load, documentPrompt, queryPrompt, pooling, normalize, dimensions, truncate, kv } = fields;
    this.#load = isModel(model) ? async () => model : loadLater(model, load);
    this.#options = { pooling, normalize, dimensions, truncate, kv };
    this.#documentPrompt = documentPrompt;
    this.#queryPrompt = queryPrompt;
  }

  /** A vector of each document; together they cost less than one by one. */
  override async embedDocuments(documents: string[]): Promise<number[][]> {
    const vectors = await (await this.#load()).embed(documents, { ...this.#options, prompt: this.#documentPrompt });
    return vectors.map((vector) => Array.from(vector));
  }

  /** The vector of a query. */
  override async embedQuery(query: string): Promise<number[]> {
    const [vector] = await (await this.#load()).embed([query], { ...this.#options, prompt: this.#queryPrompt });
    return Array.from(vector);
  }
}

/** limpet's options among those of LangChain. */
function optionsOf(given: object): ChatOptions & ContextOptions {
  const known = Object.entries(given).filter(([name, value]) => value !== undefined && OPTION_NAMES.includes(name));
  return Object.fromEntries(known);
}

function readMessage(message: BaseMessage): Message {
  const { content } = message;
  if (typeof content !== "string") {
    const other = content.find(({ type }) => type !== "text");
    if (other) throw unsupported(`a part of the kind ${other.type}`);
  }
  const text = message.text;
  if (message.type === "human") return { role: "user", content: text };
  if (AIMessage.isInstance(message) || AIMessageChunk.isInstance(message)) {
    const toolCalls = (message.tool_calls ?? []).map(
      ({ id = "", name, args }): ToolCall => ({ id, name, arguments: JSON.stringify(args) }),
    );
    return {
      role: "assistant",
      content: text,
      ...(toolCalls.length > 0 && { toolCalls }),
      // As LangChain's other models have it.
      ...(message.additional_kwargs.prefix === true && { prefix: true }),
    };
  }
  if (ToolMessage.isInstance(message)) {
    return {
      role: "tool",
      content: text,
      toolCallId: message.tool_call_id,
      ...(message.name && { name: message.name }),
    };
  }
  if (message.type === "system" || message.type === "developer") return { role: "system", content: text };
  throw unsupported(`a message of the kind ${message.type}`);
}

/** LangChain's words for which tools are called. */
function choiceOf(choice: ToolChoiceOfTheirs): ToolChoice {
  if (typeof choice !== "string") return { name: String(choice.function?.name ?? choice.name) };
  if (choice === "any") return "required";
  return choice === "auto" || choice === "none" || choice === "required" ? choice : { name: choice };
}

/** A part of a call: its name and id stand in the first alone, since parts are joined letter by letter. */
function chunkOf({ index, id, name, arguments: args }: ToolCallDelta, named: Set<number>): ToolCallChunk {
  const isFirst = !named.has(index);
  named.add(index);
  return { type: "tool_call_chunk", index, args, ...(isFirst && { id, name }) };
}

function unsupported(what: string): LimpetError {
  return new LimpetError("UNSUPPORTED", `limpet's models read text: ${what} cannot be given to them`);
}

/** How an answer ended, and what it took. */
function endOf(result: GenerationResult, model: string): { metadata: Record<string, unknown>; usage: UsageMetadata } {
  const { timings, tokens, finishReason, promptTokens: read, cachedTokens: cache_read } = result;
  const made = tokens.length;
  return {
    metadata: { model_name: model, finish_reason: finishReason, ...timings },
    usage: {
      input_tokens: read,
      output_tokens: made,
      total_tokens: read + made,
      input_token_details: { cache_read },
    },
  };
}
