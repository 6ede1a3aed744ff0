/** A handler as Node's `http.createServer` calls it; of Node nothing is imported, only its shape is known. */
import type { Handler } from "./handler.ts";

/** What of Node's `IncomingMessage` is used. */
export interface NodeRequest extends AsyncIterable<Uint8Array> {
  /** The method. */
  readonly method?: string;
  /** The path, and what is asked of it. */
  readonly url?: string;
  /** The headers as they came: name, value, name, value. */
  readonly rawHeaders: readonly string[];
}

/** What of Node's `ServerResponse` is used. */
export interface NodeResponse {
  /** Whether all was written that there was. */
  readonly writableFinished: boolean;
  /** Whether the connection is gone. */
  readonly destroyed: boolean;
  /** Begins the answer. */
  writeHead(status: number, headers: Record<string, string>): unknown;
  /** Writes bytes; false: wait for `drain`. */
  write(chunk: Uint8Array): boolean;
  /** Ends the answer. */
  end(chunk?: string): unknown;
  /** Closes the connection in the middle. */
  destroy(): unknown;
  /** Calls back once. */
  once(event: "close" | "drain", call: () => void): unknown;
}

/**
 * A handler for Node: `createServer(listener(handler(models))).listen(8080, "127.0.0.1")`. A connection that closes ends the
 * request's signal.
 */
export function listener(answer: Handler): (request: NodeRequest, response: NodeResponse) => Promise<void> {
  return async (incoming, outgoing) => {
    const abort = new AbortController();
    outgoing.once("close", () => {
      if (!outgoing.writableFinished) abort.abort();
    });
    let request: Request;
    try {
      request = requestOf(incoming, abort.signal);
    } catch {
      outgoing.writeHead(400, { "content-type": "text/plain; charset=utf-8", connection: "close" });
      outgoing.end("this is no request that can be read\n");
      return;
    }
    const response = await answer(request);
    if (outgoing.destroyed) {
      response.body?.cancel().catch(() => {});
      return;
    }
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    await pour(response, outgoing);
  };
}

function requestOf(incoming: NodeRequest, signal: AbortSignal): Request {
  const headers = new Headers();
  const { method = "GET", rawHeaders } = incoming;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) headers.append(rawHeaders[i], rawHeaders[i + 1]);
  // A path of two slashes is no host; and what proxies send, a whole address, is one.
  const { url: asked = "/" } = incoming;
  const place = `http://${headers.get("host") ?? "localhost"}`;
  const url = asked.startsWith("/") ? new URL(place + asked) : new URL(asked, place);
  const body = method === "GET" || method === "HEAD" ? undefined : streamOf(incoming);
  const init = { method, headers, body, signal, duplex: "half" };
  return new Request(url, init as RequestInit);
}

function streamOf(incoming: NodeRequest): ReadableStream<Uint8Array> {
  const chunks = incoming[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await chunks.return?.();
    },
  });
}

async function pour(response: Response, outgoing: NodeResponse): Promise<void> {
  const reader = response.body?.getReader();
  outgoing.once("close", () => void reader?.cancel().catch(() => {}));
  try {
    for (;;) {
      const step = await reader?.read();
      if (!step || step.done) break;
      if (!outgoing.write(step.value)) {
        await new Promise<void>((resolve) => {
          outgoing.once("drain", resolve);
          outgoing.once("close", resolve);
        });
      }
    }
    outgoing.end();
  } catch {
    // The answer has begun, and its error cannot be told any more.
    outgoing.destroy();
  }
}
