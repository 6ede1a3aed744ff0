/**
 * The exports of `memory/`: the core record, its arena and its last error, as thin functions on pointers.
 */
import { allocate, createCore, release } from "../memory/arena";
import { Core } from "../memory/core";
import { suitableByteDots } from "../kernels/quant/byte_dots";

/** Rises when an export that docs/embedding.md names goes, or means something else. The first one had no version. */
export function abi_version(): u32 {
  return 2;
}

/** Makes the core record; 0 when the host gives no memory. */
export function core_create(): usize {
  const core = createCore();
  if (ASC_FEATURE_RELAXED_SIMD && core != null) core.byteDots = suitableByteDots();
  return changetype<usize>(core);
}

/** Zeroed bytes for a caller's operands; 0 with the error set when there is no room. */
export function core_allocate(core: Core, bytes: u64): usize {
  return allocate(core, bytes, "the caller's buffer");
}

/** Gives bytes back that core_allocate gave. 0 is allowed. */
export function core_release(core: Core, pointer: usize): void {
  release(core, pointer);
}

/** The bytes of the arena in use, the heads of its blocks included. */
export function core_used(core: Core): usize {
  return core.arenaUsed;
}

/** The address that no block may end above, for a host that shares its memory out; 0: none but the host's own limit. */
export function core_set_limit(core: Core, limit: usize): void {
  core.arenaLimit = limit;
}

/** The code of the last error. */
export function error_code(core: Core): i32 {
  return core.errorCode;
}

/** The address of the last error's words. */
export function error_message(core: Core): usize {
  return core.message;
}

/** The length of the last error's words [bytes]. */
export function error_message_length(core: Core): u32 {
  return core.errorLength;
}
