/**
 * A wake word: a network of microWakeWord behind the front end, fed with sound as it comes.
 *
 *     const word = await WakeWord.load("okay_nabu.tflite", { cutoff: 0.97 });
 *     if (await word.push(samples)) …               // heard
 */
import { type OptionTable, readOptions, real, whole } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import type { ModelSource } from "../load/source.ts";
import { FRAME_FEATURES, MicroFrontend } from "./front-end.ts";
import { Graph } from "./graph.ts";
import { GRAPH_CORE_OPTIONS, type GraphCoreOptions } from "./graph-core.ts";

/** When a word counts as heard; both stand in the json beside a network of microWakeWord. */
export interface WakeWordOptions extends GraphCoreOptions {
  /** The word is heard where the mean of the last probabilities is above it (`probability_cutoff`). Default: 0.97. */
  cutoff?: number;
  /** How many probabilities that mean has (`sliding_window_size`). Default: 5. */
  window?: number;
}

const OPTIONS: OptionTable<WakeWordOptions> = { ...GRAPH_CORE_OPTIONS, cutoff: real, window: whole(1, 1000) };

/** A network that waits for a word: made by `WakeWord.load`. */
export class WakeWord {
  readonly #graph: Graph;
  readonly #ears: MicroFrontend;
  readonly #cutoff: number;
  readonly #window: number;
  /** Features that the next run wants, and how many of them are there. */
  readonly #input: Int8Array;
  #held = 0;
  #last: number[] = [];

  private constructor(graph: Graph, ears: MicroFrontend, cutoff: number, window: number) {
    this.#graph = graph;
    this.#ears = ears;
    this.#cutoff = cutoff;
    this.#window = window;
    this.#input = new Int8Array(graph.inputs[0].shape[1] * FRAME_FEATURES);
  }

  /** Loads a network of microWakeWord: one input, `int8` [1, frames, 40], and one probability. */
  static async load(source: ModelSource, options: WakeWordOptions = {}): Promise<WakeWord> {
    const { cutoff = 0.97, window = 5, ...rest } = readOptions(options, OPTIONS);
    if (!(cutoff >= 0 && cutoff <= 1)) {
      throw new LimpetError("BAD_ARGUMENT", `cutoff is a probability from 0 to 1, not ${cutoff}`);
    }
    const graph = await Graph.load(source, rest);
    try {
      const [[input, more], [output, others]] = [graph.inputs, graph.outputs];
      const [one, frames, features] = input?.shape ?? [];
      const isOne = output?.shape.every((size) => size === 1) && /^u?int8$/.test(output.type) && !more && !others;
      if (!isOne || input?.type !== "int8" || one !== 1 || !(frames > 0) || features !== FRAME_FEATURES) {
        throw new LimpetError(
          "UNSUPPORTED",
          "this network is no wake word of microWakeWord: such a one takes int8 [1, frames, 40] and gives one probability",
        );
      }
      return new WakeWord(graph, await MicroFrontend.create(rest), cutoff, window);
    } catch (error) {
      graph.dispose();
      throw error;
    }
  }

  /** The mean of the last probabilities, 0 … 1; 0 before there are as many as `window`. */
  get probability(): number {
    if (this.#last.length < this.#window) return 0;
    return this.#last.reduce((sum, value) => sum + value, 0) / this.#window;
  }

  /**
   * Takes samples of 16 kHz, as many as there are: whether the word was heard at the end of one of the frames in them. It
   * goes on being heard for a little while: `reset` ends that. One call at a time.
   */
  async push(samples: Int16Array): Promise<boolean> {
    const features = this.#ears.bytes(this.#ears.push(samples));
    const [input] = this.#graph.inputs;
    const [output] = this.#graph.outputs;
    let heard = false;
    for (let at = 0; at < features.length; at += FRAME_FEATURES) {
      this.#input.set(features.subarray(at, at + FRAME_FEATURES), this.#held);
      this.#held += FRAME_FEATURES;
      if (this.#held < this.#input.length) continue;
      this.#held = 0;
      const values = await this.#graph.run({ [input.name]: this.#input });
      this.#last.push((Number(values[output.name][0]) - output.zeroPoint) * output.scale);
      if (this.#last.length > this.#window) this.#last.shift();
      heard ||= this.probability > this.#cutoff;
    }
    return heard;
  }

  /** As before the first sound. */
  reset(): void {
    this.#ears.reset();
    this.#graph.reset();
    this.#held = 0;
    this.#last = [];
  }

  /** Gives its memory back. It must not be used after it. */
  dispose(): void {
    this.#ears.dispose();
    this.#graph.dispose();
  }

  /** As `dispose`, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
