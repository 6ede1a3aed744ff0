/** limpet/graph: networks of .tflite files, the same bits in every host. */
export {
  Graph,
  type GraphArray,
  type GraphLoadOptions,
  type GraphMemory,
  type GraphRunOptions,
  type GraphTensor,
  type GraphTensorType,
} from "./api/graph.ts";
export { type ErrorCode, LimpetError } from "./host/errors.ts";
export type { WasmOption } from "./host/wasm.ts";
export type { ModelSource } from "./load/source.ts";
