/**
 * The library's exports: one list, nothing else. `bindings/exports.ts` is its typed mirror.
 */
export {
  core_create,
  core_allocate,
  core_release,
  core_used,
  core_set_limit,
  error_code,
  error_message,
  error_message_length,
} from "./runtime/exports";
export * from "./formats/exports";
export * from "./kernels/exports_float";
export * from "./kernels/exports_memory";
export * from "./kernels/exports_neuron";
export * from "./kernels/exports_quant";
export * from "./runtime/exports_chat";
export * from "./runtime/exports_model";
export * from "./runtime/exports_session";
export * from "./text/exports";
