/** A bar on a terminal, and nothing anywhere else. */

const WIDTH = 30;
/** Shorter waits show nothing. */
const PATIENCE_MS = 200;
const EVERY_MS = 50;

export class ProgressBar {
  readonly #stream: { isTTY?: boolean; write(text: string): unknown };
  readonly #start: number = performance.now();
  #last = 0;
  #shown = false;

  constructor(stream: { isTTY?: boolean; write(text: string): unknown }) {
    this.#stream = stream;
  }

  show(label: string, done: number, total: number): void {
    if (!this.#stream.isTTY || total <= 0) return;
    const now = performance.now();
    if (now - this.#start < PATIENCE_MS || now - this.#last < EVERY_MS) return;
    this.#last = now;
    this.#shown = true;
    const share = Math.min(done / total, 1);
    const full = Math.round(share * WIDTH);
    const bar = "█".repeat(full) + "░".repeat(WIDTH - full);
    this.#stream.write(`\r${label} ${bar} ${String(Math.floor(share * 100)).padStart(3)} %`);
  }

  /** Wipes the bar away. */
  end(): void {
    if (this.#shown) this.#stream.write("\r\x1b[K");
    this.#shown = false;
  }
}
