/**
 * The library's exports: one list, nothing else. `bindings/exports.ts` is its typed mirror.
 */
export * from "../exports/core_list";
export * from "../exports/adapters";
export * from "../exports/composition";
export * from "../exports/kept_rows";
export * from "../exports/neurons";
export * from "../exports/byte_dots";
export * from "../exports/kernels_float";
export * from "../exports/kernels_lookup";
export * from "../exports/kernels_scan";
export * from "../exports/kernels_columns";
export * from "../exports/kernels_quant";
