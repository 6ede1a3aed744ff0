/** limpet/kernels: the kernels under the models by themselves. */
export {
  type AttentionInput,
  type Hash,
  type HashInput,
  Kernels,
  kernels,
  type MatmulShape,
  type MemoryLayerInput,
  type MemoryTable,
  type MlaInput,
  type QuantizedMatrix,
  type RopeOptions,
  type TableType,
  type TypeId,
} from "./api/kernels.ts";
export { type ErrorCode, LimpetError } from "./host/errors.ts";
export type { CoreOptions } from "./host/instance.ts";
export type { TypeName } from "./host/types.ts";
export type { Build, WasmOption } from "./host/wasm.ts";
