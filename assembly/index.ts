/**
 * The library's exports: one list, nothing else. `bindings/exports.ts` is its typed mirror.
 */
export * from "./engine";
export * from "./kernels/exports_float";
export * from "./kernels/exports_memory";
export * from "./kernels/exports_neuron";
export * from "./kernels/exports_quant";
