/** `limpet/grammar`: what a text may be, and what may follow a beginning of it, without a model. */
export { compile, type Grammar, type GrammarSource, grammarOf } from "./grammar/compile.ts";
export { GrammarError } from "./grammar/errors.ts";
