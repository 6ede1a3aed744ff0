/** Errors of limpet as the Prompt API names them: DOMExceptions. */
import { type ErrorCode, LimpetError, messageOf } from "../../host/errors.ts";

/** A DOMException's name for each code; null: a TypeError. */
const NAMES: Readonly<Record<ErrorCode, string | null>> = {
  OUT_OF_MEMORY: "OperationError",
  BAD_FILE: "OperationError",
  UNSUPPORTED: "NotSupportedError",
  BAD_ARGUMENT: null,
  CONTEXT_FULL: "QuotaExceededError",
  WRONG_STATE: "InvalidStateError",
  HOST: "NetworkError",
};

/** What was thrown, as pages expect it: limpet's own errors by the draft's names, with the error itself as the cause. */
export function domError(error: unknown): unknown {
  if (!(error instanceof LimpetError)) return error;
  const name = NAMES[error.code];
  const made = name === null ? new TypeError(error.message) : new DOMException(error.message, name);
  Object.defineProperty(made, "cause", { value: error, configurable: true, writable: true });
  return made;
}

/** What limpet does not do. */
export function notSupported(words: string): DOMException {
  return new DOMException(words, "NotSupportedError");
}

/** An AbortError, as `destroy()` gives it to what goes on. */
export function destroyed(): DOMException {
  return new DOMException("the session was destroyed", "AbortError");
}

/** An input that no context can hold: how many tokens it takes, and how many there are. */
export function quotaExceeded(requested: number, quota: number): DOMException {
  const words = `the input takes ${requested} tokens, and the context window holds ${quota}`;
  const { QuotaExceededError } = globalThis as {
    QuotaExceededError?: new (message: string, sizes: { requested: number; quota: number }) => DOMException;
  };
  if (QuotaExceededError) return new QuotaExceededError(words, { requested, quota });
  const error = new DOMException(words, "QuotaExceededError");
  return Object.defineProperties(error, { requested: { value: requested }, quota: { value: quota } });
}

/** The reason of a failed download in words. */
export function downloadFailed(error: unknown): unknown {
  return error instanceof LimpetError ? domError(error) : new DOMException(messageOf(error), "NetworkError");
}
