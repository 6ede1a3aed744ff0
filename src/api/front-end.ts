/**
 * What stands before networks that listen: sound becomes features, in integers, with the same bits in every host.
 *
 *     const ears = await MicroFrontend.create();
 *     const features = ears.push(samples);          // forty a frame, a frame each 10 ms
 */
import type { GraphExports, Pointer } from "../../bindings/exports.ts";
import { type OptionTable, printable, readOptions, whole } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import type { Core } from "../host/instance.ts";
import { GRAPH_CORE_OPTIONS, type GraphCoreOptions, graphCore } from "./graph-core.ts";

/** Features of a frame. */
export const FRAME_FEATURES = 40;
/** Samples of a frame: 30 ms. */
const WINDOW = 480;

/** How sound is cut into frames. */
export interface MicroFrontendOptions extends GraphCoreOptions {
  /** Samples from one frame to the next: 160 (microWakeWord) or 320 (micro_speech). Default: 160. */
  step?: number;
}

const OPTIONS: OptionTable<MicroFrontendOptions> = { ...GRAPH_CORE_OPTIONS, step: whole(1, WINDOW) };

/**
 * The "micro front end" of TensorFlow Lite Micro with microWakeWord's settings: a window of 30 ms, its spectrum, forty
 * channels on the mel scale from 125 to 7500 Hz, less the noise that it has heard, gain control, a logarithm. It keeps
 * the end of the sound and its estimate of noise from call to call. Made by `MicroFrontend.create`.
 */
export class MicroFrontend {
  readonly #core: Core;
  readonly #exports: GraphExports;
  #pointer: Pointer;

  private constructor(core: Core, pointer: Pointer) {
    this.#core = core;
    this.#exports = core.exports as GraphExports;
    this.#pointer = pointer;
  }

  /** A front end with memory of its own. */
  static async create(options: MicroFrontendOptions = {}): Promise<MicroFrontend> {
    const { step = 160, ...rest } = readOptions(options, OPTIONS);
    const core = await graphCore(rest);
    return new MicroFrontend(core, core.handle((core.exports as GraphExports).front_end_create(core.pointer, step)));
  }

  /**
   * Takes samples of 16 kHz, as many as there are, and gives the features of all frames that they complete: 40 each, one
   * frame behind the other. A feature is 64 · ln of what is left of a channel, 0 … 670; over 25.6 it is what
   * pymicro-features gives.
   */
  push(samples: Int16Array): Uint16Array {
    const pointer = this.#alive();
    if (!(samples instanceof Int16Array)) {
      throw new LimpetError("BAD_ARGUMENT", `samples are an Int16Array of 16 kHz sound, not ${printable(samples)}`);
    }
    const count = FRAME_FEATURES * this.#exports.front_end_frames(pointer, samples.length);
    return this.#core.scoped((arena) => {
      const [from, to] = [arena.put(samples), arena.allocate(2 * Math.max(count, 1))];
      this.#exports.front_end_push(pointer, from, samples.length, to);
      return this.#core.memory.u16(to, count).slice();
    });
  }

  /** Features as the values that networks of `int8` take: (feature · 256 + 333) div 666 − 128. */
  bytes(features: Uint16Array): Int8Array {
    this.#alive();
    return this.#core.scoped((arena) => {
      const [from, to] = [arena.put(features), arena.allocate(Math.max(features.length, 1))];
      this.#exports.front_end_bytes(from, features.length, to);
      return this.#core.memory.i8(to, features.length).slice();
    });
  }

  /** As before the first sound: it has no samples, and knows of no noise. */
  reset(): void {
    this.#exports.front_end_reset(this.#alive());
  }

  /** Gives its memory back. It must not be used after it. */
  dispose(): void {
    if (this.#pointer === 0) return;
    this.#exports.front_end_release(this.#core.pointer, this.#pointer);
    this.#pointer = 0;
    this.#core.dispose();
  }

  /** As `dispose`, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #alive(): Pointer {
    if (this.#pointer !== 0) return this.#pointer;
    throw new LimpetError("WRONG_STATE", "the front end was disposed of: make a new one");
  }
}
