/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A graph in a worker of its own: what `Graph` does, with answers that come later. The page's thread only waits.
 *
 *     const graph = await WorkerGraph.load(url);
 *     const { scores } = await graph.run({ image });
 */
import { flag, type OptionTable, readOptions } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import { isUrl } from "../host/names.ts";
import { sendableWasm } from "../host/wasm.ts";
import { forWorker, type ModelSource, nameForWorker } from "../load/kinds.ts";
import { atHand } from "../load/source.ts";
import {
  GRAPH_LOAD_OPTIONS,
  GRAPH_RUN_OPTIONS,
  type GraphLoadOptions,
  type GraphMemory,
  type GraphPlan,
  type GraphRunOptions,
} from "./graph-options.ts";
import { GRAPH_PICTURE_OPTIONS, type GraphPicture, type GraphPictureOptions } from "./graph-picture.ts";
import { checkedInputs, type GraphArray, type GraphTensor } from "./graph-tensors.ts";
import { graphWasm } from "./graph-wasm.ts";
import { Channel, MODEL, WorkerHold } from "./worker-channel.ts";

/** How a graph is run in a worker. */
export interface WorkerGraphRunOptions extends GraphRunOptions {
  /** Whether the inputs' buffers move to the worker instead of being copied: they are gone here then. Default: false. */
  transfer?: boolean;
}

const RUN_OPTIONS: OptionTable<WorkerGraphRunOptions> = { ...GRAPH_RUN_OPTIONS, transfer: flag };

/** What the worker says of a graph. */
interface Loaded {
  readonly inputs: readonly GraphTensor[];
  readonly outputs: readonly GraphTensor[];
  readonly memory: GraphMemory;
  readonly plan: GraphPlan;
}

/** A graph in a worker: made by `WorkerGraph.load`. A worker that dies fails what waits with the code HOST. */
export class WorkerGraph {
  /** The inputs, in the file's order. */
  readonly inputs: readonly GraphTensor[];
  /** The outputs, in the file's order. */
  readonly outputs: readonly GraphTensor[];
  /** What it takes of memory. */
  readonly memory: GraphMemory;
  /** How it is computed within the memory that it was given. */
  readonly plan: GraphPlan;
  readonly #hold: WorkerHold;
  #runs = false;

  private constructor(hold: WorkerHold, { inputs, outputs, memory, plan }: Loaded) {
    this.#hold = hold;
    this.inputs = inputs;
    this.outputs = outputs;
    this.memory = memory;
    this.plan = plan;
  }

  /** Starts a worker and loads the graph in it: from what `Graph.load` takes. */
  static async load(source: ModelSource, options: GraphLoadOptions = {}): Promise<WorkerGraph> {
    const { signal, wasm, ...rest } = readOptions(options, GRAPH_LOAD_OPTIONS);
    const form = await sendableWasm(wasm ?? graphWasm(rest.build ?? "portable"), signal);
    const name = typeof form === "string" || isUrl(form) ? nameForWorker(form) : form;
    const [there, transfer] = forWorker(await atHand(source, { signal }));
    const hold = new WorkerHold(new Channel("graph"));
    try {
      const more = { options: { ...rest, wasm: name }, signal, transfer };
      return new WorkerGraph(hold, (await hold.ask("load", MODEL, "graph", [there], more)) as Loaded);
    } catch (error) {
      hold.end("HOST", "the graph was not loaded");
      throw error;
    }
  }

  /** Multiply-adds of a run. */
  get macs(): number {
    return this.plan.macs;
  }

  /**
   * Runs the graph with a value for each input, by name, and gives one for each output, which are moved here. One run at a
   * time; one that `signal` ends has ended in the worker too when it throws.
   */
  async run(
    inputs: Readonly<Record<string, GraphArray>>,
    options: WorkerGraphRunOptions = {},
  ): Promise<Record<string, GraphArray>> {
    const { signal, transfer = false } = readOptions(options, RUN_OPTIONS);
    this.#requireIdle("the next");
    const given = checkedInputs(this.inputs, inputs);
    // A copy of what an array shows: a message would hold all of the buffer under it.
    const values = transfer ? given : given.map((value) => value.slice());
    const named = Object.fromEntries(this.inputs.map(({ name }, i) => [name, values[i]]));
    const buffers = [...new Set(values.map(({ buffer }) => buffer as ArrayBuffer))];
    this.#runs = true;
    try {
      const more = { options: {}, signal, transfer: buffers, endsThere: true };
      return (await this.#hold.ask("call", MODEL, "run", [named], more)) as Record<string, GraphArray>;
    } catch (error) {
      if (signal?.aborted && !(error instanceof LimpetError)) throw signal.reason;
      throw error;
    } finally {
      this.#runs = false;
    }
  }

  /** A picture as the values of an input, for `run`: as `Graph.picture`. */
  async picture(picture: GraphPicture, options: GraphPictureOptions = {}): Promise<GraphArray> {
    // An ImageData of another making may have these in its class, where no message finds them.
    const { data, width, height } = (picture ?? {}) as GraphPicture;
    const given = [{ data, width, height }, readOptions(options, GRAPH_PICTURE_OPTIONS)];
    return (await this.#hold.ask("call", MODEL, "picture", given)) as GraphArray;
  }

  /** Forgets what it kept from earlier runs, as before the first one. */
  async reset(): Promise<void> {
    this.#requireIdle("a reset");
    await this.#hold.ask("call", MODEL, "reset", []);
  }

  /** Ends the worker, whatever it does, and gives all its memory back. */
  dispose(): void {
    this.#hold.end("WRONG_STATE", "the graph was disposed of: load it anew");
  }

  /** As `dispose`, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #requireIdle(what: string): void {
    if (!this.#runs) return;
    throw new LimpetError("WRONG_STATE", `the graph is running: wait for that run before ${what}`);
  }
}
