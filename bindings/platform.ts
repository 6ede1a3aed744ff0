/**
 * Types of the platform which only TypeScript's library for the DOM has: the real ones where a program compiles with it,
 * and in programs without it, such as those for Node alone, something of the same use.
 */

/** A compiled WebAssembly module. */
export type WasmModule = typeof globalThis extends { WebAssembly: { Module: { prototype: infer Module } } }
  ? Module
  : object;

/** A memory of WebAssembly. */
export type WasmMemory = typeof globalThis extends { WebAssembly: { Memory: { prototype: infer Memory } } }
  ? Memory
  : { readonly buffer: ArrayBuffer; grow(pages: number): number };

/** Bytes, as a buffer or as a view of one. */
export type WasmBytes = ArrayBuffer | ArrayBufferView<ArrayBuffer>;
