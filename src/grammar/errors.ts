import { LimpetError } from "../host/errors.ts";

/**
 * A schema, an expression or a grammar that is refused: `keyword` is what cannot be held, `path` where it stands (a JSON
 * pointer, or a place in the text).
 */
export class GrammarError extends LimpetError {
  readonly keyword: string;
  readonly path: string;

  constructor(words: string, keyword: string = "", path: string = "") {
    super("UNSUPPORTED", keyword === "" ? words : `${keyword} at ${path || "/"}: ${words}`);
    this.keyword = keyword;
    this.path = path;
  }
}
