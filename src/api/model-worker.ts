/** What a model's worker runs: the model, its sessions and generations, and nothing that is not asked of it. */
import type { MessagePort } from "node:worker_threads";
import { isNode } from "../../bindings/node.ts";
import { holdLock } from "../../bindings/worker-link.ts";
import type { ModelSource } from "../load/source.ts";
import { Model } from "./model.ts";
import type { LoadOptions } from "./options.ts";
import { packError, type WorkerAnswer, type WorkerRequest } from "./worker-protocol.ts";

const MODEL = 0;
const objects = new Map<number, unknown>();
/** Of what goes on: requests, and generations that can be asked for more. */
const controllers = new Map<number, AbortController>();
const port: MessagePort | null = isNode() ? process.getBuiltinModule("node:worker_threads").parentPort : null;

if (port) port.on("message", answer);
else {
  globalThis.onmessage = ({ data }: MessageEvent<WorkerRequest>) => answer(data);
  holdLock((message) => globalThis.postMessage(message));
}

async function answer(request: WorkerRequest): Promise<void> {
  const { id, kind, on } = request;
  try {
    if (kind === "abort") controllers.get(on)?.abort();
    else if (kind === "drop") drop(on);
    else say({ id, value: await run(request) });
  } catch (error) {
    say({ id, error: packError(error) });
  } finally {
    // A generation's goes with the generation.
    if (kind === "load" || kind === "call") controllers.delete(id);
  }
}

async function run({ id, kind, on, method, args }: WorkerRequest): Promise<unknown> {
  const controller = new AbortController();
  if (kind !== "call" || method !== "next") controllers.set(id, controller);
  const { signal } = controller;
  if (kind === "load") {
    const [source, options] = args as [ModelSource, LoadOptions];
    const onProgress = (done: number, all: number): void => say({ id, progress: [done, all] });
    const model = await Model.load(source, { ...options, signal, onProgress });
    objects.set(MODEL, model);
    return { info: model.info, build: model.build };
  }
  const target = objects.get(on) as Record<string, unknown>;
  const member = target[method];
  if (typeof member !== "function") return member;
  const last = args[args.length - 1];
  // Whoever takes options takes a signal in them.
  const given = isOptions(last) ? [...args.slice(0, -1), { ...last, signal }] : args;
  const value = await (member as (...args: unknown[]) => unknown).apply(target, [...given]);
  if (kind === "call") return value;
  objects.set(id, value);
  return id;
}

function isOptions(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function drop(on: number): void {
  const object = objects.get(on) as { return?: () => unknown; dispose?: () => void } | undefined;
  object?.return?.();
  object?.dispose?.();
  objects.delete(on);
  controllers.delete(on);
}

function say(message: WorkerAnswer): void {
  if (port) port.postMessage(message);
  else globalThis.postMessage(message);
}
