/** limpet/graph: networks of .tflite files and what stands before them, the same bits in every host. */

export { MicroFrontend, type MicroFrontendOptions } from "./api/front-end.ts";
export { Graph } from "./api/graph.ts";
export type { GraphCoreOptions } from "./api/graph-core.ts";
export type { GraphLoadOptions, GraphMemory, GraphPlan, GraphRunOptions } from "./api/graph-options.ts";
export type { GraphPicture, GraphPictureOptions } from "./api/graph-picture.ts";
export type { GraphArray, GraphTensor, GraphTensorType } from "./api/graph-tensors.ts";
export { MelFrontend, type MelFrontendOptions } from "./api/mel-frontend.ts";
export { WakeWord, type WakeWordOptions } from "./api/wake-word.ts";
export { type ErrorCode, LimpetError } from "./host/errors.ts";
export type { WasmOption } from "./host/wasm.ts";
export type { ModelSource } from "./load/source.ts";
