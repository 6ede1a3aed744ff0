/** What goes wrong with a request, as a status and as the JSON that clients of OpenAI's and of Anthropic's API read. */
import { type ErrorCode, LimpetError } from "../host/errors.ts";

/** What kind of error it is, in OpenAI's words where they have one. */
export type ErrorType =
  | "invalid_request_error"
  | "exceed_context_size_error"
  | "authentication_error"
  | "permission_error"
  | "not_found_error"
  | "request_too_large"
  | "rate_limit_error"
  | "not_implemented_error"
  | "overloaded_error"
  | "server_error";

const STATUS: Readonly<Record<ErrorType, number>> = {
  invalid_request_error: 400,
  exceed_context_size_error: 400,
  authentication_error: 401,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  not_implemented_error: 501,
  overloaded_error: 503,
  server_error: 500,
};

/** Anthropic's names of those that have others there. */
const ANTHROPIC: Partial<Record<ErrorType, string>> = {
  exceed_context_size_error: "invalid_request_error",
  not_implemented_error: "invalid_request_error",
  server_error: "api_error",
};

interface More {
  /** The field of the request that is wrong. */
  param?: string;
  /** What a program branches on. */
  code?: string;
  /** Fields of the error beside its words. */
  figures?: Readonly<Record<string, number>>;
  /** After how many seconds it is worth trying again. */
  retryAfter?: number;
  /** In place of the type's own. */
  status?: number;
}

/** An answer that is no success: its words are for whoever made the request. */
export class RequestError extends Error {
  readonly type: ErrorType;
  readonly status: number;
  readonly more: More;

  constructor(type: ErrorType, words: string, more: More = {}) {
    super(words);
    this.type = type;
    this.status = more.status ?? STATUS[type];
    this.more = more;
  }

  /** The headers that belong to it. */
  get headers(): Record<string, string> {
    const { retryAfter } = this.more;
    return {
      ...(retryAfter !== undefined && { "retry-after": String(retryAfter) }),
      ...(this.status === 401 && { "www-authenticate": "Bearer" }),
    };
  }

  /** As JSON: OpenAI's form. */
  body(): object {
    const { param = null, code = null, figures } = this.more;
    return { error: { message: this.message, type: this.type, param, code, ...figures } };
  }

  /** As JSON: Anthropic's form. */
  anthropicBody(): object {
    return {
      type: "error",
      error: { type: ANTHROPIC[this.type] ?? this.type, message: this.message, ...this.more.figures },
    };
  }
}

/** Of errors that are the request's fault: their words are for whoever made it. */
const TYPES: Partial<Record<ErrorCode, ErrorType>> = {
  BAD_ARGUMENT: "invalid_request_error",
  UNSUPPORTED: "invalid_request_error",
  CONTEXT_FULL: "exceed_context_size_error",
  OUT_OF_MEMORY: "overloaded_error",
};

/** What was thrown, as an answer; null: it is our fault, and its words stay here. */
export function knownError(error: unknown): RequestError | null {
  if (error instanceof RequestError) return error;
  if (!(error instanceof LimpetError)) return null;
  const { code, message, sizes } = error;
  const type = TYPES[code];
  if (!type) return null;
  if (sizes) {
    const figures = { n_prompt_tokens: sizes.tokens, n_ctx: sizes.capacity };
    const words = `the prompt has ${sizes.tokens} tokens, and the context holds ${sizes.capacity}: shorten it`;
    return new RequestError(type, words, { code: "context_length_exceeded", figures });
  }
  const retryAfter = type === "overloaded_error" ? 1 : undefined;
  return new RequestError(type, message, { code: code.toLowerCase(), retryAfter });
}

/** An answer to what nobody foresaw; the words of what was thrown are not for strangers. */
export function unknownError(): RequestError {
  return new RequestError("server_error", "the server failed; its log says why", { code: "internal_error" });
}

/** A field of a request that is not what it has to be. */
export function wrongField(param: string, words: string): RequestError {
  return new RequestError("invalid_request_error", `${param} ${words}`, { param, code: "invalid_value" });
}
