/**
 * Waiting for what others give: a server, a disk, somebody's stream. Every wait ends when its signal aborts, and one that
 * gets nothing for some seconds says so once, so that nobody looks at a still screen without a word.
 */

/** So long a place may give nothing before it is said. */
const QUIET_MS = 5000;

/** What `work` comes to, or the signal's reason as soon as it aborts. `place` is named when nothing comes of it for long. */
export function within<T>(work: PromiseLike<T>, signal?: AbortSignal, place?: string): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = place === undefined ? undefined : setTimeout(() => sayQuiet(place), QUIET_MS);
    // What waits keeps a process alive, not that it is said.
    (timer as { unref?: () => void } | undefined)?.unref?.();
    const abort = (): void => {
      reject(signal!.reason);
      end();
    };
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
    // The ear is closed before whoever waits goes on, and opens another.
    work.then(
      (value) => {
        end();
        resolve(value);
      },
      (error: unknown) => {
        end();
        reject(error as Error);
      },
    );
  });
}

/** A pause that the signal ends. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return within(new Promise<void>((resolve) => setTimeout(resolve, ms)), signal);
}

function sayQuiet(place: string): void {
  console.warn(
    `limpet: ${place} has given nothing for ${QUIET_MS / 1000} seconds; it is waited for until you abort it`,
  );
}
