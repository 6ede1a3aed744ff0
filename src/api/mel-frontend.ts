/**
 * The front end in real numbers, for networks that were trained on the spectra of tf.signal.
 *
 *     const ears = await MelFrontend.create({ coefficients: 10 });
 *     const mfcc = ears.push(samples);              // ten a frame
 */
import type { GraphExports, Pointer } from "../../bindings/exports.ts";
import { floats, type OptionTable, readOptions, real, whole } from "../host/arguments.ts";
import { LimpetError } from "../host/errors.ts";
import type { Core } from "../host/instance.ts";
import { GRAPH_CORE_OPTIONS, type GraphCoreOptions, graphCore } from "./graph-core.ts";

/** What it makes of sound. */
export interface MelFrontendOptions extends GraphCoreOptions {
  /** Samples a second. Default: 16000. */
  rate?: number;
  /** Samples of a window, under a periodic Hann window. Default: 480. */
  window?: number;
  /** Samples from one window to the next. Default: 320. */
  step?: number;
  /** Samples of a transform, a power of two: what a window lacks is zeros. Default: 512. */
  length?: number;
  /** Triangles, even on the mel scale 1127 ln(1 + f/700). Default: 40. */
  bands?: number;
  /** Where the first begins [Hz]. Default: 20. */
  low?: number;
  /** Where the last ends [Hz]. Default: 4000. */
  high?: number;
  /** Cepstral coefficients (MFCC); 0: the logarithms of the bands themselves. Default: 0. */
  coefficients?: number;
}

const OPTIONS: OptionTable<MelFrontendOptions> = {
  ...GRAPH_CORE_OPTIONS,
  rate: real,
  window: whole(1, 32768),
  step: whole(1, 32768),
  length: whole(1, 32768),
  bands: whole(1, 4096),
  low: real,
  high: real,
  coefficients: whole(0, 4096),
};

/**
 * Magnitudes of a spectrum, summed by mel bands, ln(sum + 10⁻⁶), and cepstral coefficients of those: what
 * tf.signal.stft, linear_to_mel_weight_matrix and mfccs_from_log_mel_spectrograms give. It computes in f64 and keeps the
 * end of the sound from call to call. Made by `MelFrontend.create`.
 */
export class MelFrontend {
  readonly #core: Core;
  readonly #exports: GraphExports;
  /** Values of a frame: bands, or coefficients. */
  readonly #values: number;
  #pointer: Pointer;

  private constructor(core: Core, pointer: Pointer, values: number) {
    this.#core = core;
    this.#exports = core.exports as GraphExports;
    this.#pointer = pointer;
    this.#values = values;
  }

  /** A front end with memory of its own. */
  static async create(options: MelFrontendOptions = {}): Promise<MelFrontend> {
    const {
      rate = 16000,
      window = 480,
      step = 320,
      length = 512,
      bands = 40,
      low = 20,
      high = 4000,
      coefficients = 0,
      ...rest
    } = readOptions(options, OPTIONS);
    const core = await graphCore(rest);
    const rule = new Uint8Array(8 * 4);
    new Uint32Array(rule.buffer).set([window, step, length, bands, coefficients]);
    new Float32Array(rule.buffer).set([rate, low, high], 5);
    return core.scoped((arena) => {
      const pointer = core.handle((core.exports as GraphExports).front_end_mel_create(core.pointer, arena.put(rule)));
      return new MelFrontend(core, pointer, coefficients || bands);
    });
  }

  /** Takes samples, −1 … 1, as many as there are, and gives the values of all frames that they complete. */
  push(samples: Float32Array): Float32Array {
    const pointer = this.#alive();
    const sound = floats("samples", samples);
    const count = this.#values * this.#exports.front_end_mel_frames(pointer, sound.length);
    return this.#core.scoped((arena) => {
      const [from, to] = [arena.put(sound), arena.allocate(4 * Math.max(count, 1))];
      this.#exports.front_end_mel_push(pointer, from, sound.length, to);
      return this.#core.memory.f32(to, count).slice();
    });
  }

  /** As before the first sound. */
  reset(): void {
    this.#exports.front_end_mel_reset(this.#alive());
  }

  /** Gives its memory back. It must not be used after it. */
  dispose(): void {
    if (this.#pointer === 0) return;
    this.#exports.front_end_mel_release(this.#core.pointer, this.#pointer);
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
