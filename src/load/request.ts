/**
 * A request of a file, or of a range of it: sent again when the network lost it.
 */
import { LimpetError, messageOf } from "../host/errors.ts";

/** How often a request that the network lost is sent again, and the first pause before that; each is twice the last. */
const RETRIES = 3;
const RETRY_MS = 100;

/** Fetches; what goes wrong on the way is said in words, and an abort is the signal's reason. */
export async function request(url: string | URL, signal?: AbortSignal, headers?: HeadersInit): Promise<Response> {
  for (let tries = 0; ; tries++) {
    try {
      return await fetch(url, { signal, headers });
    } catch (error) {
      signal?.throwIfAborted();
      // A first request that fails is more likely a wrong address than a lost one.
      if (!headers || tries === RETRIES) {
        throw new LimpetError("HOST", `${url} cannot be fetched: ${messageOf(error)}`, { cause: error });
      }
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS * 2 ** tries));
    signal?.throwIfAborted();
  }
}
