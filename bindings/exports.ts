/**
 * The exports of the core as TypeScript sees them: the typed mirror of `assembly/index.ts`, and nothing else.
 *
 * Every pointer, length and code is a number (a pointer at or above 2 GiB arrives negative: `Memory` and `address` put
 * that right), every u64 a bigint. Names and signatures are the same in all builds.
 */

/** An offset in the core's memory, as the core returns it: maybe negative. 0 is no object. */
export type Pointer = number;

export interface CoreExports extends WebAssembly.Exports {
  readonly memory: WebAssembly.Memory;
  /** Makes the core record; 0 when the host gives no memory. */
  core_create(): Pointer;
}
