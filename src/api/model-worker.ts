/**
 * What the worker of a model or a graph runs: the model, its sessions and generations, or the graph, and nothing that is not
 * asked of it.
 */
import type { MessagePort } from "node:worker_threads";
import { isNode } from "../../bindings/node.ts";
import { holdLock } from "../../bindings/worker-link.ts";
import { Generation, type GenerationResult, type LogitsHook, type Piece } from "../generate/generation.ts";
import { LimpetError } from "../host/errors.ts";
import { useWasmPlaces, type WasmPlaces } from "../host/wasm.ts";
import type { ModelSource } from "../load/source.ts";
import { Batch } from "./batch.ts";
import type { Graph } from "./graph.ts";
import { Model } from "./model.ts";
import { packError, received, type WorkerAnswer, type WorkerRequest } from "./worker-protocol.ts";

const MODEL = 0;
const objects = new Map<number, unknown>();
/** Of what goes on: requests, and generations that can be asked for more. */
const controllers = new Map<number, AbortController>();
/** Who waits for what the page makes of logits, by the numbers of the calls. */
const shown = new Map<number, (changed: Float32Array) => void>();
let calls = 0;
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
    else if (kind === "logits") shown.get(on)?.(request.args[0] as Float32Array);
    else {
      const value = await run(request);
      say({ id, value }, kind === "call" ? givenAway(request.method, value) : []);
    }
  } catch (error) {
    say({ id, error: packError(error) });
  } finally {
    // A generation's goes with the generation.
    if (kind === "load" || kind === "call") controllers.delete(id);
  }
}

/** A hook of generation `id` that asks the page what it makes of logits. */
function hookOf(id: number, signal: AbortSignal): LogitsHook {
  return async (logits, tokens) => {
    const call = ++calls;
    const forget = (): boolean => shown.delete(call);
    signal.addEventListener("abort", forget, { once: true });
    const changed = await new Promise<Float32Array>((resolve) => {
      shown.set(call, resolve);
      say({ id, hook: { call, logits, tokens } });
    });
    signal.removeEventListener("abort", forget);
    forget();
    logits.set(changed);
  };
}

async function run({ id, kind, on, method, args, options, told = [], hook }: WorkerRequest): Promise<unknown> {
  const controller = new AbortController();
  if (kind !== "call" || method !== "next") controllers.set(id, controller);
  const tell = (name: string) => [name, (...args: unknown[]): void => say({ id, told: { name, args } })];
  const calling = { ...Object.fromEntries(told.map(tell)), ...(hook && { onLogits: hookOf(id, controller.signal) }) };
  const given = options && [{ ...options, signal: controller.signal, ...calling }];
  const all = [...args, ...(given ?? [])].map((argument) => received(argument, objects));
  if (kind === "load") {
    if (method === "graph") return loadGraph(all as Parameters<typeof Graph.load>);
    const [places, ...source] = all as [WasmPlaces, ModelSource];
    useWasmPlaces(places);
    const model = await Model.load(...source);
    objects.set(MODEL, model);
    return { info: model.info, build: model.build };
  }
  const target = objects.get(on) as Record<string, unknown> | undefined;
  if (!target) throw new LimpetError("WRONG_STATE", "what this call is of was disposed of");
  const member = target[method];
  if (typeof member !== "function") return member;
  const value = await (member as (...args: unknown[]) => unknown).apply(target, all);
  if (kind === "call") return value;
  // Those of a batch are computed together only if all are asked for: answers on their way must not leave one out.
  const goesAhead = target instanceof Batch && value instanceof Generation;
  objects.set(id, goesAhead ? Object.assign(ahead(value), { course: value.course }) : value);
  return id;
}

async function loadGraph(source: Parameters<typeof Graph.load>): Promise<unknown> {
  const { Graph } = await import("./graph.ts");
  const graph = await Graph.load(...source);
  objects.set(MODEL, graph);
  const { inputs, outputs, memory, plan } = graph;
  return { inputs, outputs, memory, plan };
}

/** What moves with an answer: a graph's values are copies that nobody here keeps. */
function givenAway(method: string, value: unknown): ArrayBuffer[] {
  if (method === "picture") return [(value as { buffer: ArrayBuffer }).buffer];
  if (method !== "run") return [];
  return Object.values(value as Record<string, { buffer: ArrayBuffer }>).map(({ buffer }) => buffer);
}

/** A generation whose next piece is computed while the last one is on its way. */
async function* ahead(generation: Generation): AsyncGenerator<Piece, GenerationResult | undefined, undefined> {
  const ask = () => {
    const step = generation.next();
    // Whoever asks for it is told; until then nobody is.
    step.catch(() => {});
    return step;
  };
  try {
    for (let step = ask(); ; ) {
      const { done, value } = await step;
      if (done) return value;
      step = ask();
      yield value;
    }
  } finally {
    await generation.return();
  }
}

function drop(on: number): void {
  const object = objects.get(on) as { return?: () => unknown; dispose?: () => void } | undefined;
  object?.return?.();
  object?.dispose?.();
  objects.delete(on);
  controllers.delete(on);
}

function say(message: WorkerAnswer, transfer: ArrayBuffer[] = []): void {
  if (port) port.postMessage(message, transfer);
  else globalThis.postMessage(message, { transfer });
}
