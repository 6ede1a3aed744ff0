/** limpet/convert: a checkpoint's folder into a GGUF file. */
export { type ConvertOptions, type ConvertResult, convert } from "./convert/convert.ts";
export { type ErrorCode, LimpetError } from "./host/errors.ts";
