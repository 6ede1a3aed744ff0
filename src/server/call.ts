/** What a route is given: the request's fields, and the server that it came to. */
import type { Fields } from "./fields.ts";
import type { Metrics } from "./metrics.ts";
import type { Models } from "./models.ts";
import type { StreamForm } from "./stream.ts";

/** What all requests share. */
export interface ServerState {
  readonly models: Models;
  readonly metrics: Metrics;
  readonly pingMs: number;
  readonly onError: (error: unknown) => void;
}

/** A request whose body was read. */
export interface Call {
  readonly fields: Fields;
  readonly server: ServerState;
  /** Ends with the connection, or when `abort` is. */
  readonly signal: AbortSignal;
  readonly abort: AbortController;
}

/** A stream's form in a route's own words. */
export function streamForm({ server }: Call, { ping, failure }: Pick<StreamForm, "ping" | "failure">): StreamForm {
  return { ping, failure, pingMs: server.pingMs, onError: server.onError };
}

/** A name of an answer that none else has. */
export function newId(prefix: string): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return prefix + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Now, in seconds. */
export function now(): number {
  return Math.floor(Date.now() / 1000);
}
