/** The worker of a model, in browsers and in Node (and Deno, which has both): started from its file, ended at will. */
import type { Transferable as NodeTransferable, Worker as NodeWorker } from "node:worker_threads";
import { movedWorker } from "./moved.ts";
import { isNode, requirePlace } from "./node.ts";

/** Set by the build: whether this is the bundle in build/js/, and not the sources themselves. */
declare const LIMPET_BUNDLE: boolean | undefined;

export interface WorkerLink {
  post(message: unknown, transfer: Transferable[]): void;
  /** Whether answers are waited for: a process does not live on for a worker that does nothing. */
  hold(waits: boolean): void;
  end(): void;
}

/** Starts the worker. `lost` is told once when it ends of itself. */
export function startWorker(take: (message: unknown) => void, lost: (reason: string) => void): WorkerLink {
  return isNode() ? nodeWorker(take, lost) : webWorker(take, lost);
}

function nodeWorker(take: (message: unknown) => void, lost: (reason: string) => void): WorkerLink {
  const { Worker } = process.getBuiltinModule("node:worker_threads");
  const file = new URL(
    typeof LIMPET_BUNDLE === "undefined" ? "../build/js/model-worker.mjs" : "./model-worker.mjs",
    import.meta.url,
  );
  const worker: NodeWorker = new Worker(requirePlace(file), { execArgv: [] });
  let reason = "it ended by itself";
  worker.on("error", (error) => {
    reason = error instanceof Error ? error.message : String(error);
  });
  worker.on("exit", () => lost(reason));
  worker.on("message", take);
  return {
    post: (message, transfer) => worker.postMessage(message, transfer as NodeTransferable[]),
    hold: (waits) => (waits ? worker.ref() : worker.unref()),
    end: () => void worker.terminate(),
  };
}

function webWorker(take: (message: unknown) => void, lost: (reason: string) => void): WorkerLink {
  const moved = movedWorker("./model-worker.mjs", import.meta.url);
  const worker = moved
    ? new Worker(moved, { type: "module" })
    : new Worker(new URL("./model-worker.mjs", import.meta.url), { type: "module" });
  const ended = new AbortController();
  worker.onmessage = ({ data }) => {
    if (data.lock) watchLock(data.lock, ended.signal, () => lost("it was closed, or ran out of memory"));
    else take(data);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    lost(event.message || "its file could not be loaded");
  };
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    hold: () => {},
    end: () => {
      ended.abort();
      worker.terminate();
    },
  };
}

/**
 * A browser does not say when a worker dies without an error, but it takes its locks away: the worker holds one as long
 * as it lives (holdLock), and who waits for that lock learns of its end.
 */
function watchLock(name: string, signal: AbortSignal, lost: () => void): void {
  navigator.locks.request(name, { signal }, lost).catch(() => {});
}

/** In the worker: takes a lock for life, and tells its name. Pages that are not secure contexts have none. */
export function holdLock(tell: (message: { lock: string }) => void): void {
  if (typeof navigator !== "object" || !navigator.locks) return;
  const lock = `limpet worker ${crypto.randomUUID()}`;
  navigator.locks.request(lock, () => {
    tell({ lock });
    return new Promise(() => {});
  });
}
