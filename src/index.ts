/** limpet: small language models in WebAssembly. */

export type { Batch, BatchOptions } from "./api/batch.ts";
export { doctor } from "./api/doctor.ts";
export type { DoctorOptions, DoctorReport } from "./api/doctor-report.ts";
export { Model } from "./api/model.ts";
export type { LoadOptions, MemoryPlan, ModelMemory } from "./api/options.ts";
export type { ChatTokensOptions } from "./api/prompt.ts";
export type { SelfTest } from "./api/self-test.ts";
export type { Activity, AppendOptions, Prompt, Session, SessionOptions, WaitOptions } from "./api/session.ts";
export type { WorkerBatch } from "./api/worker-batch.ts";
export type { WorkerModel } from "./api/worker-model.ts";
export type { WorkerSession } from "./api/worker-session.ts";
export type { ChatOptions, ToolOptions } from "./generate/chat-answer.ts";
export type { Score, ScoreOptions } from "./generate/choices.ts";
export type { ConstraintOptions } from "./generate/constraint.ts";
export type { EmbedOptions, Pooling, Ranked, RerankOptions } from "./generate/embedding.ts";
export type {
  Answer,
  AnswerOptions,
  FinishReason,
  GenerateOptions,
  Generation,
  GenerationResult,
  InfillOptions,
  LogitsHook,
  Piece,
  ReasoningOptions,
} from "./generate/generation.ts";
export type {
  AssistantMessage,
  Message,
  SaidMessage,
  Tool,
  ToolCall,
  ToolCallDelta,
  ToolChoice,
  ToolMessage,
} from "./generate/messages.ts";
export type { SamplingOptions } from "./generate/sampling.ts";
export type { LogitsOptions, PerplexityOptions, PerplexityResult } from "./generate/scoring.ts";
export type { CacheType, ContextOptions, ContextUse, Form } from "./generate/sequence-pool.ts";
export { type DetokenizeOptions, type TokenizeOptions, Tokenizer } from "./generate/tokenizer.ts";
export { type ContextSizes, type ErrorCode, LimpetError } from "./host/errors.ts";
export type { Features } from "./host/features.ts";
export type { CoreOptions } from "./host/instance.ts";
export type { Build, BuildChoice, WasmOption } from "./host/wasm.ts";
export type { MetadataValue, ModelInfo, ModelWarning, TensorInfo, TokenizerKind } from "./load/info.ts";
export type { ModelSource } from "./load/source.ts";
export type { TableOptions, Tables, TableUse } from "./load/tables.ts";
