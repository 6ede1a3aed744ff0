/** limpet: small language models in WebAssembly. */
export type { Message } from "./chat.ts";
export type { CacheType, ContextOptions, ContextUse, Form } from "./contexts.ts";
export type { CoreOptions } from "./core.ts";
export { type DoctorOptions, type DoctorReport, doctor, type Features, type SelfTest } from "./doctor.ts";
export { type ErrorCode, LimpetError } from "./errors.ts";
export type {
  FinishReason,
  GenerateOptions,
  Generation,
  GenerationResult,
  Piece,
  SamplingOptions,
} from "./generation.ts";
export type { MetadataValue, ModelInfo, TensorInfo } from "./info.ts";
export { type LoadOptions, type MemoryPlan, Model, type ModelMemory } from "./model.ts";
export type { LogitsOptions, PerplexityOptions, PerplexityResult } from "./scoring.ts";
export type { Activity, Prompt, Session, SessionOptions } from "./session.ts";
export type { ModelSource } from "./source.ts";
export type { TableOptions, Tables, TableUse } from "./tables.ts";
export { type DetokenizeOptions, type TokenizeOptions, Tokenizer } from "./tokenizer.ts";
export type { Build, WasmOption } from "./wasm.ts";
export type { WorkerModel, WorkerSession } from "./worker.ts";
