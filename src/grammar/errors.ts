import { LimpetError } from "../host/errors.ts";

/**
 * A schema, an expression or a grammar that is refused: `keyword` is what cannot be held, `path` where it stands (a JSON
 * pointer, or a place in the text).
 */
export class GrammarError extends LimpetError {
  /** What cannot be held. */
  readonly keyword: string;
  /** Where it stands: a JSON pointer, or a place in the text. */
  readonly path: string;

  /** An error in words, which name both. */
  constructor(words: string, keyword: string = "", path: string = "") {
    super("UNSUPPORTED", keyword === "" ? words : `${keyword} at ${path || "/"}: ${words}`);
    this.keyword = keyword;
    this.path = path;
  }
}
