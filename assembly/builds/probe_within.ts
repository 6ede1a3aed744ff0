/**
 * The exports of a build that only a test compiles: attention within a text by itself. No build of builds.json has it:
 * it would cost bytes that no host needs.
 */
export {
  abi_version, core_create, core_allocate, core_release, core_used, core_set_limit, error_code, error_message,
  error_message_length,
} from "../exports/core";
export { attendWithinText, withinScratchBytes } from "../kernels/attention/within";
