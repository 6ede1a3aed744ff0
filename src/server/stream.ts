/** Answers that come piece by piece, as server-sent events. */
import { knownError, type RequestError, unknownError } from "./errors.ts";

/** How a stream is kept open, and how it fails. */
export interface StreamForm {
  /** Milliseconds of silence, after which a ping says that the stream goes on. */
  readonly pingMs: number;
  readonly ping: string;
  /** The event of an error that comes when the answer has begun. */
  readonly failure: (error: RequestError) => string;
  /** Is told of errors that nobody foresaw. */
  readonly onError: (error: unknown) => void;
}

/** A comment, which every client of server-sent events passes over. */
export const PING = ": ping\n\n";

/** An event without a name. */
export function data(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

/** An event with its name, which its JSON repeats. */
export function named(value: { readonly type: string }): string {
  return `event: ${value.type}\n${data(value)}`;
}

const HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache, no-transform",
  // nginx would keep events back until it has many.
  "x-accel-buffering": "no",
};

/**
 * Events as a response. An error before the first event, if it comes soon, is thrown: it is an answer with a status of its
 * own. Who closes the connection aborts what makes the events.
 */
export async function streamed(
  events: AsyncGenerator<string, void, undefined>,
  abort: AbortController,
  { pingMs, ping, failure, onError }: StreamForm,
): Promise<Response> {
  const encoder = new TextEncoder();
  let next: Promise<IteratorResult<string, void>> | null = null;
  /** The next event; null where it takes longer than the silence may last. */
  const soon = async (): Promise<IteratorResult<string, void> | null> => {
    next ??= events.next();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const silence = new Promise<null>((resolve) => {
      timer = setTimeout(resolve, pingMs, null);
    });
    try {
      const step = await Promise.race([next, silence]);
      if (step) next = null;
      return step;
    } finally {
      clearTimeout(timer);
    }
  };
  let first = await soon();
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const step = first ?? (await soon());
          first = null;
          if (step?.done) controller.close();
          else controller.enqueue(encoder.encode(step ? step.value : ping));
        } catch (error) {
          if (abort.signal.aborted) {
            controller.error(error);
            return;
          }
          const known = knownError(error);
          if (!known) onError(error);
          controller.enqueue(encoder.encode(failure(known ?? unknownError())));
          controller.close();
        }
      },
      cancel() {
        abort.abort();
        events.return().catch(() => {});
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: HEADERS });
}
