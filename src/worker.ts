/** limpet/worker: a model, or a graph, in a worker of its own. */

export type { GraphLoadOptions, GraphMemory, GraphPlan } from "./api/graph-options.ts";
export type { GraphPicture, GraphPictureOptions } from "./api/graph-picture.ts";
export type { GraphArray, GraphTensor, GraphTensorType } from "./api/graph-tensors.ts";
export type { LoadOptions, ModelMemory } from "./api/options.ts";
export { WorkerBatch } from "./api/worker-batch.ts";
export { WorkerGraph, type WorkerGraphRunOptions } from "./api/worker-graph.ts";
export { WorkerModel } from "./api/worker-model.ts";
export { WorkerSession } from "./api/worker-session.ts";
export type { GenerateOptions, Generation, GenerationResult, Piece } from "./generate/generation.ts";
export { type ErrorCode, LimpetError } from "./host/errors.ts";
export type { Build, WasmOption } from "./host/wasm.ts";
export type { ModelInfo } from "./load/info.ts";
export type { ModelSource } from "./load/source.ts";
