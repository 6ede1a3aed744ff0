/** limpet/quantize: a GGUF file into a smaller one. */
export { type ErrorCode, LimpetError } from "./host/errors.ts";
export type { CodebookType } from "./host/types.ts";
export type { ModelSource } from "./load/source.ts";
export type { FileType } from "./quantize/mixes.ts";
export { type QuantizeOptions, type QuantizeResult, quantizeFile, quantizeStream } from "./quantize/quantize.ts";
