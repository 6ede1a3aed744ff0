/**
 * The exports of the builds for graphs: networks of .tflite files, and no language.
 */
export {
  abi_version, core_create, core_allocate, core_release, core_used, core_set_limit, error_code, error_message,
  error_message_length,
} from "../exports/core";
export * from "../exports/graph";
export * from "../exports/front_end";
