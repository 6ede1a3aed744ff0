/**
 * The exports of the builds with threads: the library's, and those of its threads. Their memory is imported and shared.
 */
export * from "./index";
export * from "./runtime/exports_thread";
