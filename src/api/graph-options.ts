/** How graphs are loaded and run, and what is said of them: for those that compute here and those in a worker. */
import { type OptionTable, signal } from "../host/arguments.ts";
import { CORE_OPTIONS } from "../host/instance.ts";
import { GRAPH_CORE_OPTIONS, type GraphCoreOptions } from "./graph-core.ts";

/** What a graph takes of memory, which is known before it runs and never grows [bytes]. */
export interface GraphMemory {
  /** The file. */
  readonly file: number;
  /** What is made of its constants: packed filters, tables, factors of channels. */
  readonly constants: number;
  /** Values between operators and inputs, planned by how long they live; of a graph of patches a part of its image. */
  readonly values: number;
  /** What is kept from run to run. */
  readonly state: number;
  /** What the operator that needs most needs for itself. */
  readonly scratch: number;
  /** Inputs that lie whole beside the values: where a graph of patches turns or slices its image first, else 0. */
  readonly inputs: number;
}

/**
 * How a graph is computed within `memory`: whole, or its first operators, whose images are large, patch by patch, each for
 * one rectangle of the last image of theirs after the other (MCUNetV2, arXiv:2110.15352).
 */
export interface GraphPlan {
  /** What values between operators and inputs take, at most `memory` less `memory.inputs` [bytes]. */
  readonly values: number;
  /** n × n rectangles; 1: all is whole. */
  readonly patches: number;
  /** The operator, by its place in the file, that writes the image that is cut into patches; null: none does. */
  readonly stageEnd: number | null;
  /** Multiply-adds of a run. */
  readonly macs: number;
  /** How many times those of a run without patches that is: what patches share is computed for each. */
  readonly factor: number;
}

/** How a graph is loaded: which wasm computes, and what it may take, the file included. */
export interface GraphLoadOptions extends GraphCoreOptions {
  /**
   * Bytes that values between operators and inputs may take at most. Where they take more, the graph is computed patch by patch,
   * as the plan of the least work that fits says; its outputs are the same to the bit. What no plan fits is refused as
   * `OUT_OF_MEMORY`, with the least that one takes. Default: no limit.
   */
  memory?: number;
}

/** How a graph is run. */
export interface GraphRunOptions {
  /** Ends the run: it throws the signal's reason then, and state is as far as the run came. */
  signal?: AbortSignal;
}

/** What each of `GraphLoadOptions` has to be. */
export const GRAPH_LOAD_OPTIONS: OptionTable<GraphLoadOptions> = {
  ...GRAPH_CORE_OPTIONS,
  memory: CORE_OPTIONS.memoryLimit,
};
/** What each of `GraphRunOptions` has to be. */
export const GRAPH_RUN_OPTIONS: OptionTable<GraphRunOptions> = { signal };
