/**
 * The exports of the builds with threads: what runs a model, and its threads. Their memory is imported and shared. The
 * kernels by themselves (`kernel_…` of index.ts) compute in one thread, in the builds without.
 */
export * from "../exports/core_list";
export * from "../exports/adapters";
export * from "../exports/composition";
export * from "../exports/neurons";
export * from "../exports/byte_dots";
export * from "../exports/kept_rows";
export * from "../exports/thread";
