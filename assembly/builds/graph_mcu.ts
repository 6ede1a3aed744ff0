/**
 * The exports of graphs for microcontrollers, in a memory that never grows: mcu.ts says where it ends, and why two
 * constants tell it.
 */
export * from "./graph";

const MEMORY_END: usize = <usize>ASC_LOW_MEMORY_LIMIT;
export { MEMORY_END as __heap_base, __data_end };
