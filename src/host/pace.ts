/**
 * Work that does not hold the host up: between two steps of the core the event loop gets its turn when some time has
 * passed, so that timers, input and an abort come through, and a token costs no turn of its own.
 */

/** Milliseconds between two turns of the event loop: shorter than a frame of slow video, longer than most tokens. */
const SLICE_MS = 25;

/** When the event loop last had its turn, as far as is known: many short calls in a row are one long one to it. */
let last = performance.now();

export class Pace {
  readonly #signal: AbortSignal | undefined;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
    signal?.throwIfAborted();
  }

  /** To be asked between two steps: a promise to wait for when it is time, else nothing. Throws the signal's reason. */
  step(): Promise<void> | undefined {
    if (this.#signal?.aborted) throw this.#signal.reason;
    if (performance.now() - last < SLICE_MS) return undefined;
    return this.#turn();
  }

  async #turn(): Promise<void> {
    await macrotask();
    last = performance.now();
    this.#signal?.throwIfAborted();
  }
}

/** One turn of the event loop, without the delay that timers have in browsers. */
export function macrotask(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === "function") setImmediate(resolve);
    else if (typeof MessageChannel === "function") {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        resolve();
      };
      port2.postMessage(null);
    } else setTimeout(resolve, 0);
  });
}
