/**
 * What every core asks before it starts: whether this host and this build share memory among threads. The pool itself
 * (thread-pool.ts) is loaded by those who want more than one.
 */
import { isNode } from "./node.ts";

/** Pages of memory that the builds with threads import at least, and the most. */
const INITIAL_PAGES = 16;
const MAXIMUM_PAGES = 65536;

/** Most threads of a pool. */
export const THREAD_LIMIT = 64;

/** Why this host cannot share memory among threads; null: it can. */
export function threadsLack(): string | null {
  if (typeof SharedArrayBuffer === "undefined") {
    return "this page is not cross-origin isolated (it lacks the COOP and COEP headers)";
  }
  if (typeof Worker === "undefined" && !isNode()) return "this host has no workers";
  return null;
}

/** The memory that a build with threads imports. Throws where the host does not give it. */
export function sharedMemory(): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: MAXIMUM_PAGES, shared: true });
}

/** Whether a module is a build with threads. */
export function hasThreads(module: WebAssembly.Module): boolean {
  return WebAssembly.Module.imports(module).some(({ module, name }) => module === "env" && name === "memory");
}
