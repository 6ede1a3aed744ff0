/** limpet: small language models in WebAssembly. */

export type { WasmBytes, WasmModule } from "../bindings/platform.ts";
export type { Batch, BatchOptions, BatchSessionOptions } from "./api/batch.ts";
export type { Composed, ComposedPiece, ComposeOptions } from "./api/composition.ts";
export { doctor } from "./api/doctor.ts";
export type { DoctorOptions, DoctorReport } from "./api/doctor-report.ts";
export { Model } from "./api/model.ts";
export type { AdapterLoadOptions, LoadOptions, MemoryPlan, ModelMemory, PlanOptions } from "./api/options.ts";
export type { Overflow } from "./api/overflow.ts";
export type { Beginning, Chunk, ChunkOptions, Prefix, PrefixOptions } from "./api/prefix.ts";
export type { ChatTokensOptions } from "./api/prompt.ts";
export type { SelfTest } from "./api/self-test.ts";
export type { Activity, AppendOptions, CacheUse, Prompt, Session, SessionOptions, WaitOptions } from "./api/session.ts";
export type { WorkerBatch } from "./api/worker-batch.ts";
export type { WorkerModel } from "./api/worker-model.ts";
export type { WorkerSession } from "./api/worker-session.ts";
export type { Adapter, AdapterInfo, AdapterOptions, AdapterSet } from "./generate/adapter.ts";
export type { ChatOptions, ToolOptions } from "./generate/chat-answer.ts";
export type { Score, ScoreOptions } from "./generate/choices.ts";
export type { ConstraintOptions } from "./generate/constraint.ts";
export type { DraftModel, DraftOptions, Speculate } from "./generate/drafts.ts";
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
  PrefillHook,
  ReasoningOptions,
} from "./generate/generation.ts";
export type { CacheOptions, CachePolicy, CacheType } from "./generate/kept-rows.ts";
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
export type { Neurons } from "./generate/neurons.ts";
export type { SamplingOptions } from "./generate/sampling.ts";
export type { LogitsOptions, PerplexityOptions, PerplexityResult } from "./generate/scoring.ts";
export type { ContextOptions, ContextUse, Form } from "./generate/sequence-pool.ts";
export { type DetokenizeOptions, type SpecialToken, type TokenizeOptions, Tokenizer } from "./generate/tokenizer.ts";
export { type ContextSizes, type ErrorCode, LimpetError } from "./host/errors.ts";
export type { Features } from "./host/features.ts";
export type { CoreOptions } from "./host/instance.ts";
export type { Build, BuildChoice, WasmForm, WasmOption } from "./host/wasm.ts";
export type { ExpertOptions, Experts, ExpertUse } from "./load/experts.ts";
export type { MetadataValue, ModelInfo, ModelWarning, TensorInfo, TokenizerKind } from "./load/info.ts";
export type { LoadPhase } from "./load/load.ts";
export type { ModelSource } from "./load/source.ts";
export type { TableOptions, Tables, TableUse } from "./load/tables.ts";
