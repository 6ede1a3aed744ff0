/**
 * What a worker runs: an instance of the module of its own on the shared memory, and in it the loop of a thread. A file by
 * itself (build/js/thread.mjs), because workers are started from a URL. It imports nothing.
 */
import type { MessagePort } from "node:worker_threads";

/** What the main thread sends, once. */
export interface ThreadTask {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly pool: number;
  readonly index: number;
}

const port: MessagePort | null =
  typeof process === "object" && typeof process.getBuiltinModule === "function"
    ? process.getBuiltinModule("node:worker_threads").parentPort
    : null;

if (port) port.once("message", (task: ThreadTask) => run(task, () => port.postMessage("ready")));
else globalThis.onmessage = ({ data }: MessageEvent<ThreadTask>) => run(data, () => globalThis.postMessage("ready"));

function run({ module, memory, pool, index }: ThreadTask, ready: () => void): void {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  ready();
  (exports.thread_run as (pool: number, index: number) => void)(pool, index);
  if (!port) globalThis.close();
}
