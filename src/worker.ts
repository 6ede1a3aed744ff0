/** limpet/worker: a model in a worker of its own. */

export type { LoadOptions, ModelMemory } from "./api/options.ts";
export { WorkerBatch } from "./api/worker-batch.ts";
export { WorkerModel } from "./api/worker-model.ts";
export { WorkerSession } from "./api/worker-session.ts";
export type { GenerateOptions, Generation, GenerationResult, Piece } from "./generate/generation.ts";
export { type ErrorCode, LimpetError } from "./host/errors.ts";
export type { Build } from "./host/wasm.ts";
export type { ModelInfo } from "./load/info.ts";
export type { ModelSource } from "./load/source.ts";
