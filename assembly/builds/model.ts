/**
 * The exports of a build that `limpet slim` makes: what runs a model, and no kernels by themselves.
 */
export * from "../exports/core_list";
export * from "../exports/adapters";
export * from "../exports/composition";
export * from "../exports/kept_rows";
export * from "../exports/neurons";
