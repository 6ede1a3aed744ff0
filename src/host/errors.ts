/** What goes wrong in words a user can act on, with a code that a program can. */
import { ErrorCode as CoreCode } from "../../bindings/numbers.ts";
import { escapeLine } from "./escape.ts";

/** What kind of thing went wrong: a program branches on it, the message is for people. */
export type ErrorCode =
  /** The memory (4 GiB of WebAssembly, or the host's limit) does not hold what was asked. */
  | "OUT_OF_MEMORY"
  /** The file is broken: truncated, contradictory, out of range. */
  | "BAD_FILE"
  /** A sound file or a wish that limpet does not know: architecture, block format, option of a later version. */
  | "UNSUPPORTED"
  /** The caller asked for something impossible: a shape, a token id, an option. */
  | "BAD_ARGUMENT"
  /** The context's rows are used up. */
  | "CONTEXT_FULL"
  /** The call does not fit the state of the object: using a model that was disposed of, for instance. */
  | "WRONG_STATE"
  /** The host failed: a file that cannot be opened, a server that answers with an error. */
  | "HOST";

/** Every error that limpet throws itself. An aborted call throws its signal's reason instead, as the platform does. */
export class LimpetError extends Error {
  /** Always `LimpetError`, also where classes are minified. */
  override readonly name: string = "LimpetError";
  /** What kind of thing went wrong. */
  readonly code: ErrorCode;
  /** How far what does not fit is from fitting, where a text is longer than its context (CONTEXT_FULL). */
  readonly sizes?: ContextSizes;

  /** An error with its code, and words that say what to do. What they quote of a file is shown, not obeyed. */
  constructor(code: ErrorCode, message: string, options: ErrorOptions & { sizes?: ContextSizes } = {}) {
    const { sizes, ...rest } = options;
    super(shortened(escapeLine(message)), rest);
    this.code = code;
    if (sizes) this.sizes = sizes;
  }
}

/** A text and a context that does not hold it. */
export interface ContextSizes {
  /** Tokens of the text. */
  readonly tokens: number;
  /** Tokens that the context holds. */
  readonly capacity: number;
}

/** Letters of a message: what it quotes of a file may have any length. */
const MOST_LETTERS = 2000;

function shortened(words: string): string {
  return words.length > MOST_LETTERS ? `${words.slice(0, MOST_LETTERS)}…` : words;
}

/** The code that the core gives as a number below zero. */
export function errorCode(status: number): ErrorCode {
  const code = Object.entries(CoreCode).find(([, number]) => number === status);
  return code ? (code[0] as keyof typeof CoreCode) : "HOST";
}

/** Anything that was thrown, as words. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
