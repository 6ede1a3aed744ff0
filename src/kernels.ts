/** limpet/kernels: the kernels under the models by themselves. */

export type { BlockFormatName } from "../bindings/numbers.ts";
export type {
  AttentionInput,
  Hash,
  HashInput,
  MatmulShape,
  MemoryLayerInput,
  MemoryTable,
  MlaInput,
  QuantizedMatrix,
  RopeOptions,
  TableType,
  TypeId,
} from "./api/kernel-operands.ts";
export { Kernels, kernels } from "./api/kernels.ts";
export { type ErrorCode, LimpetError } from "./host/errors.ts";
export type { CoreOptions } from "./host/instance.ts";
export type { TypeName } from "./host/types.ts";
export type { Build, WasmOption } from "./host/wasm.ts";
