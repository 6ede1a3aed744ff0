/**
 * The AI SDK's provider interface, as far as limpet goes: version 4 (`ai` 7) and version 3 (`ai` 6). What is written here
 * can be assigned to `LanguageModelV4` and `LanguageModelV3` of `@ai-sdk/provider`, which need not be installed.
 */

/** Versions of the interface: `v4` is that of `ai` 7, `v3` that of `ai` 6. */
export type SpecificationVersion = "v3" | "v4";

/** What a part of a message may hold; which of it there is, `type` says. */
export interface PromptPart {
  /** `text`, `reasoning`, `tool-call`, `tool-result`, or a kind that limpet does not know. */
  readonly type: string;
  /** Of `text` and `reasoning`. */
  readonly text?: string;
  /** Of `tool-call` and `tool-result`: the call that it is, or that it answers. */
  readonly toolCallId?: string;
  /** Of both: the tool's name. */
  readonly toolName?: string;
  /** Of `tool-call`: its arguments. */
  readonly input?: unknown;
  /** Of `tool-result`: what came out. */
  readonly output?: { readonly type: string; readonly value?: unknown; readonly reason?: string };
}

/** A message of a prompt. */
export type PromptMessage =
  | { readonly role: "system"; readonly content: string }
  | { readonly role: "user" | "assistant" | "tool"; readonly content: readonly PromptPart[] };

/** A tool that the model may call, or one of a provider's own, of which limpet has none. */
export type CallTool =
  | {
      readonly type: "function";
      readonly name: string;
      readonly description?: string;
      readonly inputSchema: object;
      readonly strict?: boolean;
    }
  | { readonly type: "provider"; readonly id: string; readonly name: string };

/** Which tools the model is to call. */
export type CallToolChoice =
  | { readonly type: "auto" | "none" | "required" }
  | { readonly type: "tool"; readonly toolName: string };

/** What a language model is asked. */
export interface LanguageCallOptions {
  /** The conversation. */
  readonly prompt: readonly PromptMessage[];
  /** Most tokens to generate. Default: to the end of the answer, or of the context. */
  readonly maxOutputTokens?: number;
  /** As in `GenerateOptions`. */
  readonly temperature?: number;
  /** As `stop` of `GenerateOptions`. */
  readonly stopSequences?: readonly string[];
  /** As in `GenerateOptions`. */
  readonly topP?: number;
  /** As in `GenerateOptions`. */
  readonly topK?: number;
  /** As in `GenerateOptions`. */
  readonly presencePenalty?: number;
  /** As in `GenerateOptions`. */
  readonly frequencyPenalty?: number;
  /** Text, or JSON: of the schema, or any. */
  readonly responseFormat?:
    | { readonly type: "text" }
    | { readonly type: "json"; readonly schema?: object; readonly name?: string; readonly description?: string };
  /** As in `GenerateOptions`. */
  readonly seed?: number;
  /** What the model may call. */
  readonly tools?: readonly CallTool[];
  /** Which of it it has to call. */
  readonly toolChoice?: CallToolChoice;
  /** Give limpet's own pieces, too. */
  readonly includeRawChunks?: boolean;
  /** Ends the call. */
  readonly abortSignal?: AbortSignal;
  /** How much the model may think before it answers (version 4). */
  readonly reasoning?: "provider-default" | "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max";
  /** Under `limpet`: further options of `model.chat`, by their names. */
  readonly providerOptions?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** A setting that was not carried out. */
export type CallWarning =
  | { type: "unsupported"; feature: string; details?: string }
  | { type: "other"; message: string };

/** A part of an answer. */
export type AnswerPart =
  | { type: "text"; text: string }
  | { type: "reasoning"; text: string }
  | { type: "tool-call"; toolCallId: string; toolName: string; input: string };

/** Why an answer ended, in the SDK's word and in limpet's. */
export interface AnswerFinish {
  /** The SDK's word. */
  unified: "stop" | "length" | "tool-calls" | "error";
  /** limpet's. */
  raw: string | undefined;
}

/** Tokens of a call. */
export interface AnswerUsage {
  /** Of the prompt: computed, and found in the cache. */
  inputTokens: {
    total: number | undefined;
    noCache: number | undefined;
    cacheRead: number | undefined;
    cacheWrite: number | undefined;
  };
  /** Of the answer. */
  outputTokens: { total: number | undefined; text: number | undefined; reasoning: number | undefined };
}

/** Figures of limpet's own: `limpet.prefillMs` and `limpet.decodeMs`. */
export type AnswerMetadata = Record<string, { [key: string]: number | undefined }>;

/** Of which model an answer is, and when it was begun. */
export interface AnswerOrigin {
  /** A name of this answer. */
  id: string;
  /** When it was begun. */
  timestamp: Date;
  /** As the model's `modelId`. */
  modelId: string;
}

/** A whole answer. */
export interface LanguageResult {
  /** Its parts, in order. */
  content: AnswerPart[];
  /** Why it ended. */
  finishReason: AnswerFinish;
  /** Its tokens. */
  usage: AnswerUsage;
  /** How long it took. */
  providerMetadata: AnswerMetadata;
  /** Of which model. */
  response: AnswerOrigin;
  /** What was not carried out. */
  warnings: CallWarning[];
}

/** A part of a stream. */
export type StreamPart =
  | { type: "stream-start"; warnings: CallWarning[] }
  | ({ type: "response-metadata" } & AnswerOrigin)
  | { type: "text-start" | "text-end" | "reasoning-start" | "reasoning-end" | "tool-input-end"; id: string }
  | { type: "text-delta" | "reasoning-delta" | "tool-input-delta"; id: string; delta: string }
  | { type: "tool-input-start"; id: string; toolName: string }
  | { type: "tool-call"; toolCallId: string; toolName: string; input: string }
  | { type: "finish"; finishReason: AnswerFinish; usage: AnswerUsage; providerMetadata: AnswerMetadata }
  | { type: "raw"; rawValue: unknown }
  | { type: "error"; error: unknown };

/** A model that chats: assignable to `LanguageModelV4`, or to `LanguageModelV3`. */
export interface LimpetLanguageModel<Version extends SpecificationVersion = "v4"> {
  /** Of the interface. */
  readonly specificationVersion: Version;
  /** `limpet`. */
  readonly provider: string;
  /** The name by which it was asked for. */
  readonly modelId: string;
  /** None: limpet reads text. */
  readonly supportedUrls: Record<string, RegExp[]>;
  /** Answers. */
  doGenerate(options: LanguageCallOptions): Promise<LanguageResult>;
  /** Answers part by part. A reader that leaves ends the generation. */
  doStream(options: LanguageCallOptions): Promise<{ stream: ReadableStream<StreamPart> }>;
}

/** What an embedding model is asked. */
export interface EmbeddingCallOptions {
  /** The texts. */
  readonly values: readonly string[];
  /** So many of the first values of each vector alone (version 4). */
  readonly dimensions?: number;
  /** Ends the call. */
  readonly abortSignal?: AbortSignal;
  /** Under `limpet`: further options of `model.embed`, by their names. */
  readonly providerOptions?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** A model that makes vectors of texts: assignable to `EmbeddingModelV4`, or to `EmbeddingModelV3`. */
export interface LimpetEmbeddingModel<Version extends SpecificationVersion = "v4"> {
  /** Of the interface. */
  readonly specificationVersion: Version;
  /** `limpet`. */
  readonly provider: string;
  /** The name by which it was asked for. */
  readonly modelId: string;
  /** Texts of one call: they share passes, so many together cost less. */
  readonly maxEmbeddingsPerCall: number;
  /** One call after the other is quicker: both would share the same processor. */
  readonly supportsParallelCalls: boolean;
  /** A vector of each text. */
  doEmbed(
    options: EmbeddingCallOptions,
  ): Promise<{ embeddings: number[][]; usage: { tokens: number }; warnings: CallWarning[] }>;
}

/** What a ranking model is asked. */
export interface RerankingCallOptions {
  /** What is ranked. */
  readonly documents:
    | { readonly type: "text"; readonly values: readonly string[] }
    | { readonly type: "object"; readonly values: readonly unknown[] };
  /** For what. */
  readonly query: string;
  /** So many of the best alone. */
  readonly topN?: number;
  /** Ends the call. */
  readonly abortSignal?: AbortSignal;
}

/** A model that ranks documents for a query: assignable to `RerankingModelV4`, or to `RerankingModelV3`. */
export interface LimpetRerankingModel<Version extends SpecificationVersion = "v4"> {
  /** Of the interface. */
  readonly specificationVersion: Version;
  /** `limpet`. */
  readonly provider: string;
  /** The name by which it was asked for. */
  readonly modelId: string;
  /** The documents' places by how well they answer, the best first. */
  doRerank(options: RerankingCallOptions): Promise<{
    ranking: { index: number; relevanceScore: number }[];
    warnings: CallWarning[];
  }>;
}
