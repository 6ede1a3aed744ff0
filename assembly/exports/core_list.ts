/**
 * The exports that run a model: the core record, files, models, sessions and text. Every library build has them; those
 * that other programs compute with have the kernels by themselves, too (index.ts).
 */
export {
  abi_version, core_create, core_allocate, core_release, core_used, core_set_limit, error_code, error_message,
  error_message_length,
} from "./core";
export * from "./gguf";
export * from "./chat";
export * from "./model";
export * from "./session";
export * from "./texts";
export * from "./text";
