/**
 * A request of a file, or of a range of it: sent again when the network lost it, and what goes wrong with it in words.
 */
import { LimpetError, messageOf } from "../host/errors.ts";
import { pause, within } from "../host/wait.ts";
import { pieceLength, versionOf } from "./version.ts";

/** How often a request that the network lost is sent again, and the first pause before that; each is twice the last. */
const RETRIES = 3;
const RETRY_MS = 100;

/** Fetches; what goes wrong on the way is said in words, and an abort is the signal's reason. */
export async function request(url: string | URL, signal?: AbortSignal, headers?: HeadersInit): Promise<Response> {
  for (let tries = 0; ; tries++) {
    try {
      return await within(fetch(url, { signal, headers }), signal, String(url));
    } catch (error) {
      signal?.throwIfAborted();
      // A first request that fails is more likely a wrong address than a lost one.
      if (!headers || tries === RETRIES) {
        throw new LimpetError("HOST", `${url} cannot be fetched: ${reasonOf(error)}`, { cause: error });
      }
    }
    await pause(RETRY_MS * 2 ** tries, signal);
  }
}

/** The body of an answer that holds a whole file. */
export function bodyOf(response: Response): ReadableStream<Uint8Array<ArrayBuffer>> {
  const place = response.url || "the response";
  if (!response.ok) throw refused(place, response);
  if (response.bodyUsed || response.body?.locked) {
    throw new LimpetError("HOST", `${place} was read before: fetch it anew`);
  }
  if (!response.body) throw new LimpetError("HOST", `${place} is empty, or was read before`);
  const version = versionOf(response);
  if (response.status === 206 && (version.size === null || pieceLength(version, response, 0) !== version.size)) {
    drop(response);
    throw new LimpetError("HOST", `${place} answers with a part of the file: ask for all of it`);
  }
  return response.body;
}

/** Whether it may be well when it is asked again. */
export function isPassing(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

/** The error of an answer that holds no file; its connection is ended. */
export function refused(place: string | URL, response: Response): LimpetError {
  drop(response);
  const { status } = response;
  let advice = "check its path";
  if (status === 401 || status === 403) advice = "fetch it with what it wants to know of you, and load the Response";
  else if (isPassing(status)) advice = "try again later";
  else if (status === 0) advice = "fetch it with mode cors, as an opaque answer cannot be read";
  return new LimpetError("HOST", `${place} answers ${status}: ${advice}`);
}

/** Ends the connection of an answer that is of no use. */
export function drop(response: Response): void {
  if (!response.body?.locked) response.body?.cancel().catch(() => {});
}

/** What a failed request says, with what lies under it: `fetch failed` alone helps nobody. */
export function reasonOf(error: unknown): string {
  const { cause } = (error ?? {}) as { cause?: unknown };
  const { code } = (cause ?? {}) as { code?: unknown };
  const under = cause === undefined || cause === null ? "" : messageOf(cause) || String(code ?? "");
  return under && !messageOf(error).includes(under) ? `${messageOf(error)} (${under})` : messageOf(error);
}
