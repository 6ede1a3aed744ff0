/**
 * The library's exports for microcontrollers: what runs a model, in a memory that never grows. The kernels alone
 * (`kernel_…` of index.ts) are left out: their quantisers and tables would take flash and memory. asc's
 * --lowMemoryLimit says where linear memory ends; the arena is what lies between the constants and there. Two constants
 * say so to a runtime: one that knows them (WAMR) takes memory up to `__heap_base` alone, not whole pages of 64 KiB.
 *
 *     0 ─ constants ─ __data_end ─ core record ─ arena … ─ __heap_base = --lowMemoryLimit
 */
export * from "../exports/core_list";

const MEMORY_END: usize = <usize>ASC_LOW_MEMORY_LIMIT;
export { MEMORY_END as __heap_base, __data_end };
